/* The disks of this host's SCSI buses, whatever these are: Fibre Channel, SAS, iSCSI.  What is told
 * comes from sysfs, so nothing is asked of a disk, and one that does not answer holds nobody up. */
#ifndef XAPID_STORAGE_SCSI_H
#define XAPID_STORAGE_SCSI_H

#include <glib.h>
#include <stdbool.h>

#define SCSI_DISKS_MAX 4096 /* that are told of at once */

struct scsi_disk {
    char *device; /* /dev/sda */
    char *id;     /* what it says it is, as XenAPI's SCSIid has it; the same on every path to it */
    char *vendor, *model, *serial; /* "" when it does not say; of printable characters */
    unsigned host, channel, target;
    guint64 lun;
    gint64 size; /* bytes */
};

/* The disks, in the order of their addresses, that say what they are.  session: the folder in
 * /sys/class/iscsi_session of the session that they come by; NULL: those that come by none. Appends
 * to `disks`.  False when there are more, of which the kernel is still making disks. */
bool scsi_add_disks(GPtrArray *disks, const char *session);
GPtrArray *scsi_disks_new(void); /* with what is added to it the caller's */
/* Is the name that of a disk?  Else SR_BACKEND_FAILURE_107. */
bool scsi_id_is_valid(const char *id, GError **error);
/* The name in /dev of the disk that says it is `id`: the caller's; NULL: none does. */
char *scsi_find(GPtrArray *disks, const char *id);

#endif
