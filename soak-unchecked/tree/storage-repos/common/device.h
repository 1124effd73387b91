/* The block devices of this host that a repository is made on: device_config's `device`. */
#ifndef XAPID_STORAGE_DEVICE_H
#define XAPID_STORAGE_DEVICE_H

#include <glib.h>
#include <stdbool.h>

#define DEVICES_MAX 32 /* of one repository */

/* Their names, with commas between them: each without links, beneath /dev, a block device, there
 * once.  The caller's; NULL with SR_BACKEND_FAILURE_91 (no name of a device) or _47 (not there). */
char **devices_read(GVariant *args, GError **error);

/* What a device holds, as libblkid tells by its first and last bytes. */
struct device_contents {
    char *type; /* a file system, "LVM2_member", "gpt" …; "": nothing */
    char *uuid; /* "" when it has none */
    char *label;
};

typedef struct device_contents device_contents_t;
void device_contents_clear(struct device_contents *contents);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(device_contents_t, device_contents_clear)

/* SR_BACKEND_FAILURE_47 when it cannot be read. */
bool device_read(const char *device, device_contents_t *ret_contents, GError **error);
/* Nobody has it mounted, or is otherwise sure of it: else SR_DEVICE_IN_USE. */
bool device_is_idle(const char *device, GError **error);
/* Idle, and holds nothing, or what is of type `allowed` (NULL: none): else SR_DEVICE_IN_USE or
 * SR_BACKEND_FAILURE_56 with what it holds. */
bool device_is_free(const char *device, const char *allowed, GError **error);
/* Nobody finds anything there any more; on disk when it returns.  False with an error. */
bool device_wipe(const char *device, GError **error);

#endif
