/* VMs made of other VMs: copies, snapshots and the way back to them, and what a template's disks
 * are made from.
 *
 * Like the rest of vm.h: checks and plans are pure functions of the model.  Main loop only. */
#ifndef XAPID_VM_COPIES_H
#define XAPID_VM_COPIES_H

#include "xapid/vm/vm.h"

/* --- copy.c: VM.clone, VM.copy and VM.snapshot --- */

/* operation: "clone", "copy" or "snapshot"; sr: where the disks go, REF_NULL: each where its
 * original is; ignored: disks that are left out, with their drives, or NULL.
 * What vm_may () and, of each disk, vdi_may_copy () say. */
bool vm_may_copy(const struct storage_world *storage, const char *vm, const char *operation,
                 const char *sr, GVariant *ignored, GError **error);
/* Makes the rows within txn, and the plan, whose object is the new VM, or the one that a snapshot
 * is taken of; vm_may_copy () has said yes.  NULL with an error. */
struct plan *vm_begin_copy(const struct model *model, struct txn *txn, const char *vm,
                           const char *operation, const char *name, const char *sr,
                           GVariant *ignored, GError **error);
bool vm_is_copy_operation(const char *operation);
/* The disks that `op` made for the VM as its plan ended: they are there, or neither they nor their
 * drives are. */
void vm_record_new_disks(struct op *op, struct txn *txn, const char *vm, const GError *error);
/* The new VM as that plan ended: its disks are there, or nothing is. */
void vm_record_copy(struct op *op, struct txn *txn, const GError *error);

/* What a copy has of its original: a{sv}, floating. */
GVariant *vm_kept_fields(const struct model *model, const char *vm);
/* Makes the row `to` (NULL: a new one), of the VM, a drive like `from`, with that disk or disc. */
bool vm_copy_drive(const struct model *model, struct txn *txn, const char *from, const char *to,
                   const char *vm, const char *vdi, GError **error);
/* The same of a card; mac NULL: the same. */
bool vm_copy_card(const struct model *model, struct txn *txn, const char *from, const char *to,
                  const char *vm, const char *mac, GError **error);
/* A CD drive's disc is nobody's own. */
bool vbd_has_own_disk(const struct model *model, const char *vbd);

/* --- snapshot.c: what a snapshot says of its VM, and its place in the tree --- */

/* Inserts what the row of a snapshot of the VM has beyond that of a copy. */
void vm_insert_snapshot(const struct model *model, const char *vm, GVariantDict *fields);
/* Steps between which the guest, which runs or is paused, stands still, so that all of its drives
 * `drives`, to which it writes, can be snapshotted as of one moment; then it goes on with what
 * their handles name, as it does when the operation goes back. */
void vm_plan_add_hold(struct plan *plan, const struct model *model, const char *vm,
                      const GPtrArray *drives);
void vm_plan_add_release(struct plan *plan, const struct model *model, const char *vm,
                         const GPtrArray *drives);
/* It was taken: the VM descends from it now. */
void vm_record_snapshot(struct txn *txn, const char *snapshot);
/* The VM goes: what descends from it descends from where it did. */
void vm_leave_tree(const struct model *model, struct txn *txn, const char *vm);
/* The fields that the VM had when the snapshot was taken, of those that a revert brings back:
 * a{sv}, the caller's; NULL: they cannot be read. */
GVariant *vm_snapshot_fields(const struct model *model, const char *snapshot);

/* --- revert.c: VM.revert --- */

/* What vm_may () says of the snapshot and its VM, and vdi_may_revert () of each disk;
 * VM_REVERT_FAILED [vm, snapshot] when the VM is gone or its record cannot be read. */
bool vm_may_revert(const struct storage_world *storage, const char *snapshot, GError **error);
/* Makes the rows of the disks' copies within txn, and the plan, whose object is the VM;
 * vm_may_revert () has said yes.  NULL with an error. */
struct plan *vm_begin_revert(const struct vm_world *world, struct txn *txn, const char *snapshot,
                             GError **error);
/* The VM as that plan ended: as it was when the snapshot was taken, or as before. */
void vm_record_revert(struct op *op, struct txn *txn, const char *vm, const GError *error);

/* --- provision.c: VM.provision --- */

/* Is it the text of an other_config:disks? */
bool vm_disks_are_valid(const char *value);
/* What vm_may () says, and whether its other_config:disks can be made: INVALID_VALUE, UUID_INVALID,
 * DEFAULT_SR_NOT_FOUND, and what keeps a repository from a new disk. */
bool vm_may_provision(const struct storage_world *storage, const char *vm, GError **error);
/* Makes the rows of its disks within txn, and the plan; vm_may_provision () has said yes.  NULL
 * with an error. */
struct plan *vm_begin_provision(const struct storage_world *storage, struct txn *txn,
                                const char *vm, GError **error);
/* The VM as that plan ended: no template any more, or as before. */
void vm_record_provision(struct op *op, struct txn *txn, const char *vm, const GError *error);

#endif
