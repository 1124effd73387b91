/* File systems that a driver mounts for its repositories, each at MOUNTS/UUID of the SR. */
#ifndef XAPID_STORAGE_MOUNT_H
#define XAPID_STORAGE_MOUNT_H

#include <glib.h>
#include <stdbool.h>

#define MOUNTS "/run/xapid/sr" /* root's alone */

/* Where that of args' sr is, or will be: the caller's. */
char *mount_path(GVariant *args);
/* Is something mounted there?  Nothing of it is touched, so a server that is gone does no harm. */
bool mount_is_there(const char *path);
/* The folder to mount on is there then.  False with SR_BACKEND_FAILURE_52. */
bool mount_make_folder(const char *path, GError **error);
/* From now on what this process mounts is its own, and goes with it.  False with
 * SR_BACKEND_FAILURE_52. */
bool mount_go_aside(GError **error);
/* Nothing is mounted there any more, and the folder is gone.  SR_DEVICE_IN_USE when somebody has a
 * file of it open, SR_BACKEND_FAILURE_53. */
bool mount_end(const char *path, GError **error);
/* The same, also when somebody has: it is there for them until they close it.  For what cannot be
 * reached any more.  False with SR_BACKEND_FAILURE_53. */
bool mount_leave(const char *path, GError **error);

#endif
