/* What steps of storage share: one call of a driver.  Used by this room alone. */
#ifndef XAPID_STORAGE_STEPS_H
#define XAPID_STORAGE_STEPS_H

#include "xapid/storage/storage.h"

struct driver_call {
    struct op *op;
    GVariant *args; /* of the step; they live as long as the plan */
    void (*noted)(struct op *op, GVariant *args, GVariant *result); /* may be NULL */
    bool optional; /* a failure is logged and no more */
};

/* Starts a call about the disk that is `vdi` of args, with `more` (taken, or NULL) beside what
 * every call has, and ends the step with it. */
void steps_call_vdi(const char *name, GVariant *args, GVariantDict *more,
                    const struct driver_call *how);

/* Attaches the disk `vdi` of args as its handle, and ends the step with it. */
void steps_attach(struct op *op, GVariant *args);
/* Has a step of this operation made the disk `vdi` of args? */
bool steps_made(const struct op *op, GVariant *args);

/* Starts a call, with args (taken), which ends the step. */
void steps_start_call(const char *name, const char *driver, GVariantDict *args,
                      const struct driver_call *how);
/* What takes long can be broken off. */
void steps_cancel(struct op *op);

/* --- transfer.c --- */

/* Gives xapid-host a connection for an operation, ahead of its Start, which so finds it; client is
 * taken. */
void transfer_lend(GDBusProxy *proxy, const char *op_id, int client, GBytes *ahead);
/* Lends the connection of the transfer's client for the call that the step starts next; NULL: the
 * client has gone, and the step has ended with that. */
struct transfer *steps_lend(struct op *op, const char *handle);

extern const struct step_kind vdi_transfer_kind;

/* --- vm-transfer.c, vm-import.c --- */
extern const struct step_kind vm_export_kind, vm_import_kind;
void vm_imports_begin(struct storage_world *world);
/* The disks of a step's args as org.xapid.Storage1 has them; NULL: one is gone. */
GVariant *vm_transfer_disks(const struct model *model, GVariant *args);

/* --- shared.c --- */

extern const struct step_kind vdi_renew_kind, vdi_renew_back_kind, vdi_shared_kind;

#endif
