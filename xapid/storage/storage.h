/* What the API does with storage repositories and their disks: SM, SR, PBD and VDI rows, the plans
 * that change them, and the steps, each a call of a storage driver that xapid-host runs.
 *
 * An operation of an SR or a PBD waits in the queue of the SR, one of a VDI in the queue of the
 * VDI; those of a VDI are shown in its SR's current_operations too, and what would take the SR away
 * is refused while there are any.  A VDI that is being made has its row from the beginning, not
 * managed, so that nobody uses it before it is there.
 *
 * Main loop only. */
#ifndef XAPID_STORAGE_H
#define XAPID_STORAGE_H

#include <stdbool.h>

#include "lib/peer/client.h"
#include "xapid/model/model.h"
#include "xapid/ops/ops.h"

#define VDI_SIZE_MAX ((gint64)16 << 40) /* bytes */

struct storage_world {
    struct model *model;
    struct ops *ops;
    struct peer_client *drivers; /* org.xapid.Storage1 of xapid-host */
    const char *host;            /* reference of this host's row */
    GHashTable *under_way;       /* id of a step that tells how far it is -> struct op */
    GHashTable *transfers;       /* handle -> struct transfer, borrowed */
    GHashTable *imports;         /* id of its call -> struct vm_import, borrowed */
    GHashTable *chains;          /* SR -> struct chains: chains.c */
};

const struct dm_class *sr_class(void);
const struct dm_class *vdi_class(void);

/* --- sm.c --- */

/* Rows of class SM, as xapid-host tells its drivers (aa{sv}). */
bool sm_record(struct model *model, GVariant *drivers, GError **error);
/* Asks for them, after each connection. */
void sm_refresh(struct storage_world *world);
/* The row of a type; NULL with SR_UNKNOWN_DRIVER [type]. */
const char *sm_find(const struct model *model, const char *type, GError **error);
bool sm_can(const struct model *model, const char *type, const char *capability);

/* --- secrets.c: passwords of a device_config (a{ss}) --- */

/* The device_config of a new PBD, with secrets in place of passwords: the caller's; NULL with an
 * error. */
GVariant *secrets_keep(struct txn *txn, GVariant *device_config, GError **error);
/* The secrets that were made so for this PBD go, except for what `next`, its next device_config
 * (NULL: none), names again; those that a client made stay. */
bool secrets_forget(const struct model *model, struct txn *txn, const char *pbd, GVariant *next,
                    GError **error);
/* What anybody may read of a device_config that a client sent: the caller's. */
GVariant *secrets_leave_out(GVariant *device_config);
/* With passwords in place of secrets, for a driver: the caller's; NULL with SR_BACKEND_FAILURE_20
 * when a secret is not there. */
GVariant *secrets_resolve(const struct model *model, GVariant *device_config, GError **error);

/* --- sr.c: what is true of an SR --- */

/* Borrowed references; the caller frees the array. */
GPtrArray *sr_pbds(const struct model *model, const char *sr);
/* This host's PBD of it; NULL: none.  Borrowed until the row goes. */
const char *sr_pbd(const struct model *model, const char *sr, const char *host);
bool sr_is_attached(const struct model *model, const char *sr, const char *host);
/* The pool's, the caller's; NULL with DEFAULT_SR_NOT_FOUND [sr]. */
char *sr_default(const struct model *model, GError **error);
/* SR_HAS_NO_PBDS, SR_NOT_ATTACHED. */
bool sr_must_be_attached(const struct model *model, const char *sr, const char *host,
                         GError **error);

/* --- allowed.c --- */

/* Recomputes allowed_operations within txn. */
void sr_refresh_allowed(struct txn *txn, const struct model *model, const char *sr);
void vdi_refresh_allowed(struct txn *txn, const struct model *model, const char *vdi);
/* Is it one that current_operations of an SR can show? */
bool sr_shows(const char *operation);
/* Does current_operations of the SR show this one? */
bool sr_is_under(const struct model *model, const char *sr, const char *operation);
/* What an operation of a VDI is to its SR; NULL: nothing. */
const char *vdi_operation_of_sr(const char *operation);
/* All of them, at start-up: what is volatile is not in the database. */
bool storage_refresh_all(struct model *model, GError **error);
/* May it begin?  OTHER_OPERATION_IN_PROGRESS, SR_OPERATION_NOT_SUPPORTED, and what the state of the
 * SR or VDI forbids. */
bool sr_may(const struct storage_world *world, const char *sr, const char *operation,
            GError **error);
/* Of nobody else's use and under no operation that would disturb this one: VDI_NOT_MANAGED,
 * OTHER_OPERATION_IN_PROGRESS, VDI_IN_USE. */
bool vdi_is_free(const struct storage_world *world, const char *vdi, const char *operation,
                 GError **error);
bool vdi_may(const struct storage_world *world, const char *vdi, const char *operation,
             GError **error);
/* The same of a disk that the VM `but` (NULL: nobody) may have. */
bool vdi_may_but_for(const struct storage_world *world, const char *vdi, const char *operation,
                     const char *but, GError **error);

/* May the disk of a VM, which may have it, become what its snapshot is?  SR_OPERATION_NOT_SUPPORTED
 * when the driver cannot. */
bool vdi_may_revert(const struct storage_world *world, const char *vdi, const char *snapshot,
                    const char *vm, GError **error);

/* --- plans.c; each pure; NULL with an error --- */

/* sr: of a row that the caller makes in the same transaction, with its PBD. */
struct plan *sr_plan_create(const char *sr, gint64 physical_size);
struct plan *sr_plan_plug(const struct storage_world *world, const char *sr, GError **error);
/* sr: of a PBD that the caller marks as not attached in the same transaction. */
struct plan *sr_plan_replug(const char *sr);
struct plan *sr_plan_unplug(const struct storage_world *world, const char *sr, GError **error);
/* operation: "scan" or "update". */
struct plan *sr_plan_scan(const struct storage_world *world, const char *sr, const char *operation,
                          GError **error);
/* pbd: this host's of the SR, in whose queue it waits.  disks: (as) uuids, as the driver told them.
 */
struct plan *sr_plan_coalesce(const char *pbd, const char *sr, GVariant *disks);
struct plan *sr_plan_destroy(const struct storage_world *world, const char *sr, GError **error);
/* vdi: of a row that the caller makes in the same transaction. */
struct plan *vdi_plan_create(const char *vdi, const char *sr);
/* The step of that; the caller has the plan shown by the row, and asks for the SR's figures. */
void vdi_plan_add_create(struct plan *plan, const char *vdi);
/* vdi, uuid: the same, a copy of the disk `source`, which vdi_may_copy () into the SR. */
struct plan *vdi_plan_copy(const struct model *model, const char *operation, const char *vdi,
                           const char *uuid, const char *sr, const char *source);
/* The steps of that; the caller has the plan shown by both rows, and asks for the SR's figures.
 * A clone or a snapshot shares what it has in common with its source, when the driver can. */
void vdi_plan_add_copy(const struct model *model, struct plan *plan, const char *vdi,
                       const char *uuid, const char *sr, const char *source);
/* The disk and a copy that was made for this change places; and what is in the copy then goes.
 * That it cannot is logged and no more. */
void vdi_plan_add_exchange(struct plan *plan, const char *vdi, const char *copy);
void vdi_plan_add_discard(struct plan *plan, const char *copy);
void sr_plan_add_stat(struct plan *plan, const char *sr);
/* May the disk, which the VM (NULL: nobody) may have, be copied ("copy", "clone", "snapshot") into
 * the SR?  VDI_NOT_AVAILABLE, and what vdi_may_but_for and sr_may say. */
bool vdi_may_copy(const struct storage_world *world, const char *source, const char *operation,
                  const char *sr, const char *vm, GError **error);
/* May the disk, which a guest writes to, be told to share what it has with a snapshot?
 * SR_OPERATION_NOT_SUPPORTED, or VDI_IN_USE of one to which several may write. */
bool vdi_may_share(const struct storage_world *world, const char *vdi, GError **error);
/* The steps of a snapshot, the row vdi, of a disk that a paused guest writes to under the handle:
 * it shares what there is, or fails.  The handle then names what the guest is to write to from now
 * on, also when the operation goes back. */
void vdi_plan_add_shared(struct plan *plan, const char *vdi, const char *source,
                         const char *handle);
struct plan *vdi_plan_destroy(const struct storage_world *world, const char *vdi, GError **error);
struct plan *vdi_plan_resize(const struct storage_world *world, const char *vdi, gint64 size,
                             GError **error);

/* --- chains.c --- */

#define COALESCE_RATE ((gint64)64 << 20) /* bytes a second that joining images writes at most */

/* Once, before anything is asked of a driver: what was to be looked at before a restart is looked
 * at again. */
void chains_begin(struct storage_world *world);
/* A disk of the SR went, or the SR came: there may be images to join.  Asks its driver soon, and
 * then has it done. */
void chains_look(struct storage_world *world, const char *sr);
/* A disk of the SR was let go, for which some may have waited. */
void chains_let_go(struct storage_world *world, const char *sr);
/* ops_room's mark and finish for PBDs. */
void pbd_mark(struct txn *txn, const char *pbd, const char *operation, const char *key,
              bool running, void *data);
void pbd_finish(struct op *op, struct txn *txn, const GError *error);

/* --- transfer.c: contents of a disk that a client sends or takes --- */

#define VDI_TRANSFERS_MAX 32 /* at once */

/* A client's part in it: in memory alone, so a restart ends the transfer. */
struct vm_import;
struct transfer {
    char *handle;       /* a uuid, under which the disk is attached */
    char *since;        /* the disk an export is compared with, a reference; NULL: none */
    char *since_handle; /* under which that is */
    bool import;        /* else an export */
    const char *format; /* as org.xapid.Storage1 has it; a literal */
    gint64 offset, length;
    bool part;
    guint32 silent;       /* seconds */
    struct vm_import *vm; /* of a whole VM, once it has begun */
    /* The disk is there: gives up the connection, which is a descriptor of the receiver's from now
     * on, and tells what was read of the body (ret_ahead, the receiver's).  -1 with an error: the
     * client has gone. */
    int (*begin)(struct transfer *transfer, GBytes **ret_ahead, GError **error);
    void *data;
};

/* Makes this room's tables, and hears how far steps are; once, when world->drivers is there. */
void transfers_begin(struct storage_world *world);
/* The plan of a transfer of the disk; the caller then has it in world->transfers until the plan has
 * ended.  NULL with VDI_NOT_AVAILABLE, VDI_READONLY, VDI_TOO_SMALL, and what vdi_may says. */
struct plan *vdi_plan_transfer(const struct storage_world *world, const char *vdi,
                               const struct transfer *transfer, GError **error);

/* Is it there, and may it be read ("copy") or filled ("mirror")?  VDI_NOT_AVAILABLE, and what
 * vdi_may says. */
bool vdi_may_transfer(const struct storage_world *world, const char *vdi, const char *operation,
                      GError **error);
/* A step "vdi.attach" or "vdi.detach" under a handle. */
void vdi_plan_add_use(struct plan *plan, const char *kind, const char *vdi, const char *handle,
                      bool read_only);

/* --- vm-transfer.c: a VM's disks in one stream --- */

/* The step; handle: of the client's transfer; disks: a(sss), sunk: of each its reference, the
 * handle under which it is attached, and its name in the stream; packing as org.xapid.Storage1
 * has it. */
void vm_plan_add_export(struct plan *plan, const char *handle, GVariant *disks,
                        const char *packing);

/* The same of an import that has begun. */
void vm_plan_add_import(struct plan *plan, const char *handle, GVariant *disks);

/* --- vm-import.c: a VM from a client, whose records come first --- */

/* Exactly one: the records, whose disks are then asked for by a plan with vm_plan_add_import (), or
 * why there are none. */
typedef void (*vm_records_fn)(GVariant *records, const GError *error, void *data);
/* Takes the client's connection; transfer->vm from then on, until vm_import_free ().  False with
 * an error, and no call of came. */
bool vm_import_begin(struct storage_world *world, struct transfer *transfer, bool forced,
                     vm_records_fn came, void *data, GError **error);
/* It ends, if it has not yet. */
void vm_import_free(struct vm_import *import);

/* --- steps.c --- */

extern const struct step_kind *const storage_step_kinds[];

/* --- record.c --- */

/* ops_room's mark and finish for SRs and VDIs; vdi_mark () needs no data. */
void sr_mark(struct txn *txn, const char *sr, const char *operation, const char *key, bool running,
             void *data);
void sr_finish(struct op *op, struct txn *txn, const GError *error);
void vdi_mark(struct txn *txn, const char *vdi, const char *operation, const char *key,
              bool running, void *data);
void vdi_finish(struct op *op, struct txn *txn, const GError *error);
/* The figures of an SR, as `op` asked for them last. */
void sr_record_stat(struct op *op, struct txn *txn, const char *sr);
/* A disk that `op` made, or with an error did not, by vdi_plan_add_create () or _copy (): its row
 * follows. */
void vdi_record_new(struct op *op, struct txn *txn, const char *vdi, const GError *error);
/* The row of a disk that was to be discarded: it goes, or what could not be removed is a disk that
 * somebody may destroy. */
bool vdi_record_discard(struct op *op, struct txn *txn, const char *vdi, GError **error);
/* What the driver made of a disk that changed places: its row follows. */
void vdi_record_exchange(struct op *op, struct txn *txn, const char *vdi, const char *like);
/* The row, not managed yet, of what the operation makes of the disk `source` in the SR; *ret_uuid
 * is the caller's.  Borrowed until txn ends; NULL with an error. */
const char *vdi_add_copy(const struct model *model, struct txn *txn, const char *source,
                         const char *operation, const char *sr, char **ret_uuid, GError **error);
/* An SR's row goes, with those of its PBDs and disks. */
bool sr_forget(const struct model *model, struct txn *txn, const char *sr, GError **error);
/* A VDI's row goes, with the disks of VMs that are it; drives that hold it become empty. */
bool vdi_forget(const struct model *model, struct txn *txn, const char *vdi, GError **error);

/* --- probe.c --- */

/* Asks the driver `type` which repositories are where device_config says; `done` gets what sr.probe
 * answers. */
void storage_probe(const struct storage_world *world, const char *type, GVariant *device_config,
                   peer_done_fn done, void *data);

/* --- scan.c --- */

/* Brings the VDI rows of an SR in line with its volumes (aa{sv} as sr.scan has them): new ones
 * appear, sizes follow, those that are gone are marked missing. */
void sr_record_volumes(const struct storage_world *world, struct txn *txn, const char *sr,
                       GVariant *volumes);

#endif
