/* The disks that are attached: their handles, in a folder of ours.  Main loop only. */
#ifndef XAPID_HOST_VOLUME_H
#define XAPID_HOST_VOLUME_H

#include <glib.h>
#include <stdbool.h>

/* Makes the folder where it is missing; its descriptor, -1 with an error. */
int volumes_open(const char *path, GError **error);

/* May it be attached beside what is?  args: those of vdi.attach.  VDI_IN_USE. */
bool volume_may_attach(int folder, GVariant *args, GError **error);
/* What the driver made ready, told by its answer: the handle is there from now on. */
bool volume_attached(int folder, const char *driver, GVariant *args, GVariant *answer,
                     GError **error);
/* Is the handle of vdi.detach's args the last one of the disk (or was there none)? */
bool volume_is_last(int folder, GVariant *args);
bool volume_detached(int folder, GVariant *args, GError **error);
/* Args of vdi.copy, whose source is a handle that only reads: the new ones, the caller's, in which
 * it is what vdi.attach answered for that disk.  NULL with INVALID_VALUE. */
GVariant *volume_resolve_source(int folder, GVariant *args, GError **error);
/* The same for vdi.clone, whose source is a disk of the same driver and SR: its uuid.  VDI_IN_USE
 * while anyone writes to it. */
GVariant *volume_resolve_shared(int folder, const char *driver, GVariant *args, GError **error);
/* Args of a call about an SR, with `attached`, the uuids of its disks that somebody has: the
 * caller's; NULL with an error. */
GVariant *volume_resolve_attached(int folder, GVariant *args, GError **error);
/* Nobody has the disk that args name by `name`?  VDI_IN_USE. */
bool volume_is_free(int folder, GVariant *args, const char *name, GError **error);
/* Some disk of the SR is attached. */
bool volume_of_sr(int folder, const char *sr);

#endif
