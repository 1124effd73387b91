/* What a reboot of the host means for the rows: no disk is attached, storage is attached again, a
 * host that was disabled for that long is enabled, and VMs that start with it are started.  VMs
 * follow what the hypervisor has, as ever (vm/reconcile.c).  Main loop only. */
#ifndef XAPID_POOL_BOOT_H
#define XAPID_POOL_BOOT_H

#include "xapid/vm/vm.h"

enum host_enabling {
    HOST_ENABLED,
    HOST_DISABLED,          /* until the next reboot */
    HOST_DISABLED_FOR_GOOD, /* through reboots */
};

/* HOST_DISABLED_UNTIL_REBOOT. */
bool boot_may_enable(const struct model *model, const char *host, GError **error);
void boot_set_enabled(const struct model *model, struct txn *txn, const char *host,
                      enum host_enabling enabling);
/* The machine is about to be rebooted, or switched off. */
void boot_ends(const struct model *model, struct txn *txn, const char *host);
/* Recomputes the host's allowed_operations within txn. */
void boot_refresh_allowed(const struct model *model, struct txn *txn, const char *host);
/* `boot_id` is that of the machine now ("": not known).  Another one than was recorded is a reboot.
 * Returns the generation that is to be durable before anything is asked of the storage drivers; 0
 * with an error: it is to be called again, as when that fails. */
guint64 boot_known(struct vm_world *vm, const struct storage_world *storage, const char *boot_id,
                   GError **error);

#endif
