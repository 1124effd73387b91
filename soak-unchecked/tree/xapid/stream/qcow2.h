/* Images of QEMU, by the description in its docs/interop/qcow2.txt: where the contents are, and a
 * new image over an old one.  Whatever a header says is checked; no name in it is used.  One
 * thread. */
#ifndef XAPID_STREAM_QCOW2_H
#define XAPID_STREAM_QCOW2_H

#include <glib.h>
#include <stdbool.h>

#define QCOW2_CHAIN_MAX 16                 /* an image and those below it */
#define QCOW2_HEADER_BYTES 112             /* as much of a header as is read */
#define QCOW2_L1_MAX ((guint32)4 << 20)    /* entries: 32 MiB */
#define QCOW2_SIZE_MAX ((guint64)16 << 40) /* bytes of the disk that an image may claim */
#define QCOW2_CLUSTER_BITS_MIN 9
#define QCOW2_CLUSTER_BITS_MAX 21

struct qcow2_header {
    unsigned version, cluster_bits;
    guint64 size;
    guint64 l1_at;
    guint32 l1_entries;
    bool has_base;
};

/* What is wrong with it, NULL: nothing.  Of a file of `length` bytes (the header's part of it is
 * enough). */
const char *qcow2_header_parse(const guint8 *bytes, gsize length, struct qcow2_header *ret_header);

enum qcow2_kind { QCOW2_ABSENT, QCOW2_ZEROS, QCOW2_DATA, QCOW2_COMPRESSED };

struct qcow2 {
    int fd;
    struct qcow2_header header;
    guint64 *l1;   /* big-endian, as it is in the file */
    guint64 *l2;   /* the table that was read last */
    guint64 l2_at; /* of that; 0: none */
};

struct qcow2_run {
    enum qcow2_kind kind;
    gint64 length;
    gint64 at; /* in the file; QCOW2_COMPRESSED: the entry */
};

/* fd is borrowed.  False with what is wrong. */
bool qcow2_open(struct qcow2 *image, int fd, const char **ret_fault);
void qcow2_close(struct qcow2 *image);
/* The run at the offset of the disk, which ends with its table at the latest. */
bool qcow2_look(struct qcow2 *image, gint64 offset, struct qcow2_run *ret_run,
                const char **ret_fault);
/* A compressed cluster, whole, into `buffer`, which has the size of one. */
bool qcow2_inflate(const struct qcow2 *image, gint64 entry, guint8 *buffer, const char **ret_fault);

struct qcow2_writer;

/* Empties the image: it has the size and the base that its header says and no contents; what has no
 * contents reads as zeros, whatever the base has.  It says that it is dirty, so that QEMU looks
 * after it when it is opened before qcow2_write_end ().  NULL with errno, or with a fault. */
struct qcow2_writer *qcow2_write_begin(int fd, const char **ret_fault);
bool qcow2_write(struct qcow2_writer *writer, gint64 offset, const guint8 *bytes, gsize length);
/* All is in the file, and it is an image without faults.  Not synced. */
bool qcow2_write_end(struct qcow2_writer *writer);
gsize qcow2_writer_cluster(const struct qcow2_writer *writer);
void qcow2_writer_free(struct qcow2_writer *writer);

#endif
