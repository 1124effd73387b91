/* Reads images of QEMU. */
#include "config.h"

#include "xapid/stream/qcow2.h"

#include <errno.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/stat.h>

#include "xapid/stream/big-endian.h"
#include "xapid/stream/stream.h"

#define MAGIC 0x514649fbu
#define DIRTY ((guint64)1 << 0) /* of the incompatible features: the only one that is known */
#define OFFSET_MASK (((guint64)1 << 56) - 512)
#define COMPRESSED ((guint64)1 << 62)
#define ZEROS ((guint64)1 << 0)
#define ENTRY_BYTES 8u
#define SECTOR 512u

static guint64
cluster_size(const struct qcow2_header *header)
{
    return (guint64)1 << header->cluster_bits;
}

/* Bytes of the disk that one table of the second level stands for. */
static guint64
table_reach(const struct qcow2_header *header)
{
    return cluster_size(header) / ENTRY_BYTES * cluster_size(header);
}

const char *
qcow2_header_parse(const guint8 *bytes, gsize length, struct qcow2_header *ret_header)
{
    struct qcow2_header header = {0};

    if (length < QCOW2_HEADER_BYTES || big_endian_get(bytes, 0, 4) != MAGIC)
        return "it is no qcow2 image";
    header.version = (unsigned)big_endian_get(bytes, 4, 4);
    header.has_base = big_endian_get(bytes, 8, 8) != 0;
    header.cluster_bits = (unsigned)big_endian_get(bytes, 20, 4);
    header.size = big_endian_get(bytes, 24, 8);
    header.l1_entries = (guint32)big_endian_get(bytes, 36, 4);
    header.l1_at = big_endian_get(bytes, 40, 8);
    if (header.version != 2 && header.version != 3)
        return "it is of an unknown version";
    if (header.version == 3 && (big_endian_get(bytes, 72, 8) & ~DIRTY))
        return "it has features that are not known, or its data in another file";
    if (header.version == 3 && big_endian_get(bytes, 96, 4) != 4)
        return "its counters have an unusual size";
    if (big_endian_get(bytes, 32, 4) != 0)
        return "it is encrypted";
    if (header.cluster_bits < QCOW2_CLUSTER_BITS_MIN ||
        header.cluster_bits > QCOW2_CLUSTER_BITS_MAX)
        return "its clusters have a size that cannot be";
    if (header.size > QCOW2_SIZE_MAX || header.l1_entries > QCOW2_L1_MAX)
        return "it says that it is too large";
    if (header.size > header.l1_entries * table_reach(&header))
        return "its table is too short";
    if (header.l1_at % cluster_size(&header) || header.l1_at > G_MAXINT64 / 2)
        return "its table is nowhere";
    *ret_header = header;
    return NULL;
}

void
qcow2_close(struct qcow2 *image)
{
    g_clear_pointer(&image->l1, g_free);
    g_clear_pointer(&image->l2, g_free);
}

bool
qcow2_open(struct qcow2 *image, int fd, const char **ret_fault)
{
    guint8 bytes[QCOW2_HEADER_BYTES];
    struct stat status;

    *image = (struct qcow2){.fd = fd};
    if (fstat(fd, &status) < 0 || !pread_all(fd, bytes, sizeof bytes, 0)) {
        *ret_fault = strerror(errno);
        return false;
    }
    if ((*ret_fault = qcow2_header_parse(bytes, sizeof bytes, &image->header)))
        return false;
    gsize length = image->header.l1_entries * ENTRY_BYTES;
    /* No memory for a table that is not there. */
    if (S_ISREG(status.st_mode) && image->header.l1_at + length > (guint64)status.st_size) {
        *ret_fault = "its table is beyond its end";
        return false;
    }
    image->l1 = g_malloc(length);
    image->l2 = g_malloc(cluster_size(&image->header));
    if (pread_all(fd, image->l1, length, (gint64)image->header.l1_at))
        return true;
    *ret_fault = strerror(errno);
    qcow2_close(image);
    return false;
}

static void
classify(const struct qcow2 *image, guint64 entry, struct qcow2_run *run)
{
    if (entry & COMPRESSED) {
        run->kind = QCOW2_COMPRESSED;
        run->at = (gint64)(entry & ~((guint64)3 << 62));
    } else if (image->header.version == 3 && (entry & ZEROS)) {
        run->kind = QCOW2_ZEROS;
    } else if (entry & OFFSET_MASK) {
        run->kind = QCOW2_DATA;
        run->at = (gint64)(entry & OFFSET_MASK);
    } else {
        run->kind = QCOW2_ABSENT;
    }
}

/* Is `next` what comes behind `run`? */
static bool
goes_on(const struct qcow2_run *run, const struct qcow2_run *next, gint64 whole)
{
    return next->kind == run->kind && run->kind != QCOW2_COMPRESSED &&
           (run->kind != QCOW2_DATA || next->at == run->at + whole);
}

static bool
read_table(struct qcow2 *image, guint64 at, const char **ret_fault)
{
    if (at == image->l2_at)
        return true;
    image->l2_at = 0;
    if (!pread_all(image->fd, image->l2, cluster_size(&image->header), (gint64)at)) {
        *ret_fault = strerror(errno);
        return false;
    }
    image->l2_at = at;
    return true;
}

bool
qcow2_look(struct qcow2 *image, gint64 offset, struct qcow2_run *ret_run, const char **ret_fault)
{
    const struct qcow2_header *header = &image->header;
    gint64 cluster = (gint64)cluster_size(header), reach = (gint64)table_reach(header);
    gint64 begin = offset / reach * reach;
    gint64 end = MIN(begin + reach, (gint64)header->size);
    guint64 table = GUINT64_FROM_BE(image->l1[offset / reach]) & OFFSET_MASK;
    struct qcow2_run run = {.length = end - offset};

    g_assert(offset < (gint64)header->size);
    if (!table) {
        *ret_run = run; /* absent, all of it */
        return true;
    }
    if (table % (guint64)cluster) {
        *ret_fault = "one of its tables is nowhere";
        return false;
    }
    if (!read_table(image, table, ret_fault))
        return false;
    guint64 index = (guint64)(offset - begin) >> header->cluster_bits;
    gint64 at = begin + ((gint64)index << header->cluster_bits), within = offset - at;
    classify(image, GUINT64_FROM_BE(image->l2[index]), &run);
    if (run.kind == QCOW2_DATA && run.at % cluster) {
        *ret_fault = "one of its clusters is nowhere";
        return false;
    }
    gint64 whole = cluster;
    for (struct qcow2_run next = {0}; at + whole < end; whole += cluster) {
        classify(image, GUINT64_FROM_BE(image->l2[++index]), &next);
        if (!goes_on(&run, &next, whole))
            break;
    }
    run.length = MIN(at + whole, end) - offset;
    if (run.kind == QCOW2_DATA)
        run.at += within;
    *ret_run = run;
    return true;
}

bool
qcow2_inflate(const struct qcow2 *image, gint64 entry, guint8 *buffer, const char **ret_fault)
{
    unsigned bits = 62 - (image->header.cluster_bits - 8);
    guint64 at = (guint64)entry & (((guint64)1 << bits) - 1);
    gsize length = ((guint64)entry >> bits) * SECTOR + SECTOR - at % SECTOR;
    gsize cluster = cluster_size(&image->header), done = 0, read = 0;
    g_autoptr(GZlibDecompressor) inflater = g_zlib_decompressor_new(G_ZLIB_COMPRESSOR_FORMAT_RAW);
    GConverterResult result = G_CONVERTER_CONVERTED;

    *ret_fault = "one of its clusters cannot be unpacked";
    if (length > 2 * cluster)
        return false;
    g_autofree guint8 *packed = g_malloc(length);
    if (!pread_all(image->fd, packed, length, (gint64)at))
        return false;
    while (done < cluster && result == G_CONVERTER_CONVERTED) {
        gsize in, out;
        result =
            g_converter_convert(G_CONVERTER(inflater), packed + read, length - read, buffer + done,
                                cluster - done, G_CONVERTER_INPUT_AT_END, &in, &out, NULL);
        if (result == G_CONVERTER_ERROR)
            return false;
        read += in;
        done += out;
    }
    return done == cluster;
}
