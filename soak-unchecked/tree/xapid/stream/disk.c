/* The disk: a file or a device that is raw, or an image with those below it. */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "xapid/stream/stream.h"

#define GRANULE_BYTES 4096

bool
disk_failed(GError **error, const char *what)
{
    g_autofree char *text = g_strdup_printf("%s the disk: %s", what, strerror(errno));

    api_error_set(error, errno == ENOSPC ? "SR_BACKEND_FAILURE_44" : "SR_BACKEND_FAILURE", "", text,
                  "", NULL);
    return false;
}

static bool
disk_faulty(GError **error, const char *fault)
{
    g_autofree char *text =
        g_strdup_printf("the disk's image: %s", fault ? fault : strerror(errno));

    api_error_set(error, "SR_BACKEND_FAILURE", "", text, "", NULL);
    return false;
}

bool
pread_all(int fd, void *buffer, gsize length, gint64 offset)
{
    for (gsize done = 0; done < length;) {
        gssize n = pread(fd, (guint8 *)buffer + done, length - done, offset + (gint64)done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        if (n == 0) { /* beyond the end of a file there are zeros */
            memset((guint8 *)buffer + done, 0, length - done);
            return true;
        }
        done += (gsize)n;
    }
    return true;
}

bool
pwrite_all(int fd, const void *bytes, gsize length, gint64 offset)
{
    for (gsize done = 0; done < length;) {
        gssize n = pwrite(fd, (const guint8 *)bytes + done, length - done, offset + (gint64)done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        done += (gsize)n;
    }
    return true;
}

static bool
open_images(struct disk *disk, GError **error)
{
    const char *fault = NULL;

    for (unsigned i = 0; i <= disk->job->bases; i++) {
        if (!qcow2_open(&disk->images[i], i == 0 ? DISK_FD : MORE_FD + (int)i - 1, &fault))
            return disk_faulty(error, fault);
        disk->n_images = i + 1;
        if (disk->images[i].header.has_base != (i < disk->job->bases))
            return disk_faulty(error, "it stands on other images than is known");
    }
    return true;
}

bool
disk_open(struct disk *disk, const struct job *job, GError **error)
{
    *disk = (struct disk){.job = job, .size = job->size, .granule = GRANULE_BYTES};
    return job->import || g_str_equal(job->disk, "raw") || open_images(disk, error);
}

void
disk_close(struct disk *disk)
{
    for (unsigned i = 0; i < disk->n_images; i++)
        qcow2_close(&disk->images[i]);
    qcow2_writer_free(disk->writer);
}

/* ---- reading ---- */

static bool
map_raw(struct disk *disk, gint64 offset, struct extent *ret_extent, GError **error)
{
    off_t data = lseek(DISK_FD, offset, SEEK_DATA);

    if (data < 0 && errno == ENXIO) /* nothing more but a hole */
        data = disk->size;
    else if (data < 0 && errno == EINVAL) /* it cannot tell */
        data = offset;
    else if (data < 0)
        return disk_failed(error, "reading");
    if (data > offset) {
        *ret_extent = (struct extent){MIN(data, disk->size) - offset, -1, 0};
        return true;
    }
    off_t hole = lseek(DISK_FD, offset, SEEK_HOLE);
    gint64 end = hole > offset ? MIN(hole, disk->size) : disk->size;
    *ret_extent = (struct extent){end - offset, DISK_FD, offset};
    return true;
}

static bool
map_images(struct disk *disk, gint64 offset, struct extent *ret_extent, GError **error)
{
    gint64 length = disk->size - offset;
    struct qcow2_run run;
    const char *fault = NULL;

    for (unsigned i = 0; i < disk->n_images; i++) {
        struct qcow2 *image = &disk->images[i];
        if (offset >= (gint64)image->header.size)
            break; /* a base that is shorter */
        if (!qcow2_look(image, offset, &run, &fault))
            return disk_faulty(error, fault);
        length = MIN(length, run.length);
        if (run.kind == QCOW2_COMPRESSED)
            return disk_faulty(error, "a compressed image");
        if (run.kind != QCOW2_ABSENT) {
            *ret_extent = (struct extent){length, run.kind == QCOW2_DATA ? image->fd : -1, run.at};
            return true;
        }
    }
    *ret_extent = (struct extent){length, -1, 0};
    return true;
}

bool
disk_map(struct disk *disk, gint64 offset, struct extent *ret_extent, GError **error)
{
    g_assert(offset < disk->size);
    return disk->n_images ? map_images(disk, offset, ret_extent, error)
                          : map_raw(disk, offset, ret_extent, error);
}

/* ---- writing ---- */

static bool
empty_raw(struct disk *disk)
{
    struct stat status;

    if (fstat(DISK_FD, &status) < 0)
        return false;
    disk->sparse = S_ISREG(status.st_mode);
    return !disk->sparse || (ftruncate(DISK_FD, 0) == 0 && ftruncate(DISK_FD, disk->size) == 0);
}

static bool
empty_image(struct disk *disk, GError **error)
{
    const char *fault = NULL;

    disk->writer = qcow2_write_begin(DISK_FD, &fault);
    if (!disk->writer)
        return disk_faulty(error, fault);
    disk->sparse = true;
    disk->granule = qcow2_writer_cluster(disk->writer);
    return true;
}

bool
disk_begin(struct disk *disk, GError **error)
{
    bool raw = g_str_equal(disk->job->disk, "raw");

    if (disk->job->part && !raw)
        api_error_set(error, "NOT_IMPLEMENTED", "Content-Range", NULL);
    if (disk->job->part)
        return raw;
    if (!FAULT_POINT("stream.empty.before", error))
        return false;
    if (raw ? !empty_raw(disk) : !empty_image(disk, error))
        return raw ? disk_failed(error, "emptying") : false;
    return FAULT_POINT("stream.empty.after", error);
}

static bool
is_zero(const guint8 *bytes, gsize length)
{
    return !bytes[0] && memcmp(bytes, bytes + 1, length - 1) == 0;
}

static bool
put(struct disk *disk, gint64 offset, const guint8 *bytes, gsize length)
{
    return disk->writer ? qcow2_write(disk->writer, offset, bytes, length)
                        : pwrite_all(DISK_FD, bytes, length, offset);
}

bool
disk_write(struct disk *disk, gint64 offset, const void *bytes, gsize length, GError **error)
{
    const guint8 *from = bytes;
    gsize at = 0, begin = 0;

    g_assert(offset >= 0 && (gint64)length <= disk->size - offset);
    while (disk->sparse && at < length) {
        gsize in_granule = (gsize)((guint64)offset + at) % disk->granule;
        gsize n = MIN(disk->granule - in_granule, length - at);
        if (is_zero(from + at, n)) {
            if (at > begin && !put(disk, offset + (gint64)begin, from + begin, at - begin))
                return disk_failed(error, "writing");
            begin = at + n;
        }
        at += n;
    }
    return begin == length || put(disk, offset + (gint64)begin, from + begin, length - begin) ||
           disk_failed(error, "writing");
}

bool
disk_end(struct disk *disk, GError **error)
{
    if (!FAULT_POINT("stream.sync.before", error))
        return false;
    if ((disk->writer && !qcow2_write_end(disk->writer)) || fsync(DISK_FD) < 0)
        return disk_failed(error, "writing");
    return FAULT_POINT("stream.sync.after", error);
}
