/* Disks as xapid-host hands them to xapid-domains: a handle is the name of a file in a folder of
 * root's, which says where an attached disk is.  xapid passes handles on and can make none, so no
 * path that it names is ever opened for a guest.  Any thread. */
#ifndef XAPID_LIB_DISK_HANDLE_H
#define XAPID_LIB_DISK_HANDLE_H

#include <glib.h>
#include <stdbool.h>

#define DISK_HANDLE_MAX 16384 /* bytes of the file */
#define DISK_BASES_MAX 15     /* images below one */

struct disk_handle {
    char *driver, *sr, *vdi; /* the disk: uuids, and who runs it */
    bool block;              /* a block device; else a file */
    char *path;              /* absolute, without commas */
    char *format;            /* "raw" or "qcow2": never to be found out by looking */
    char **bases;            /* paths of the images below a qcow2 one, of its own kind and format,
                                the nearest first; NULL or empty: none.  Only read. */
    bool read_only;
    bool sharable;
};

/* A uuid. */
bool disk_handle_name_is_valid(const char *name);

/* INVALID_VALUE ["handle", name] when there is none, or it was not written by root (by this user).
 */
bool disk_handle_read(int folder, const char *name, struct disk_handle *ret_handle, GError **error);
/* On the folder's file system at once; replaces one of that name. */
bool disk_handle_write(int folder, const char *name, const struct disk_handle *handle,
                       GError **error);
/* Is gone then. */
bool disk_handle_remove(int folder, const char *name, GError **error);
void disk_handle_clear(struct disk_handle *handle);
typedef struct disk_handle disk_handle;
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(disk_handle, disk_handle_clear)

#endif
