/* The bytes of a disk in order; and XAPI's records of those that are not zeros. */
#include "config.h"

#include "lib/error.h"
#include "xapid/stream/stream.h"

#define RECORD_BYTES 12

static gint64
end_of_part(const struct disk *disk)
{
    const struct job *job = disk->job;

    return job->length < 0 ? disk->size : job->offset + job->length;
}

bool
raw_export(struct client *client, struct disk *disk, GError **error)
{
    gint64 end = end_of_part(disk);
    struct extent extent;

    for (gint64 offset = disk->job->offset; offset < end; offset += extent.length) {
        if (!disk_map(disk, offset, &extent, error))
            return false;
        extent.length = MIN(extent.length, end - offset);
        if (!client_send(client, extent.fd, extent.at, extent.length, error))
            return false;
    }
    return true;
}

/* Of a body of unknown length: it must be as long as the disk. */
static bool
must_end(struct client *client, const struct disk *disk, GError **error)
{
    guint8 byte;
    gsize n;

    if (client->left == 0)
        return true;
    if (!client_read_some(client, &byte, 1, &n, error))
        return false;
    return n == 0 || import_fits(disk, (guint64)disk->size + 1, error);
}

bool
raw_import(struct client *client, struct disk *disk, GError **error)
{
    g_autofree guint8 *buffer = g_malloc(PIECE_BYTES);
    gint64 end = end_of_part(disk);

    if (!disk_begin(disk, error))
        return false;
    for (gint64 offset = disk->job->offset, n; offset < end; offset += n) {
        /* Pieces begin where those of the disk do. */
        n = MIN(PIECE_BYTES - offset % PIECE_BYTES, end - offset);
        if (!client_read(client, buffer, (gsize)n, error) ||
            !disk_write(disk, offset, buffer, (gsize)n, error))
            return false;
    }
    return must_end(client, disk, error) && disk_end(disk, error);
}

static guint64
little(const guint8 *bytes, unsigned size)
{
    guint64 value = 0;

    while (size-- > 0)
        value = value << 8 | bytes[size];
    return value;
}

bool
chunks_import(struct client *client, struct disk *disk, GError **error)
{
    g_autofree guint8 *buffer = g_malloc(PIECE_BYTES);
    guint8 record[RECORD_BYTES];

    if (!disk_begin(disk, error))
        return false;
    for (;;) {
        if (!client_read(client, record, sizeof record, error))
            return false;
        guint64 offset = little(record, 8), length = little(record + 8, 4);
        if (!offset && !length)
            return disk_end(disk, error);
        if (offset > (guint64)disk->size || length > (guint64)disk->size - offset)
            return import_fits(disk, offset > G_MAXINT64 ? G_MAXINT64 : offset + length, error);
        for (guint64 n; length > 0; length -= n, offset += n) {
            n = MIN(length, PIECE_BYTES - offset % PIECE_BYTES);
            if (!client_read(client, buffer, n, error) ||
                !disk_write(disk, (gint64)offset, buffer, n, error))
                return false;
        }
        client_progress(client, (gint64)MIN(offset, (guint64)disk->size));
    }
}
