/* What the files of this driver share: where its images are. */
#ifndef STORAGE_REPOS_ISO_ISO_H
#define STORAGE_REPOS_ISO_ISO_H

#include "storage-repos/shares/share.h"

/* --- place.c; there share_of () tells no source of a folder of this host --- */

bool place_is_here(GVariant *args);
/* iso_path, from the share on; "." for all of it. */
const char *place_path(GVariant *args);
/* That of what is mounted there, beneath it whatever links a server may have; -1 with an error. */
int place_open_within(GVariant *args, const char *mounted, GError **error);
/* The folder of images of an attached repository; -1 with an error. */
int place_open(GVariant *args, GError **error);

#endif
