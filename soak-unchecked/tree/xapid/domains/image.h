/* Memory images of suspended domains: a file STATE/images/UUID each, written as UUID.part and
 * renamed when it is whole and on disk.
 *
 * Who finds a part after a process died knows that the save did not end.  The folder is root's and
 * on a disk: images outlive the host.  Workers only; calls block. */
#ifndef XAPID_DOMAINS_IMAGE_H
#define XAPID_DOMAINS_IMAGE_H

#include <glib.h>
#include <stdbool.h>

/* The folder STATE/name, made when missing: a descriptor, -1 on failure. */
int images_open(const char *state_dir, const char *name, GError **error);
/* An empty part, in place of an older one: a descriptor for writing. */
int image_create(int images, const char *uuid, GError **error);
/* Makes the part the image; `fd` stays the caller's. */
bool image_commit(int images, const char *uuid, int fd, GError **error);
/* For reading; SUSPEND_IMAGE_NOT_ACCESSIBLE [uuid]. */
int image_open(int images, const char *uuid, GError **error);
bool image_exists(int images, const char *uuid);
bool image_is_partial(int images, const char *uuid);
/* Removes image and part; that there is none is fine. */
bool image_discard(int images, const char *uuid, GError **error);
bool image_discard_part(int images, const char *uuid, GError **error);
/* The uuids of all images, and of all parts; NULL when the folder cannot be read. */
GPtrArray *images_list(int images, GError **error);
GPtrArray *images_partial(int images, GError **error);

#endif
