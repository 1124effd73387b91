/* Appliances (class VM_appliance): VMs that start and stop together, by their `order`.
 *
 * An operation of an appliance runs an operation of each VM, in the VM's own queue and with a task
 * of its own, which is a subtask of the appliance's.  Those of one order run at once; the next ones
 * wait for them, and then for the longest of their start_delay (shutdown_delay).  What fails keeps
 * nothing from the others.  Main loop only. */
#ifndef XAPID_VM_APPLIANCE_H
#define XAPID_VM_APPLIANCE_H

#include "xapid/vm/vm.h"

const struct dm_class *appliance_class(void);

/* --- appliance.c --- */

/* Recomputes allowed_operations within txn: of an appliance, or of the one that a VM is in. */
void appliance_refresh_allowed(struct txn *txn, const char *appliance);
void appliance_refresh_of(struct txn *txn, const char *vm);
/* The VM is in that appliance from now on; REF_NULL: in none. */
void appliance_set(struct txn *txn, const char *vm, const char *appliance);

/* Pure; a new plan or NULL with OTHER_OPERATION_IN_PROGRESS or OPERATION_NOT_ALLOWED.  operation:
 * "start", "clean_shutdown", "hard_shutdown", or "shutdown" (clean, and hard where that fails);
 * paused: of a start.  It ends with OPERATION_PARTIALLY_FAILED [message, VMs...] when not all of
 * its VMs came to where they should. */
struct plan *appliance_plan(const struct vm_world *world, const char *appliance,
                            const char *operation, bool paused, GError **error);

/* ops_room's mark and finish for appliances. */
void appliance_mark(struct txn *txn, const char *appliance, const char *operation, const char *key,
                    bool running, void *data);
void appliance_finish(struct op *op, struct txn *txn, const GError *error);

/* --- appliance-run.c --- */

extern const struct step_kind *const appliance_step_kinds[];
/* A VM has no operation any more: whoever waits for that goes on. */
void appliances_go_on(struct vm_world *world);

#endif
