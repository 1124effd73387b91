/* A VM with its disks as one stream, an XVA: a tar of its records (ova.xml) and then of each disk
 * chunks of 1 MiB, each followed by its checksum; those that are all zeros are left out, but for
 * the first and the last.  The whole may be packed.
 *
 *   vm-export.c  what is sent;  pack.c  how it is packed;  vm-import.c  what is received;
 *   unpack.c  what it is within its packing;  orders.c  which disks it is for */
#ifndef XAPID_STREAM_VM_H
#define XAPID_STREAM_VM_H

#include "lib/tar.h"
#include "xapid/stream/stream.h"

#define VM_CHUNK_BYTES PIECE_BYTES
#define VM_CHUNK_MAX (16 * 1024 * 1024) /* bytes, of one that others made */
#define VM_RECORDS "ova.xml"
#define VM_DISKS_MAX 64
#define VM_DISK_NAME_MAX 64 /* bytes */

/* Descriptors of an import, beside CLIENT_FD and AHEAD_FD. */
#define ORDERS_FD DISK_FD                /* a socket of packets, by which the disks come */
#define RECORDS_FD MORE_FD               /* a file for ova.xml */
#define VM_RECORDS_MAX (4 * 1024 * 1024) /* bytes of that */
#define VM_ORDER_MAX 256                 /* bytes of a packet */
#define VM_ORDER_BEGIN "begin"           /* all disks have come */

/* A disk, whose descriptor and those of the images below it follow those of the disks before it,
 * from MORE_FD on. */
struct vm_disk {
    const char *name; /* in the tar: "Ref:N" */
    struct volume volume;
    int fd;
};

struct vm_job {
    struct job job;
    const char *packing; /* "none", "gzip", "zstd"; of an import what it is comes with it */
    bool forced;         /* an import takes chunks with wrong checksums, too */
    struct vm_disk disks[VM_DISKS_MAX];
    unsigned n_disks;
    int end_fd; /* the first descriptor that is nothing of it */
};

/* AHEAD_FD has the records. */
bool vm_export(const struct vm_job *job, GError **error);

/* The records go to RECORDS_FD, which is told by "records" on standard output; then the disks are
 * waited for. */
bool vm_import(struct vm_job *job, GError **error);

/* ---- orders.c ---- */

/* Waits for all disks of job, which come with their descriptors. */
bool orders_read(struct vm_job *job, GError **error);

/* ---- unpack.c ---- */

struct unpack;

struct unpack *unpack_new(struct client *client);
void unpack_free(struct unpack *unpack);
/* All of it: IMPORT_ERROR_PREMATURE_EOF. */
bool unpack_read(struct unpack *unpack, void *buffer, gsize length, GError **error);

/* ---- pack.c ---- */

struct pack;

/* NULL with an error. */
struct pack *pack_new(struct client *client, const char *packing, GError **error);
void pack_free(struct pack *pack);
bool pack_write(struct pack *pack, const void *bytes, gsize length, GError **error);
/* No more comes. */
bool pack_end(struct pack *pack, GError **error);

#endif
