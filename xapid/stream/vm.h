/* A VM with its disks as one stream, an XVA: a tar of its records (ova.xml) and then of each disk
 * chunks of 1 MiB, each followed by its checksum; those that are all zeros are left out, but for
 * the first and the last.  The whole may be packed.
 *
 *   vm-export.c  what is sent;  pack.c  how it is packed;  tar.c  headers of a tar */
#ifndef XAPID_STREAM_VM_H
#define XAPID_STREAM_VM_H

#include "lib/tar.h"
#include "xapid/stream/stream.h"

#define VM_CHUNK_BYTES PIECE_BYTES
#define VM_RECORDS "ova.xml"
#define VM_DISKS_MAX 64
#define VM_DISK_NAME_MAX 64 /* bytes */

/* A disk, whose descriptor and those of the images below it follow those of the disks before it,
 * from MORE_FD on. */
struct vm_disk {
    const char *name; /* in the tar: "Ref:N" */
    struct volume volume;
    int fd;
};

struct vm_job {
    struct job job;
    const char *packing; /* "none", "gzip", "zstd" */
    struct vm_disk disks[VM_DISKS_MAX];
    unsigned n_disks;
    int end_fd; /* the first descriptor that is nothing of it */
};

/* AHEAD_FD has the records. */
bool vm_export(const struct vm_job *job, GError **error);

/* ---- pack.c ---- */

struct pack;

/* NULL with an error. */
struct pack *pack_new(struct client *client, const char *packing, GError **error);
void pack_free(struct pack *pack);
bool pack_write(struct pack *pack, const void *bytes, gsize length, GError **error);
/* No more comes. */
bool pack_end(struct pack *pack, GError **error);

#endif
