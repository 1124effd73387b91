/* The disk: a file or a device that is raw, or an image with those below it. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "xapid/stream/stream.h"

#define GRANULE_BYTES 4096
#define BEHIND_BYTES ((gsize)8 << 20) /* then the disk begins to write them */

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

/* Itself, and those below it, whose descriptors begin with `first`. */
static bool
open_images(struct disk *disk, int first, unsigned bases, GError **error)
{
    const char *fault = NULL;

    for (unsigned i = 0; i <= bases; i++) {
        if (!qcow2_open(&disk->images[i], i == 0 ? disk->fd : first + (int)i - 1, &fault))
            return disk_faulty(error, fault);
        disk->n_images = i + 1;
        if (disk->images[i].header.has_base != (i < bases))
            return disk_faulty(error, "it stands on other images than is known");
    }
    return true;
}

static bool
is_raw(const struct volume *volume)
{
    return g_str_equal(volume->format, "raw");
}

void
disk_init(struct disk *disk, const struct job *job, const struct volume *volume, int fd)
{
    *disk = (struct disk){.job = job, .fd = fd, .size = volume->size, .raw = is_raw(volume)};
}

bool
disk_open(struct disk *disk, const struct job *job, GError **error)
{
    disk_init(disk, job, &job->disk, DISK_FD);
    return job->import || is_raw(&job->disk) || open_images(disk, MORE_FD, job->disk.bases, error);
}

bool
disk_open_at(struct disk *disk, const struct job *job, const struct volume *volume, int fd,
             GError **error)
{
    disk_init(disk, job, volume, fd);
    return is_raw(volume) || open_images(disk, fd + 1, volume->bases, error);
}

bool
disk_open_since(struct disk *disk, struct disk *since, GError **error)
{
    const struct job *job = disk->job;

    disk->since = since;
    return disk_open_at(since, job, &job->since, MORE_FD + (int)job->disk.bases, error);
}

void
disk_close(struct disk *disk)
{
    for (unsigned i = 0; i < disk->n_images; i++)
        qcow2_close(&disk->images[i]);
    qcow2_writer_free(disk->writer);
    if (disk->since)
        disk_close(disk->since);
}

/* ---- reading ---- */

static bool
map_raw(struct disk *disk, gint64 offset, struct extent *ret_extent, GError **error)
{
    off_t data = lseek(disk->fd, offset, SEEK_DATA);

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
    off_t hole = lseek(disk->fd, offset, SEEK_HOLE);
    gint64 end = hole > offset ? MIN(hole, disk->size) : disk->size;
    *ret_extent = (struct extent){end - offset, disk->fd, offset};
    return true;
}

/* Of the image with that number and those below it. */
static bool
map_images(struct disk *disk, unsigned first, gint64 offset, struct extent *ret_extent,
           GError **error)
{
    gint64 length = disk->size - offset;
    struct qcow2_run run;
    const char *fault = NULL;

    for (unsigned i = first; i < disk->n_images; i++) {
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
    return disk->n_images ? map_images(disk, 0, offset, ret_extent, error)
                          : map_raw(disk, offset, ret_extent, error);
}

/* ---- writing ---- */

/* What is below the image that is written, for the rest of a cluster of which a part is. */
static bool
read_below(void *data, gint64 offset, guint8 *buffer, gsize length)
{
    struct disk *disk = data;
    struct extent extent;

    memset(buffer, 0, length);
    for (gint64 end = MIN(offset + (gint64)length, disk->size), n; offset < end; offset += n) {
        if (!map_images(disk, 1, offset, &extent, NULL)) {
            errno = EIO;
            return false;
        }
        n = MIN(extent.length, end - offset);
        if (extent.fd >= 0 && !pread_all(extent.fd, buffer, (gsize)n, extent.at))
            return false;
        buffer += n;
    }
    return true;
}

/* A device tells no zeros from the rest. */
static bool
look_raw(struct disk *disk, gint64 *ret_size)
{
    struct stat status;

    if (fstat(disk->fd, &status) < 0)
        return false;
    disk->granule = S_ISREG(status.st_mode) ? GRANULE_BYTES : 0;
    *ret_size = disk->granule ? status.st_size : disk->size;
    return true;
}

/* One that died while it emptied the file left it too short. */
static bool
keep_raw(struct disk *disk)
{
    gint64 size;

    return look_raw(disk, &size) &&
           (size >= disk->size ||
            FAULT_AROUND("stream.lengthen", NULL, ftruncate(disk->fd, disk->size) == 0));
}

static bool
empty_raw(struct disk *disk)
{
    gint64 size;

    if (!look_raw(disk, &size))
        return false;
    disk->emptied = disk->granule > 0;
    return !disk->emptied ||
           (ftruncate(disk->fd, 0) == 0 && FAULT_POINT("stream.empty.cut", NULL) &&
            ftruncate(disk->fd, disk->size) == 0);
}

static bool
keep_image(struct disk *disk, GError **error)
{
    const char *fault = NULL;

    if (!open_images(disk, MORE_FD, disk->job->disk.bases, error))
        return false;
    disk->writer = qcow2_write_into(disk->fd, read_below, disk, &fault);
    if (!disk->writer)
        return disk_faulty(error, fault);
    disk->granule = qcow2_writer_cluster(disk->writer);
    return true;
}

static bool
empty_image(struct disk *disk, GError **error)
{
    const char *fault = NULL;

    disk->writer = qcow2_write_begin(disk->fd, &fault);
    if (!disk->writer)
        return disk_faulty(error, fault);
    disk->emptied = true;
    disk->granule = qcow2_writer_cluster(disk->writer);
    return true;
}

bool
disk_begin(struct disk *disk, bool keep, GError **error)
{
    bool raw = disk->raw;

    if (keep)
        return raw ? keep_raw(disk) || disk_failed(error, "writing") : keep_image(disk, error);
    if (!FAULT_POINT("stream.empty.before", error))
        return false;
    if (raw ? !empty_raw(disk) : !empty_image(disk, error))
        return raw ? disk_failed(error, "emptying") : false;
    return FAULT_POINT("stream.empty.after", error);
}

bool
is_zero(const guint8 *bytes, gsize length)
{
    return !bytes[0] && memcmp(bytes, bytes + 1, length - 1) == 0;
}

static bool
put(struct disk *disk, gint64 offset, const guint8 *bytes, gsize length)
{
    return disk->writer ? qcow2_write(disk->writer, offset, bytes, length)
                        : pwrite_all(disk->fd, bytes, length, offset);
}

/* What reads as zeros takes no more space than it did. */
static bool
put_zeros(struct disk *disk, gint64 offset, const guint8 *zeros, gsize length)
{
    if (disk->emptied)
        return true;
    if (disk->writer)
        return qcow2_write_zeros(disk->writer, offset, zeros, length);
    off_t data = lseek(disk->fd, offset, SEEK_DATA);
    return (data < 0 ? errno == ENXIO : data >= offset + (gint64)length) ||
           put(disk, offset, zeros, length);
}

bool
disk_write(struct disk *disk, gint64 offset, const void *bytes, gsize length, GError **error)
{
    const guint8 *from = bytes;
    gsize at = 0, begin = 0;

    g_assert(offset >= 0 && (gint64)length <= disk->size - offset);
    /* While more comes in, so that little is left for the end; which tells of failures. */
    disk->behind += length;
    if (disk->behind >= BEHIND_BYTES) {
        disk->behind = 0;
        (void)sync_file_range(disk->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    }
    while (disk->granule && at < length) {
        gsize in_granule = (gsize)((guint64)offset + at) % disk->granule;
        gsize n = MIN(disk->granule - in_granule, length - at);
        if (is_zero(from + at, n)) {
            if ((at > begin && !put(disk, offset + (gint64)begin, from + begin, at - begin)) ||
                !put_zeros(disk, offset + (gint64)at, from + at, n))
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
    if ((disk->writer && !qcow2_write_end(disk->writer)) || fsync(disk->fd) < 0)
        return disk_failed(error, "writing");
    return FAULT_POINT("stream.sync.after", error);
}
