/* Files of a repository that is a folder of a file system, each reached beneath the folder's
 * descriptor and never through a link. */
#ifndef XAPID_STORAGE_FOLDER_H
#define XAPID_STORAGE_FOLDER_H

#include <glib.h>
#include <stdbool.h>
#include <sys/stat.h>

/* A descriptor of device_config's location: an absolute path of a folder of ours, that nobody else
 * writes; -1 with SR_BACKEND_FAILURE_91 or _47. */
int folder_open(const char *location, GError **error);
/* Beneath it; -1 with errno. */
int folder_open_file(int folder, const char *name, int flags, mode_t mode);
/* A regular file; false with errno. */
bool folder_stat(int folder, const char *name, struct stat *ret_status);
/* Replaces a file at once: all of it is there after a crash, or nothing of it.  False with errno.
 */
bool folder_write(int folder, const char *name, const char *text);
/* NULL with errno; files beyond `max` bytes are EFBIG. */
char *folder_read(int folder, const char *name, gsize max, gsize *ret_length);
/* What was renamed or removed is on disk; false with errno. */
bool folder_sync(int folder);
/* Is gone then; false with errno. */
bool folder_remove(int folder, const char *name);
/* Calls `each` for every name; false with errno. */
bool folder_list(int folder, void (*each)(const char *name, void *data), void *data);
/* Inserts physical_size and physical_utilisation of the file system. */
bool folder_figures(int folder, GVariantDict *result, GError **error);

/* What sr.scan and sr.stat of such a repository answer; both take the folder (-1: error is set). */
struct folder_scan {
    GVariant *args;
    int folder;
    GVariantBuilder volumes; /* aa{sv}: `each` adds what the name stands for */
    int failed;              /* errno of what `each` could not see, so nobody knows all of it */
};
/* Is it one of a storage that does not answer, and so no word about the file? */
bool folder_is_silent(int number);
bool folder_answer_scan(int folder, GVariant *args,
                        void (*each)(const char *name, struct folder_scan *scan),
                        GVariantDict *result, GError **error);
bool folder_answer_stat(int folder, GVariantDict *result, GError **error);

#endif
