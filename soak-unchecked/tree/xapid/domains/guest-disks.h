/* The disks of a guest's config: what xapid asks for, and where xapid-host has them.  Any thread.
 */
#ifndef XAPID_DOMAINS_GUEST_DISKS_H
#define XAPID_DOMAINS_GUEST_DISKS_H

#include <glib.h>
#include <stdbool.h>

#include "lib/disk-handle.h"

#define CONFIG_DISKS_MAX 16

typedef struct guest_disk guest_disk;
struct guest_disk {
    char *vdev;   /* xvda … xvdp, hda … hdd */
    char *handle; /* "": a drive without a medium */
    bool read_only;
    bool cdrom;
    struct disk_handle disk; /* empty until guest_disks_resolve () */
};

void guest_disk_free(struct guest_disk *disk);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(guest_disk, guest_disk_free)

/* Of an a{sv}; NULL with INVALID_VALUE. */
struct guest_disk *guest_disk_parse(GVariant *args, GError **error);
/* Of an aa{sv}: struct guest_disk, the caller's; NULL with INVALID_VALUE. */
GPtrArray *guest_disks_parse(GVariant *disks, GError **error);
/* xvda and hda are one place. */
bool guest_disk_is_at(const struct guest_disk *disk, const char *vdev);
bool guest_vdev_is_valid(const char *vdev);
/* Looks the handle up in its folder: INVALID_VALUE ["handle", …] for one that is not there, or that
 * only reads when the guest is to write. */
bool guest_disk_resolve(struct guest_disk *disk, int folder, GError **error);
bool guest_disks_resolve(GPtrArray *disks, int folder, GError **error);

#endif
