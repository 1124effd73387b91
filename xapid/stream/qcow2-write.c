/* A new image over an old one: its header stays, with the name of its base; tables, counters and
 * contents are new.  Or into one as it is.  Clusters are taken one behind the other, so all are
 * counted at the end. */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/faults.h"
#include "xapid/stream/stream.h"

#define COPIED ((guint64)1 << 63)
#define COMPRESSED ((guint64)1 << 62)
#define ZEROS ((guint64)1 << 0)
#define OFFSET_MASK (((guint64)1 << 56) - 512)
#define ENTRY_BYTES 8u
#define COUNTER_BYTES 2u
#define AT_L1_ENTRIES 36 /* in the header */
#define AT_L1 40
#define AT_COUNTERS 48
#define AT_COUNTER_CLUSTERS 56
#define AT_SNAPSHOTS 60
#define AT_INCOMPATIBLE 72
#define AT_AUTOCLEAR 88

struct qcow2_writer {
    int fd;
    struct qcow2_header header;
    guint64 cluster, per_table; /* bytes; entries */
    guint64 next;               /* the first cluster that nobody has */
    guint64 *l1;                /* big-endian */
    guint64 *l2;                /* big-endian: the table that is written to */
    guint64 l2_index;           /* which; G_MAXUINT64: none */
    bool l2_changed;
    guint64 counters_at, counter_clusters; /* the table of the blocks of counters */
    guint64 blocks, first_blocks;          /* of these; the ones of the empty image */
    guint64 blocks_at;                     /* where the first ones are; the others are at the end */
    /* Of one that is written into: */
    qcow2_below_fn below; /* else NULL */
    void *below_data;
    guint64 *used; /* a bit for each cluster before `first_new`, when they are counted */
    guint64 first_new;
};

void
qcow2_writer_free(struct qcow2_writer *writer)
{
    if (!writer)
        return;
    g_free(writer->l1);
    g_free(writer->l2);
    g_free(writer->used);
    g_free(writer);
}

gsize
qcow2_writer_cluster(const struct qcow2_writer *writer)
{
    return writer->cluster;
}

static bool
write_number(const struct qcow2_writer *writer, gint64 at, guint64 value, unsigned size)
{
    guint64 big = GUINT64_TO_BE(value);

    return pwrite_all(writer->fd, (const guint8 *)&big + sizeof big - size, size, at);
}

static bool
flush_table(struct qcow2_writer *writer)
{
    if (!writer->l2_changed)
        return true;
    writer->l2_changed = false;
    guint64 at = GUINT64_FROM_BE(writer->l1[writer->l2_index]) & ~COPIED;
    return pwrite_all(writer->fd, writer->l2, writer->cluster, (gint64)at) &&
           write_number(writer, (gint64)(writer->header.l1_at + writer->l2_index * ENTRY_BYTES),
                        at | COPIED, ENTRY_BYTES);
}

/* One of ours has clusters that are its own, where clusters can be. */
static bool
is_sound(const struct qcow2_writer *writer, guint64 entry)
{
    errno = EIO;
    return !(entry & COMPRESSED) && (entry & COPIED) &&
           !((entry & OFFSET_MASK) % writer->cluster) &&
           (entry & OFFSET_MASK) < writer->next * writer->cluster;
}

static guint64
take_clusters(struct qcow2_writer *writer, guint64 n)
{
    guint64 at = writer->next * writer->cluster;

    writer->next += n;
    return at;
}

/* Has the table with this number at hand. */
static bool
use_table(struct qcow2_writer *writer, guint64 index)
{
    if (index >= writer->header.l1_entries) {
        errno = EIO; /* it is smaller than the disk is to be */
        return false;
    }
    if (index == writer->l2_index)
        return true;
    if (!flush_table(writer))
        return false;
    writer->l2_index = index;
    guint64 entry = GUINT64_FROM_BE(writer->l1[index]);
    if (entry)
        return is_sound(writer, entry) &&
               pread_all(writer->fd, writer->l2, writer->cluster, (gint64)(entry & OFFSET_MASK));
    writer->l1[index] = GUINT64_TO_BE(take_clusters(writer, 1) | COPIED);
    for (guint64 i = 0; i < writer->per_table; i++)
        writer->l2[i] = writer->header.has_base && !writer->below ? GUINT64_TO_BE(ZEROS) : 0;
    writer->l2_changed = true;
    return true;
}

static guint64
per_block(const struct qcow2_writer *writer)
{
    return writer->cluster / COUNTER_BYTES;
}

static bool
is_used(const struct qcow2_writer *writer, guint64 cluster)
{
    return cluster < writer->next &&
           (cluster >= writer->first_new || writer->used[cluster / 64] >> cluster % 64 & 1);
}

/* Counts every cluster that was taken once, in the blocks that are there and in new ones. */
static bool
write_counters(struct qcow2_writer *writer)
{
    g_autofree guint16 *block = g_malloc(writer->cluster);
    guint64 old = writer->blocks;

    while (writer->blocks * per_block(writer) < writer->next) {
        guint64 at = take_clusters(writer, 1);
        if (old == 0 && writer->blocks == 0)
            writer->blocks_at = at;
        writer->blocks++;
    }
    guint64 new_at = (writer->next - (writer->blocks - old)) * writer->cluster;
    if (writer->blocks > writer->counter_clusters * writer->per_table) {
        errno = EFBIG;
        return false;
    }
    for (guint64 i = 0; i < writer->blocks; i++) {
        guint64 at = i < writer->first_blocks ? writer->blocks_at + i * writer->cluster
                                              : new_at + (i - old) * writer->cluster;
        for (guint64 j = 0; j < per_block(writer); j++)
            block[j] = is_used(writer, i * per_block(writer) + j) ? GUINT16_TO_BE(1) : 0;
        if (!pwrite_all(writer->fd, block, writer->cluster, (gint64)at) ||
            !write_number(writer, (gint64)(writer->counters_at + i * ENTRY_BYTES), at, ENTRY_BYTES))
            return false;
    }
    if (old == 0)
        writer->first_blocks = writer->blocks;
    return true;
}

/* The header's cluster as it is to be. */
static void
edit_header(const struct qcow2_writer *writer, guint8 *bytes, bool dirty)
{
    const struct {
        gsize at;
        guint64 value;
        unsigned size;
    } fields[] = {
        {AT_L1_ENTRIES, writer->header.l1_entries, 4},
        {AT_L1, writer->header.l1_at, 8},
        {AT_COUNTERS, writer->counters_at, 8},
        {AT_COUNTER_CLUSTERS, writer->counter_clusters, 4},
        {AT_SNAPSHOTS, 0, 4},
        {AT_INCOMPATIBLE, dirty, 8},
        {AT_AUTOCLEAR, 0, 8},
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(fields); i++)
        for (unsigned j = 0; j < fields[i].size; j++)
            bytes[fields[i].at + j] = (guint8)(fields[i].value >> 8 * (fields[i].size - 1 - j));
}

static void
lay_out(struct qcow2_writer *writer)
{
    guint64 reach = writer->per_table * writer->cluster;
    guint64 entries = (writer->header.size + reach - 1) / reach;
    guint64 l1_clusters = (entries * ENTRY_BYTES + writer->cluster - 1) / writer->cluster;
    /* At most: all of the disk, its tables, and what counts them. */
    guint64 most = writer->header.size / writer->cluster + entries + l1_clusters + 3;

    writer->header.l1_entries = (guint32)entries;
    guint64 blocks = most / (per_block(writer) - 1) + 1;
    writer->counter_clusters = (blocks + writer->per_table - 1) / writer->per_table;
    writer->counters_at = writer->cluster;
    writer->header.l1_at = writer->counters_at + writer->counter_clusters * writer->cluster;
    writer->next = 1 + writer->counter_clusters + l1_clusters;
    writer->l1 = g_malloc0(entries * ENTRY_BYTES);
    writer->l2 = g_malloc(writer->cluster);
    writer->l2_index = G_MAXUINT64;
}

/* From here on what is in the file is the new image.  It has a header all the time, or nobody could
 * begin again after one that died. */
static bool
begin(struct qcow2_writer *writer, guint8 *bytes)
{
    edit_header(writer, bytes, true);
    if (!FAULT_POINT("stream.image.before", NULL))
        return false;
    if (ftruncate(writer->fd, (off_t)writer->cluster) < 0 ||
        !FAULT_POINT("stream.image.emptied", NULL) ||
        ftruncate(writer->fd, (off_t)(writer->next * writer->cluster)) < 0 ||
        !pwrite_all(writer->fd, bytes, writer->cluster, 0) || !write_counters(writer))
        return false;
    /* Tables of zeros where the base must not show. */
    for (guint64 i = 0; writer->header.has_base && i < writer->header.l1_entries; i++)
        if (!use_table(writer, i))
            return false;
    return flush_table(writer) && FAULT_POINT("stream.image.after", NULL);
}

/* The header of an image, and its whole cluster, the caller's.  NULL with errno, or with a fault.
 */
static guint8 *
read_header(struct qcow2_writer *writer, const char **ret_fault)
{
    guint8 first[QCOW2_HEADER_BYTES];

    if (!pread_all(writer->fd, first, sizeof first, 0) ||
        (*ret_fault = qcow2_header_parse(first, sizeof first, &writer->header)))
        return NULL;
    if (writer->header.version != 3) {
        *ret_fault = "it is of an old version";
        return NULL;
    }
    writer->cluster = (guint64)1 << writer->header.cluster_bits;
    writer->per_table = writer->cluster / ENTRY_BYTES;
    g_autofree guint8 *bytes = g_malloc(writer->cluster);
    return pread_all(writer->fd, bytes, writer->cluster, 0) ? g_steal_pointer(&bytes) : NULL;
}

struct qcow2_writer *
qcow2_write_begin(int fd, const char **ret_fault)
{
    struct qcow2_writer *writer = g_new0(struct qcow2_writer, 1);

    writer->fd = fd;
    g_autofree guint8 *bytes = read_header(writer, ret_fault);
    if (bytes) {
        lay_out(writer);
        if (begin(writer, bytes))
            return writer;
    }
    qcow2_writer_free(writer);
    return NULL;
}

/* ---- into an image as it is ---- */

static bool
load(struct qcow2_writer *writer, const guint8 *bytes, const char **ret_fault)
{
    gsize length = writer->header.l1_entries * ENTRY_BYTES;
    struct stat status;

    for (unsigned i = 0; i < 4; i++)
        if (bytes[AT_SNAPSHOTS + i])
            *ret_fault = "it has snapshots in it";
    if (*ret_fault || fstat(writer->fd, &status) < 0)
        return false;
    writer->next = ((guint64)status.st_size + writer->cluster - 1) / writer->cluster;
    if (writer->header.l1_at + length > (guint64)status.st_size) {
        *ret_fault = "its table is beyond its end";
        return false;
    }
    writer->l1 = g_malloc(length);
    writer->l2 = g_malloc(writer->cluster);
    writer->l2_index = G_MAXUINT64;
    return pread_all(writer->fd, writer->l1, length, (gint64)writer->header.l1_at);
}

struct qcow2_writer *
qcow2_write_into(int fd, qcow2_below_fn below, void *data, const char **ret_fault)
{
    struct qcow2_writer *writer = g_new0(struct qcow2_writer, 1);

    writer->fd = fd;
    writer->below = below;
    writer->below_data = data;
    g_autofree guint8 *bytes = read_header(writer, ret_fault);
    /* That it is dirty is on the disk before anything that its counters do not know. */
    if (bytes && load(writer, bytes, ret_fault) && FAULT_POINT("stream.into.before", NULL) &&
        write_number(writer, AT_INCOMPATIBLE, 1, 8) && write_number(writer, AT_AUTOCLEAR, 0, 8) &&
        fdatasync(fd) == 0 && FAULT_POINT("stream.into.after", NULL))
        return writer;
    qcow2_writer_free(writer);
    return NULL;
}

/* Has nobody marked it? */
static bool
mark(struct qcow2_writer *writer, guint64 at)
{
    guint64 cluster = at / writer->cluster, bit = (guint64)1 << cluster % 64;

    if (cluster >= writer->first_new || writer->used[cluster / 64] & bit) {
        errno = EIO;
        return false;
    }
    writer->used[cluster / 64] |= bit;
    return true;
}

static bool
mark_table(struct qcow2_writer *writer, guint64 *table, guint64 at)
{
    if (!mark(writer, at) || !pread_all(writer->fd, table, writer->cluster, (gint64)at))
        return false;
    for (guint64 i = 0; i < writer->per_table; i++) {
        guint64 entry = GUINT64_FROM_BE(table[i]);
        if ((entry & (OFFSET_MASK | COMPRESSED)) &&
            !(is_sound(writer, entry) && mark(writer, entry & OFFSET_MASK)))
            return false;
    }
    return true;
}

/* Finds what is used, from the tables: the counters are made anew, behind all else, and so may go
 * what they said before. */
static bool
recount(struct qcow2_writer *writer)
{
    gsize l1_bytes = writer->header.l1_entries * ENTRY_BYTES;
    g_autofree guint64 *table = g_malloc(writer->cluster);

    writer->first_new = writer->next;
    writer->used = g_try_malloc0_n(writer->next / 64 + 1, sizeof(guint64));
    if (!writer->used) {
        errno = ENOMEM;
        return false;
    }
    if (!mark(writer, 0))
        return false;
    for (guint64 at = 0; at < l1_bytes; at += writer->cluster)
        if (!mark(writer, writer->header.l1_at + at))
            return false;
    for (guint64 i = 0; i < writer->header.l1_entries; i++) {
        guint64 entry = GUINT64_FROM_BE(writer->l1[i]);
        if (entry && !(is_sound(writer, entry) && mark_table(writer, table, entry & OFFSET_MASK)))
            return false;
    }
    /* Blocks for all there is, for themselves, and for the table of them. */
    guint64 blocks = writer->next / (per_block(writer) - 2) + 2;
    writer->counter_clusters = (blocks + writer->per_table - 1) / writer->per_table;
    writer->counters_at = take_clusters(writer, writer->counter_clusters);
    return true;
}

/* ---- */

static bool
is_fresh(guint64 entry)
{
    return (entry & ZEROS) || !(entry & ~COPIED);
}

/* A part of a cluster that is not there yet: the rest of it is what was to be seen so far. */
static bool
write_cluster(struct qcow2_writer *writer, guint64 number, guint64 entry, guint64 at,
              guint64 within, const guint8 *bytes, gsize length)
{
    g_autofree guint8 *cluster = g_malloc0(writer->cluster);

    if (!(entry & ZEROS) && !writer->below(writer->below_data, (gint64)(number * writer->cluster),
                                           cluster, writer->cluster))
        return false;
    memcpy(cluster + within, bytes, length);
    return pwrite_all(writer->fd, cluster, writer->cluster, (gint64)at);
}

bool
qcow2_write(struct qcow2_writer *writer, gint64 offset, const guint8 *bytes, gsize length)
{
    for (gsize part; length > 0; offset += (gint64)part, bytes += part, length -= part) {
        guint64 number = (guint64)offset / writer->cluster,
                within = (guint64)offset % writer->cluster;
        guint64 index = number % writer->per_table, n = 1;
        /* As many clusters as follow each other, here and in the file. */
        if (!use_table(writer, number / writer->per_table))
            return false;
        guint64 entry = GUINT64_FROM_BE(writer->l2[index]), at = entry & OFFSET_MASK;
        bool fresh = is_fresh(entry);
        bool whole = !writer->below || (within == 0 && length >= writer->cluster);
        if (!fresh && !is_sound(writer, entry)) /* else it was begun, or there before */
            return false;
        if (fresh) {
            guint64 most = writer->below
                               ? MAX(length / writer->cluster, 1)
                               : (within + length + writer->cluster - 1) / writer->cluster;
            most = MIN(most, writer->per_table - index);
            while (whole && n < most && is_fresh(GUINT64_FROM_BE(writer->l2[index + n])))
                n++;
            at = take_clusters(writer, n);
            for (guint64 i = 0; i < n; i++)
                writer->l2[index + i] = GUINT64_TO_BE((at + i * writer->cluster) | COPIED);
            writer->l2_changed = true;
        }
        part = MIN(length, n * writer->cluster - within);
        if (fresh && !whole ? !write_cluster(writer, number, entry, at, within, bytes, part)
                            : !pwrite_all(writer->fd, bytes, part, (gint64)(at + within)))
            return false;
    }
    return true;
}

bool
qcow2_write_zeros(struct qcow2_writer *writer, gint64 offset, const guint8 *zeros, gsize length)
{
    guint64 number = (guint64)offset / writer->cluster, index = number % writer->per_table;

    if (!use_table(writer, number / writer->per_table))
        return false;
    guint64 entry = GUINT64_FROM_BE(writer->l2[index]);
    if ((entry & ZEROS) || (!entry && !writer->header.has_base))
        return true;
    if (!is_fresh(entry) || length < writer->cluster)
        return qcow2_write(writer, offset, zeros, length);
    writer->l2[index] = GUINT64_TO_BE(ZEROS);
    writer->l2_changed = true;
    return true;
}

bool
qcow2_write_end(struct qcow2_writer *writer)
{
    g_autofree guint8 *bytes = g_malloc(writer->cluster);

    if (!flush_table(writer))
        return false;
    if ((writer->below && !recount(writer)) || !write_counters(writer) ||
        !FAULT_POINT("stream.image.counted", NULL) ||
        ftruncate(writer->fd, (off_t)(writer->next * writer->cluster)) < 0 ||
        fdatasync(writer->fd) < 0 || !pread_all(writer->fd, bytes, writer->cluster, 0))
        return false;
    edit_header(writer, bytes, false);
    return pwrite_all(writer->fd, bytes, writer->cluster, 0) &&
           FAULT_POINT("stream.image.clean", NULL);
}
