/* A disk as an image of QEMU, which can be sent as it is made: it is looked what there is, so that
 * all tables can go first, and then the clusters in the order of the disk. */
#include "config.h"

#include <string.h>

#include "xapid/stream/big-endian.h"
#include "xapid/stream/stream.h"

#define CLUSTER_BITS 16
#define CLUSTER ((guint64)1 << CLUSTER_BITS)
#define ENTRY_BYTES 8
#define PER_TABLE (CLUSTER / ENTRY_BYTES)
#define PER_BLOCK (CLUSTER / 2) /* counters of 16 bits */
#define MAGIC 0x514649fbu
#define IMAGE_VERSION 3
#define HEADER_BYTES 104
#define COPIED ((guint64)1 << 63)

/* In clusters, in their order. */
struct layout {
    const guint8 *used; /* of the disk's clusters, those that are sent */
    guint64 disk;       /* all of them */
    guint64 counter_tables, counter_blocks;
    guint64 l1;
    guint64 l2, data;
};

static guint64
divide_up(guint64 a, guint64 b)
{
    return (a + b - 1) / b;
}

static guint64
total(const struct layout *layout)
{
    return 1 + layout->counter_tables + layout->counter_blocks + layout->l1 + layout->l2 +
           layout->data;
}

/* How many clusters are sent of those that a table of the second level has. */
static guint64
count_used(const struct layout *layout, guint64 table)
{
    guint64 n = 0, end = MIN((table + 1) * PER_TABLE, layout->disk);

    for (guint64 i = table * PER_TABLE; i < end; i++)
        n += has_block(layout->used, i);
    return n;
}

static struct layout
lay_out(const guint8 *used, guint64 size)
{
    struct layout layout = {.used = used, .disk = divide_up(size, CLUSTER)};
    guint64 tables = divide_up(layout.disk, PER_TABLE), n;

    layout.l1 = divide_up(tables, PER_TABLE);
    for (guint64 i = 0; i < tables; i++) {
        n = count_used(&layout, i);
        layout.l2 += n > 0;
        layout.data += n;
    }
    /* The counters count themselves, too. */
    do {
        n = total(&layout);
        layout.counter_blocks = divide_up(n, PER_BLOCK);
        layout.counter_tables = divide_up(layout.counter_blocks, PER_TABLE);
    } while (total(&layout) != n);
    return layout;
}

static bool
send_header(struct client *client, const struct layout *layout, guint64 size, guint8 *cluster,
            GError **error)
{
    const struct {
        gsize at;
        guint64 value;
        unsigned size;
    } fields[] = {
        {0, MAGIC, 4},
        {4, IMAGE_VERSION, 4},
        {20, CLUSTER_BITS, 4},
        {24, size, 8},
        {36, divide_up(layout->disk, PER_TABLE), 4},
        {40, (1 + layout->counter_tables + layout->counter_blocks) * CLUSTER, 8},
        {48, CLUSTER, 8},
        {56, layout->counter_tables, 4},
        {96, 4, 4}, /* 16 bits */
        {100, HEADER_BYTES, 4},
    };

    memset(cluster, 0, CLUSTER);
    for (unsigned i = 0; i < G_N_ELEMENTS(fields); i++)
        big_endian_put(cluster, fields[i].at, fields[i].value, fields[i].size);
    return client_write(client, cluster, CLUSTER, error);
}

static bool
send_counters(struct client *client, const struct layout *layout, guint8 *cluster, GError **error)
{
    guint64 first = 1 + layout->counter_tables, all = total(layout);

    for (guint64 table = 0; table < layout->counter_tables; table++) {
        memset(cluster, 0, CLUSTER);
        for (guint64 i = 0; i < PER_TABLE && table * PER_TABLE + i < layout->counter_blocks; i++)
            big_endian_put(cluster, i * ENTRY_BYTES, (first + table * PER_TABLE + i) * CLUSTER,
                           ENTRY_BYTES);
        if (!client_write(client, cluster, CLUSTER, error))
            return false;
    }
    for (guint64 block = 0; block < layout->counter_blocks; block++) {
        for (guint64 i = 0; i < PER_BLOCK; i++)
            big_endian_put(cluster, i * 2, block * PER_BLOCK + i < all, 2);
        if (!client_write(client, cluster, CLUSTER, error))
            return false;
    }
    return true;
}

static bool
send_tables(struct client *client, const struct layout *layout, guint8 *cluster, GError **error)
{
    guint64 tables = divide_up(layout->disk, PER_TABLE);
    guint64 next = total(layout) - layout->data - layout->l2;

    for (guint64 first = 0; first < layout->l1; first++) {
        memset(cluster, 0, CLUSTER);
        for (guint64 i = 0; i < PER_TABLE && first * PER_TABLE + i < tables; i++)
            if (count_used(layout, first * PER_TABLE + i))
                big_endian_put(cluster, i * ENTRY_BYTES, next++ * CLUSTER | COPIED, ENTRY_BYTES);
        if (!client_write(client, cluster, CLUSTER, error))
            return false;
    }
    for (guint64 table = 0; table < tables; table++) {
        if (!count_used(layout, table))
            continue;
        memset(cluster, 0, CLUSTER);
        for (guint64 i = 0; i < PER_TABLE && table * PER_TABLE + i < layout->disk; i++)
            if (has_block(layout->used, table * PER_TABLE + i))
                big_endian_put(cluster, i * ENTRY_BYTES, next++ * CLUSTER | COPIED, ENTRY_BYTES);
        if (!client_write(client, cluster, CLUSTER, error))
            return false;
    }
    return true;
}

/* Those that follow each other at once. */
static bool
send_data(struct client *client, const struct layout *layout, struct disk *disk, GError **error)
{
    for (guint64 i = 0, n; i < layout->disk; i += MAX(n, 1)) {
        for (n = 0; i + n < layout->disk && has_block(layout->used, i + n);)
            n++;
        if (n &&
            !client_send_disk(client, disk, (gint64)(i * CLUSTER), (gint64)(n * CLUSTER), error))
            return false;
    }
    return true;
}

bool
qcow2_export(struct client *client, struct disk *disk, GError **error)
{
    g_autofree guint8 *used = disk_find_blocks(disk, (gint64)CLUSTER, error);
    g_autofree guint8 *cluster = g_malloc(CLUSTER);

    if (!used)
        return false;
    struct layout layout = lay_out(used, (guint64)disk->size);
    client->total = (gint64)(total(&layout) * CLUSTER);
    return send_header(client, &layout, (guint64)disk->size, cluster, error) &&
           send_counters(client, &layout, cluster, error) &&
           send_tables(client, &layout, cluster, error) && send_data(client, &layout, disk, error);
}
