/* What a client sends as a VHD, an image of QEMU or a VM with its disks, against arbitrary bytes:
 * whatever it says, only bytes of the disk are written, and as many are read as there are.  And an
 * image that is written into, which is one of ours. */
#include "config.h"

#include <gio/gio.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "xapid/stream/stream.h"
#include "xapid/stream/vhd.h"
#include "xapid/stream/vm.h"

#define DISK_BYTES ((gint64)64 << 20)
#define LOOKS_MAX 4096 /* runs of an image */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* ---- a client and a disk in memory, in place of client.c and disk.c ---- */

static const uint8_t *body;
static gsize body_length, body_at;

static bool
no(GError **error)
{
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_FAILED, "no");
    return false;
}

bool
client_read(struct client *client, void *buffer, gsize length, GError **error)
{
    if (length > body_length - body_at)
        return no(error);
    memcpy(buffer, body + body_at, length);
    body_at += length;
    client->left -= (gint64)length;
    return true;
}

bool
client_read_some(struct client *client, void *buffer, gsize length, gsize *ret_length,
                 GError **error)
{
    *ret_length = MIN(length, body_length - body_at); /* 0: the end */
    return client_read(client, buffer, *ret_length, error);
}

bool
client_skip(struct client *client, gint64 length, GError **error)
{
    if (length > (gint64)(body_length - body_at))
        return no(error);
    if (length > 0) {
        body_at += (gsize)length;
        client->left -= length;
    }
    return true;
}

bool
disk_begin(struct disk *disk, bool keep, GError **error)
{
    (void)disk;
    (void)keep;
    (void)error;
    return true;
}

bool
disk_write(struct disk *disk, gint64 offset, const void *bytes, gsize length, GError **error)
{
    static uint8_t disk_bytes[VHD_BLOCK_MAX];

    (void)error;
    g_assert(offset >= 0 && (gint64)length <= disk->size - offset);
    memcpy(disk_bytes, bytes, MIN(length, sizeof disk_bytes)); /* they are there */
    return true;
}

bool
disk_end(struct disk *disk, GError **error)
{
    (void)disk;
    (void)error;
    return true;
}

bool
import_failed(GError **error, const char *format, ...)
{
    g_assert(format);
    return no(error);
}

bool
import_fits(const struct disk *disk, guint64 size, GError **error)
{
    return size <= (guint64)disk->size || no(error);
}

bool
pread_all(int fd, void *buffer, gsize length, gint64 offset)
{
    gssize n = offset < 0 ? -1 : pread(fd, buffer, length, offset);

    if (n >= 0 && length > (gsize)n)
        memset((uint8_t *)buffer + n, 0, length - (gsize)n);
    return n >= 0;
}

bool
pwrite_all(int fd, const void *bytes, gsize length, gint64 offset)
{
    if (fd == RECORDS_FD)
        return bytes != NULL;
    return offset >= 0 && pwrite(fd, bytes, length, offset) == (gssize)length;
}

bool
client_open(struct client *client, const struct job *job, GError **error)
{
    (void)error;
    *client = (struct client){.import = job->import, .left = (gint64)body_length};
    return true;
}

void
client_tell(struct client *client, double fraction)
{
    (void)client;
    g_assert(fraction >= 0 && fraction <= 1);
}

void
disk_init(struct disk *disk, const struct job *job, const struct volume *volume, int fd)
{
    *disk = (struct disk){.job = job, .fd = fd, .size = volume->size};
}

void
disk_close(struct disk *disk)
{
    (void)disk;
}

bool
orders_read(struct vm_job *job, GError **error)
{
    static const struct volume volume = {.format = "raw", .size = DISK_BYTES};

    (void)error;
    job->disks[job->n_disks++] = (struct vm_disk){.name = "Ref:1", .volume = volume};
    job->disks[job->n_disks++] = (struct vm_disk){.name = "Ref:22", .volume = volume};
    return true;
}

/* ---- */

/* Headers with the sums that belong to them, of what begins as one that is understood. */
static void
sign_headers(uint8_t *bytes, gsize size)
{
    for (gsize at = 0; at + TAR_BLOCK <= size; at += TAR_BLOCK) {
        uint8_t *header = bytes + at, *sum_at = header + 148;
        unsigned sum = 8 * ' ';
        char digits[8];
        if (memcmp(header, "Ref:", 4) != 0 && memcmp(header, "ova", 3) != 0)
            continue;
        for (unsigned i = 0; i < TAR_BLOCK; i++)
            sum += header + i < sum_at || header + i >= sum_at + 8 ? header[i] : 0;
        snprintf(digits, sizeof digits, "%06o", sum);
        memcpy(sum_at, digits, sizeof digits);
    }
}

static void
try_vm(uint8_t *bytes, gsize size, bool forced)
{
    struct vm_job job = {.job = {.import = true, .length = (gint64)size}, .forced = forced};
    g_autoptr(GError) error = NULL;

    sign_headers(bytes, size);
    body = bytes;
    body_length = size;
    body_at = 0;
    g_assert(vm_import(&job, &error) == !error);
}

static void
try_vhd(uint8_t *bytes, gsize size)
{
    struct client client = {.import = true, .left = (gint64)size};
    struct disk disk = {.size = DISK_BYTES};
    g_autoptr(GError) error = NULL;

    /* Checksums that nobody guesses. */
    if (size >= VHD_FOOTER_BYTES) {
        vhd_footer_sign(bytes);
        vhd_footer_sign(bytes + size - VHD_FOOTER_BYTES);
    }
    if (size >= VHD_FOOTER_BYTES + VHD_HEADER_BYTES)
        vhd_header_sign(bytes + VHD_FOOTER_BYTES);
    body = bytes;
    body_length = size;
    body_at = 0;
    g_assert(vhd_import(&client, &disk, &error) == !error);
}

static void
try_qcow2(const uint8_t *bytes, gsize size)
{
    int fd = memfd_create("image", MFD_CLOEXEC);
    struct qcow2 image = {0};
    const char *fault = NULL;
    struct qcow2_run run;

    g_assert(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    if (qcow2_open(&image, fd, &fault)) {
        gsize cluster = (gsize)1 << image.header.cluster_bits;
        g_autofree guint8 *packed = g_malloc(cluster);
        gint64 offset = 0;
        for (unsigned i = 0; i < LOOKS_MAX && offset < (gint64)image.header.size; i++) {
            if (!qcow2_look(&image, offset, &run, &fault))
                break;
            g_assert(run.length > 0 && run.length <= (gint64)image.header.size - offset);
            if (run.kind == QCOW2_COMPRESSED) {
                g_assert(run.length <= (gint64)cluster);
                qcow2_inflate(&image, run.at, packed, &fault);
            }
            offset += run.length;
        }
        qcow2_close(&image);
    } else {
        g_assert(fault);
    }
    close(fd);
}

static bool
below(void *data, gint64 offset, guint8 *buffer, gsize length)
{
    (void)data;
    memset(buffer, (int)(offset >> 9), length);
    return true;
}

/* A little is written, at places that the image itself says. */
static void
try_write(const uint8_t *bytes, gsize size)
{
    static uint8_t more[3 * 65536];
    struct qcow2_header header;
    const char *fault = NULL;
    int fd = memfd_create("image", MFD_CLOEXEC);

    g_assert(fd >= 0 && write(fd, bytes, size) == (ssize_t)size);
    struct qcow2_writer *writer = qcow2_write_into(fd, below, NULL, &fault);
    if (writer && !qcow2_header_parse(bytes, size, &header)) {
        bool ok = true;
        for (gsize i = 0; ok && i + 8 <= size && i < 64; i += 8) {
            guint64 word = *(const guint64 *)(const void *)(bytes + i), length = word % sizeof more;
            guint64 offset = header.size ? (word >> 18) % header.size : 0;
            length = MIN(length, header.size - offset);
            if (length)
                ok = qcow2_write(writer, (gint64)offset, more, length);
            length =
                MIN(length, qcow2_writer_cluster(writer) - offset % qcow2_writer_cluster(writer));
            if (ok && length)
                ok = qcow2_write_zeros(writer, (gint64)offset, more, length);
        }
        if (ok)
            qcow2_write_end(writer);
    }
    qcow2_writer_free(writer);
    close(fd);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size < 2)
        return 0;
    g_autofree uint8_t *copy = g_memdup2(bytes + 1, size - 1); /* not one byte more is there */
    if (bytes[0] == 'v')
        try_vhd(copy, size - 1);
    else if (bytes[0] == 'x' || bytes[0] == 'X')
        try_vm(copy, size - 1, bytes[0] == 'X');
    else if (bytes[0] == 'w')
        try_write(copy, size - 1);
    else
        try_qcow2(copy, size - 1);
    return 0;
}
