/* A disk as a dynamic VHD, or as a difference: first is looked where there is anything, or what is
 * another, then that is sent, by whole blocks. */
#include "config.h"

#include <string.h>

#include "xapid/stream/stream.h"
#include "xapid/stream/vhd.h"

static bool
send_table(struct client *client, const guint8 *used, guint32 n, GError **error)
{
    gsize length = (n * sizeof(guint32) + VHD_SECTOR - 1) / VHD_SECTOR * VHD_SECTOR;
    g_autofree guint32 *table = g_malloc(length);
    guint64 bitmap = vhd_bitmap_bytes(VHD_BLOCK_BYTES);
    guint64 at = VHD_FOOTER_BYTES + VHD_HEADER_BYTES + length;

    memset(table, 0xff, length);
    for (guint32 i = 0; i < n; i++) {
        if (!has_block(used, i))
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
    gsize length = vhd_bitmap_bytes(VHD_BLOCK_BYTES);
    g_autofree guint8 *bitmap = g_malloc(length);

    memset(bitmap, 0xff, length);
    return client_write(client, bitmap, length, error) &&
           client_send_disk(client, disk, begin, (gint64)VHD_BLOCK_BYTES, error);
}

bool
vhd_export(struct client *client, struct disk *disk, GError **error)
{
    guint8 footer[VHD_FOOTER_BYTES], header[VHD_HEADER_BYTES];
    guint32 n = (guint32)(((guint64)disk->size + VHD_BLOCK_BYTES - 1) / VHD_BLOCK_BYTES);
    g_autofree guint8 *used = disk_find_blocks(disk, (gint64)VHD_BLOCK_BYTES, error);

    if (!used)
        return false;
    vhd_footer_write(footer, (guint64)disk->size, disk->job->disk.uuid, disk->since);
    vhd_header_write(header, n, disk->job->since.uuid);
    if (!client_write(client, footer, sizeof footer, error) ||
        !client_write(client, header, sizeof header, error) || !send_table(client, used, n, error))
        return false;
    for (guint32 i = 0; i < n; i++)
        if (has_block(used, i) && !send_block(client, disk, i, error))
            return false;
    return client_write(client, footer, sizeof footer, error);
}
