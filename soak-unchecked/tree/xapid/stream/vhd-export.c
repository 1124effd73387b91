/* A disk as a dynamic VHD: first is looked where there is anything, then that is sent. */
#include "config.h"

#include <string.h>

#include "xapid/stream/stream.h"
#include "xapid/stream/vhd.h"

/* Marks the blocks that hold more than zeros. */
static bool
find_blocks(struct disk *disk, guint8 *used, GError **error)
{
    struct extent extent;

    for (gint64 offset = 0; offset < disk->size; offset += extent.length) {
        if (!disk_map(disk, offset, &extent, error))
            return false;
        guint64 first = (guint64)offset / VHD_BLOCK_BYTES;
        guint64 last = (guint64)(offset + extent.length - 1) / VHD_BLOCK_BYTES;
        if (extent.fd >= 0)
            memset(used + first, 1, last - first + 1);
    }
    return true;
}

static bool
send_table(struct client *client, const guint8 *used, guint32 n, GError **error)
{
    gsize length = (n * sizeof(guint32) + VHD_SECTOR - 1) / VHD_SECTOR * VHD_SECTOR;
    g_autofree guint32 *table = g_malloc(length);
    guint64 bitmap = vhd_bitmap_bytes(VHD_BLOCK_BYTES);
    guint64 at = VHD_FOOTER_BYTES + VHD_HEADER_BYTES + length;

    memset(table, 0xff, length);
    for (guint32 i = 0; i < n; i++) {
        if (!used[i])
            continue;
        table[i] = GUINT32_TO_BE((guint32)(at / VHD_SECTOR));
        at += bitmap + VHD_BLOCK_BYTES;
    }
    client->total = (gint64)at + VHD_FOOTER_BYTES;
    return client_write(client, table, length, error);
}

static bool
send_block(struct client *client, struct disk *disk, guint32 number, GError **error)
{
    gint64 begin = (gint64)(number * VHD_BLOCK_BYTES);
    gint64 whole = begin + (gint64)VHD_BLOCK_BYTES, end = MIN(whole, disk->size);
    gsize length = vhd_bitmap_bytes(VHD_BLOCK_BYTES);
    g_autofree guint8 *bitmap = g_malloc(length);
    struct extent extent;

    memset(bitmap, 0xff, length);
    if (!client_write(client, bitmap, length, error))
        return false;
    for (gint64 offset = begin; offset < end; offset += extent.length) {
        if (!disk_map(disk, offset, &extent, error))
            return false;
        extent.length = MIN(extent.length, end - offset);
        if (!client_send(client, extent.fd, extent.at, extent.length, error))
            return false;
    }
    return client_send(client, -1, 0, whole - end, error);
}

bool
vhd_export(struct client *client, struct disk *disk, GError **error)
{
    guint8 footer[VHD_FOOTER_BYTES], header[VHD_HEADER_BYTES];
    guint32 n = (guint32)(((guint64)disk->size + VHD_BLOCK_BYTES - 1) / VHD_BLOCK_BYTES);
    g_autofree guint8 *used = g_malloc0(n);

    vhd_footer_write(footer, (guint64)disk->size);
    vhd_header_write(header, n);
    if (!find_blocks(disk, used, error) || !client_write(client, footer, sizeof footer, error) ||
        !client_write(client, header, sizeof header, error) || !send_table(client, used, n, error))
        return false;
    for (guint32 i = 0; i < n; i++)
        if (used[i] && !send_block(client, disk, i, error))
            return false;
    return client_write(client, footer, sizeof footer, error);
}
