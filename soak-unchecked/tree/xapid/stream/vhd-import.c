/* A VHD into a disk, fixed or dynamic, as it comes: the blocks of a dynamic one in the order in
 * which they are in the file. */
#include "config.h"

#include <string.h>

#include "lib/error.h"
#include "xapid/stream/stream.h"
#include "xapid/stream/vhd.h"

struct block {
    guint64 at;     /* in the file */
    guint32 number; /* in the disk */
};

struct reading {
    struct client *client;
    struct disk *disk;
    struct vhd_footer footer;
    struct vhd_header header;
    guint64 at; /* bytes of the file that have been read */
};

static bool
take(struct reading *reading, void *bytes, gsize length, GError **error)
{
    reading->at += length;
    return client_read(reading->client, bytes, length, error);
}

static bool
go_to(struct reading *reading, guint64 at, GError **error)
{
    gint64 length = (gint64)(at - reading->at);

    reading->at = at;
    return client_skip(reading->client, length, error);
}

/* ---- fixed: the disk, and the footer ---- */

static bool
fixed_import(struct reading *reading, const guint8 first[VHD_FOOTER_BYTES], GError **error)
{
    struct client *client = reading->client;
    struct disk *disk = reading->disk;
    g_autofree guint8 *buffer = g_malloc(PIECE_BYTES);
    guint8 footer[VHD_FOOTER_BYTES];
    const char *fault;

    if (client->left < 0)
        return import_failed(error, "a fixed VHD needs a Content-Length");
    gint64 size = client->left; /* the footer is as long as what has been read */
    if (!import_fits(disk, (guint64)size, error) || !disk_begin(disk, error))
        return false;
    memcpy(buffer, first, VHD_FOOTER_BYTES);
    for (gint64 offset = 0, n, have = VHD_FOOTER_BYTES; offset < size; offset += n, have = 0) {
        n = MIN(PIECE_BYTES, size - offset);
        if (n < have)
            return import_failed(error, "it is no VHD");
        if (!take(reading, buffer + have, (gsize)(n - have), error) ||
            !disk_write(disk, offset, buffer, (gsize)n, error))
            return false;
    }
    if (!take(reading, footer, sizeof footer, error))
        return false;
    if ((fault = vhd_footer_parse(footer, &reading->footer)))
        return import_failed(error, "%s", fault);
    if (reading->footer.type != VHD_FIXED || reading->footer.size != (guint64)size)
        return import_failed(error, "its footer says another size");
    return disk_end(disk, error);
}

/* ---- dynamic ---- */

static int
compare(gconstpointer a, gconstpointer b, gpointer data)
{
    const struct block *x = a, *y = b;

    (void)data;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* The blocks as they follow each other in the file; the caller's. */
static struct block *
read_table(struct reading *reading, guint32 *ret_n, GError **error)
{
    guint32 entries = reading->header.entries, n = 0;
    gsize length = entries * sizeof(guint32);
    g_autofree guint32 *table = g_malloc(length);
    guint64 block = reading->header.block;

    if (!go_to(reading, reading->header.table_at, error) || !take(reading, table, length, error))
        return NULL;
    for (guint32 i = 0; i < entries; i++)
        n += GUINT32_FROM_BE(table[i]) != VHD_NO_BLOCK;
    g_autofree struct block *blocks = g_new(struct block, n + 1);
    n = 0;
    for (guint32 i = 0; i < entries; i++) {
        guint32 sector = GUINT32_FROM_BE(table[i]);
        if (sector == VHD_NO_BLOCK)
            continue;
        if (i * block >= reading->footer.size) {
            import_failed(error, "it has a block beyond its disk");
            return NULL;
        }
        blocks[n++] = (struct block){(guint64)sector * VHD_SECTOR, i};
    }
    /* That of the C library asks how much memory there is, which a confined process may not. */
    g_qsort_with_data(blocks, (gint)n, sizeof *blocks, compare, NULL);
    guint64 from = reading->at;
    for (guint32 i = 0; i < n; i++) {
        if (blocks[i].at < from) {
            import_failed(error, "its blocks lie over each other");
            return NULL;
        }
        from = blocks[i].at + vhd_bitmap_bytes(block) + block;
    }
    *ret_n = n;
    return g_steal_pointer(&blocks);
}

/* Sectors that the bitmap does not have are zeros, whatever the block holds. */
static void
mask(guint8 *bytes, const guint8 *bitmap, guint64 sectors)
{
    for (guint64 i = 0; i < sectors; i++)
        if (!(bitmap[i / 8] & 0x80 >> i % 8))
            memset(bytes + i * VHD_SECTOR, 0, VHD_SECTOR);
}

static bool
import_block(struct reading *reading, const struct block *block, guint8 *bitmap, guint8 *bytes,
             GError **error)
{
    gsize length = reading->header.block;
    guint64 offset = block->number * reading->header.block;
    gsize in_disk = (gsize)MIN(length, reading->footer.size - offset);

    if (!go_to(reading, block->at, error) ||
        !take(reading, bitmap, vhd_bitmap_bytes(length), error) ||
        !take(reading, bytes, length, error))
        return false;
    mask(bytes, bitmap, length / VHD_SECTOR);
    return disk_write(reading->disk, (gint64)offset, bytes, in_disk, error);
}

/* A file that was cut off has no footer at its end. */
static bool
read_end(struct reading *reading, GError **error)
{
    guint8 last[VHD_FOOTER_BYTES];
    struct vhd_footer footer;
    const char *fault;

    if (reading->client->left >= 0 &&
        !client_skip(reading->client, reading->client->left - VHD_FOOTER_BYTES, error))
        return false;
    if (!client_read(reading->client, last, sizeof last, error))
        return false;
    if ((fault = vhd_footer_parse(last, &footer)))
        return import_failed(error, "at its end: %s", fault);
    return true;
}

static bool
dynamic_import(struct reading *reading, GError **error)
{
    guint8 header[VHD_HEADER_BYTES];
    const char *fault;
    guint32 n = 0;

    if (!import_fits(reading->disk, reading->footer.size, error) ||
        !go_to(reading, reading->footer.header_at, error) ||
        !take(reading, header, sizeof header, error))
        return false;
    if ((fault = vhd_header_parse(header, &reading->footer, &reading->header)))
        return import_failed(error, "%s", fault);
    g_autofree struct block *blocks = read_table(reading, &n, error);
    if (!blocks || !disk_begin(reading->disk, error))
        return false;
    g_autofree guint8 *bitmap = g_malloc(vhd_bitmap_bytes(reading->header.block));
    g_autofree guint8 *bytes = g_malloc(reading->header.block);
    for (guint32 i = 0; i < n; i++)
        if (!import_block(reading, &blocks[i], bitmap, bytes, error))
            return false;
    return read_end(reading, error) && disk_end(reading->disk, error);
}

bool
vhd_import(struct client *client, struct disk *disk, GError **error)
{
    struct reading reading = {.client = client, .disk = disk};
    guint8 first[VHD_FOOTER_BYTES];
    const char *fault;

    if (!take(&reading, first, sizeof first, error))
        return false;
    if (!vhd_is_footer(first))
        return fixed_import(&reading, first, error);
    if ((fault = vhd_footer_parse(first, &reading.footer)))
        return import_failed(error, "%s", fault);
    if (reading.footer.type != VHD_DYNAMIC)
        return import_failed(error, "it begins as a dynamic one, and is none");
    return dynamic_import(&reading, error);
}
