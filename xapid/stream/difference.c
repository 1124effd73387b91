/* What a disk has otherwise than another one.  Images that stand on common ones share most of it;
 * of the rest the contents are compared, so any two disks will do. */
#include "config.h"

#include <string.h>
#include <sys/stat.h>

#include "xapid/stream/stream.h"

#define COMPARED_BYTES 65536 /* at once */

static bool
same_file(int a, int b)
{
    struct stat x, y;

    return a == b ||
           (fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino);
}

static bool
same_place(const struct extent *a, const struct extent *b)
{
    if (a->fd < 0 || b->fd < 0)
        return a->fd < 0 && b->fd < 0;
    return a->at == b->at && same_file(a->fd, b->fd);
}

static bool
read_extent(const struct extent *extent, guint8 *buffer, gsize length)
{
    if (extent->fd >= 0)
        return pread_all(extent->fd, buffer, length, extent->at);
    memset(buffer, 0, length);
    return true;
}

/* Is what is at the offset another?  ret_length: as far as the answer goes. */
static bool
look(struct disk *disk, gint64 offset, gint64 *ret_length, bool *ret_changed, GError **error)
{
    static guint8 one[COMPARED_BYTES], other[COMPARED_BYTES];
    struct disk *since = disk->since;
    struct extent here, there = {disk->size - offset, -1, 0};

    if (!disk_map(disk, offset, &here, error) ||
        (since && offset < since->size && !disk_map(since, offset, &there, error)))
        return false;
    *ret_length = MIN(here.length, there.length);
    *ret_changed = !same_place(&here, &there);
    if (!since || !*ret_changed)
        return true;
    *ret_length = MIN(*ret_length, COMPARED_BYTES);
    if (!read_extent(&here, one, (gsize)*ret_length) ||
        !read_extent(&there, other, (gsize)*ret_length))
        return disk_failed(error, "reading");
    *ret_changed = memcmp(one, other, (gsize)*ret_length) != 0;
    return true;
}

guint8 *
disk_find_blocks(struct disk *disk, gint64 block, GError **error)
{
    g_autofree guint8 *blocks = g_malloc0((gsize)(disk->size / block / 8 + 1));
    gint64 length;
    bool changed;

    for (gint64 offset = 0; offset < disk->size; offset += length) {
        if (!look(disk, offset, &length, &changed, error))
            return NULL;
        if (!changed)
            continue;
        gint64 number = offset / block, last = (offset + length - 1) / block;
        for (; number <= last; number++)
            blocks[number / 8] |= (guint8)(1 << number % 8);
        length = number * block - offset; /* one reason is enough for it */
    }
    return g_steal_pointer(&blocks);
}

bool
has_block(const guint8 *blocks, guint64 number)
{
    return blocks[number / 8] >> number % 8 & 1;
}
