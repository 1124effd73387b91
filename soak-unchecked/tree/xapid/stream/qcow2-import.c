/* An image of QEMU into a disk.  What is where, its tables tell, which may be anywhere in it: so it
 * is kept in a file without a name until it is whole. */
#include "config.h"

#include <errno.h>
#include <unistd.h>

#include "lib/error.h"
#include "xapid/stream/stream.h"

/* An image is at most so much longer than the disk, for its tables and what was left over. */
#define OVERHEAD_BYTES ((gint64)64 << 20)

static bool
keep(struct client *client, const struct disk *disk, GError **error)
{
    g_autofree guint8 *buffer = g_malloc(PIECE_BYTES);
    gint64 most = disk->size + disk->size / 64 + OVERHEAD_BYTES;
    gint64 at = 0;
    gsize n;

    do {
        if (!client_read_some(client, buffer, PIECE_BYTES, &n, error))
            return false;
        if (at + (gint64)n > most)
            return import_failed(error, "the image is much longer than the disk");
        if (n && !pwrite_all(MORE_FD, buffer, n, at))
            return disk_failed(error, "keeping what is for");
        at += (gint64)n;
    } while (n);
    return true;
}

static bool
copy_data(struct disk *disk, gint64 from, gint64 to, gint64 length, guint8 *buffer, GError **error)
{
    for (gint64 n; length > 0; length -= n, from += n, to += n) {
        n = MIN(length, PIECE_BYTES - to % PIECE_BYTES);
        if (!pread_all(MORE_FD, buffer, (gsize)n, from))
            return disk_failed(error, "keeping what is for");
        if (!disk_write(disk, to, buffer, (gsize)n, error))
            return false;
    }
    return true;
}

/* Of a compressed cluster only the whole can be had. */
static bool
copy_packed(struct qcow2 *image, struct disk *disk, gint64 offset, const struct qcow2_run *run,
            guint8 *packed, GError **error)
{
    const char *fault;

    if (!qcow2_inflate(image, run->at, packed, &fault))
        return import_failed(error, "%s", fault);
    return disk_write(disk, offset, packed, (gsize)run->length, error);
}

static bool
copy_all(struct qcow2 *image, struct disk *disk, GError **error)
{
    gsize cluster = (gsize)1 << image->header.cluster_bits;
    g_autofree guint8 *buffer = g_malloc(PIECE_BYTES);
    g_autofree guint8 *packed = g_malloc(cluster);
    gint64 size = (gint64)image->header.size;
    const char *fault = NULL;
    struct qcow2_run run;
    bool ok = true;

    for (gint64 offset = 0; ok && offset < size; offset += run.length) {
        if (!qcow2_look(image, offset, &run, &fault))
            return import_failed(error, "%s", fault);
        if (run.kind == QCOW2_DATA)
            ok = copy_data(disk, run.at, offset, run.length, buffer, error);
        else if (run.kind == QCOW2_COMPRESSED)
            ok = copy_packed(image, disk, offset, &run, packed, error);
    }
    return ok;
}

bool
qcow2_import(struct client *client, struct disk *disk, GError **error)
{
    struct qcow2 image = {0};
    const char *fault = NULL;

    if (!keep(client, disk, error))
        return false;
    if (!qcow2_open(&image, MORE_FD, &fault))
        return import_failed(error, "%s", fault);
    bool ok = true;
    if (image.header.has_base)
        ok = import_failed(error, "it stands on another image");
    ok = ok && import_fits(disk, image.header.size, error) && disk_begin(disk, error) &&
         copy_all(&image, disk, error) && disk_end(disk, error);
    qcow2_close(&image);
    return ok;
}
