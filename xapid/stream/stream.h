/* What the files of xapid-stream share.  One transfer between a client and a disk, one thread, all
 * calls block.  Errors are API_ERRORs, and end the transfer.
 *
 *   main.c  arguments, confinement, the end;  client.c  the connection;  disk.c  the disk
 *   difference.c  what differs from another disk
 *   qcow2.c, qcow2-write.c  images of QEMU;  raw.c, vhd-import.c, vhd-export.c, qcow2-import.c,
 *   qcow2-export.c  what is sent;  vhd.c  its header;  vm.h  whole VMs */
#ifndef XAPID_STREAM_H
#define XAPID_STREAM_H

#include <glib.h>
#include <stdbool.h>

#include "xapid/stream/qcow2.h"

/* Descriptors that it is started with. */
#define CLIENT_FD 3
#define DISK_FD 4
#define AHEAD_FD 5 /* what was read of the body before */
/* The images below the disk, the nearest first, and then, if there is one, the disk `since` and
 * those below it; of an import of qcow2, room for a file. */
#define MORE_FD 6

#define PIECE_BYTES (1024 * 1024) /* moved at once */

/* A disk as it is given. */
struct volume {
    const char *uuid;   /* NULL: there is none */
    const char *format; /* "raw", "qcow2" */
    gint64 size;        /* bytes */
    unsigned bases;     /* images below it */
};

struct job {
    bool import;
    const char *format; /* "raw", "vhd", "qcow2", "chunks" */
    struct volume disk;
    struct volume since; /* an export is of what is not the same in this one */
    gint64 offset;       /* raw: of the part that is moved; else 0 */
    gint64 length;       /* of the body; -1: up to the client's end.  Export: of the part */
    bool part;           /* the rest of the disk stays as it is */
    unsigned silent;     /* seconds in which the client moves no byte, then it is over */
};

/* ---- client.c ---- */

struct disk;

struct client {
    bool import;
    bool whole_ahead;    /* all of AHEAD_FD has been read */
    gint64 left;         /* of the body; -1: not known */
    gint64 moved, total; /* bytes, for the progress; total 0: not known */
    unsigned told;       /* hundredths: each is passed on by two processes, and more are not seen */
};

bool client_open(struct client *client, const struct job *job, GError **error);
/* All of it: IMPORT_ERROR_PREMATURE_EOF. */
bool client_read(struct client *client, void *buffer, gsize length, GError **error);
/* At least a byte, at most `length`; *ret_length 0: the body has ended. */
bool client_read_some(struct client *client, void *buffer, gsize length, gsize *ret_length,
                      GError **error);
/* The next `length` bytes are not wanted. */
bool client_skip(struct client *client, gint64 length, GError **error);
bool client_write(struct client *client, const void *bytes, gsize length, GError **error);
/* From a file, which reads as zeros beyond its end; fd -1: zeros. */
bool client_send(struct client *client, int fd, gint64 at, gint64 length, GError **error);
/* A part of the disk, and zeros behind its end. */
bool client_send_disk(struct client *client, struct disk *disk, gint64 offset, gint64 length,
                      GError **error);
/* For what is not moved by the functions above. */
void client_progress(struct client *client, gint64 moved);
/* How far it is, 0..1, where bytes do not tell: client->total is 0 then. */
void client_tell(struct client *client, double fraction);
/* The other end sees that it is over: the end of the body, or a connection that is broken off, as
 * xapid has arranged for any other end of it. */
void client_close(bool well);

/* ---- disk.c ---- */

struct disk {
    const struct job *job;
    int fd;
    bool raw;
    gint64 size;
    struct disk *since; /* of an export of what differs from it, else NULL */
    bool emptied;       /* what is not written reads as zeros */
    struct qcow2 images[QCOW2_CHAIN_MAX];
    unsigned n_images; /* 0: the disk is raw */
    struct qcow2_writer *writer;
    gsize behind;  /* bytes written since the disk was last told to begin with them */
    gsize granule; /* zeros are told from the rest by as many bytes, at a time; 0: not at all */
};

struct extent {
    gint64 length;
    int fd; /* -1: zeros */
    gint64 at;
};

/* One that is filled from its beginning, and has not been looked at. */
void disk_init(struct disk *disk, const struct job *job, const struct volume *volume, int fd);
bool disk_open(struct disk *disk, const struct job *job, GError **error);
/* One to be read, whose descriptor is `fd`, and the next ones those of the images below it. */
bool disk_open_at(struct disk *disk, const struct job *job, const struct volume *volume, int fd,
                  GError **error);
/* The one that job->since is, as disk->since: the caller's, until disk_close (disk). */
bool disk_open_since(struct disk *disk, struct disk *since, GError **error);
void disk_close(struct disk *disk);
/* What is at the offset, as far as it is of one kind. */
bool disk_map(struct disk *disk, gint64 offset, struct extent *ret_extent, GError **error);
/* The blocks in which anything is another than in disk->since, or (without one) there at all: a bit
 * for each, the lowest first; the caller's.  What the two disks share is not read. */
guint8 *disk_find_blocks(struct disk *disk, gint64 block, GError **error);
bool has_block(const guint8 *blocks, guint64 number);
/* Before the first disk_write ().  keep: what is not written stays as it is; else it is zeros. */
bool disk_begin(struct disk *disk, bool keep, GError **error);
bool disk_write(struct disk *disk, gint64 offset, const void *bytes, gsize length, GError **error);
/* All is on the disk. */
bool disk_end(struct disk *disk, GError **error);
/* SR_BACKEND_FAILURE, or _44 when the file system is full. */
bool disk_failed(GError **error, const char *what);
/* length: at least 1. */
bool is_zero(const guint8 *bytes, gsize length);
bool pread_all(int fd, void *buffer, gsize length, gint64 offset);
bool pwrite_all(int fd, const void *bytes, gsize length, gint64 offset);

/* ---- one for each format ---- */

bool raw_import(struct client *client, struct disk *disk, GError **error);
bool raw_export(struct client *client, struct disk *disk, GError **error);
/* XAPI's own: records of an offset, a length and as many bytes, until both are 0. */
bool chunks_import(struct client *client, struct disk *disk, GError **error);
bool vhd_import(struct client *client, struct disk *disk, GError **error);
bool vhd_export(struct client *client, struct disk *disk, GError **error);
bool qcow2_export(struct client *client, struct disk *disk, GError **error);
bool qcow2_import(struct client *client, struct disk *disk, GError **error);

/* IMPORT_ERROR [text]: what the client sends is not what it should be. */
bool import_failed(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* Fits the image onto the disk?  VDI_TOO_SMALL [disk, image]. */
bool import_fits(const struct disk *disk, guint64 size, GError **error);

#endif
