/* The disks of a guest's config: what xapid asks for, and where xapid-host has them.  Any thread.
 */
#ifndef XAPID_DOMAINS_GUEST_DISKS_H
#define XAPID_DOMAINS_GUEST_DISKS_H

#include <glib.h>
#include <stdbool.h>

#include "lib/disk-handle.h"

#define CONFIG_DISKS_MAX 16

struct guest_disk {
    char *vdev;   /* xvda … xvdp, hda … hdd */
    char *handle; /* "": a drive without a medium */
    bool read_only;
    bool cdrom;
    struct disk_handle disk; /* empty until guest_disks_resolve () */
};

/* Of an aa{sv}: struct guest_disk, the caller's; NULL with INVALID_VALUE. */
GPtrArray *guest_disks_parse(GVariant *disks, GError **error);
/* Looks the handles up in their folder: INVALID_VALUE ["handle", …] for one that is not there, or
 * that only reads when the guest is to write. */
bool guest_disks_resolve(GPtrArray *disks, int folder, GError **error);

#endif
