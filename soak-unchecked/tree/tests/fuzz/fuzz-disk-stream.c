/* What a client sends as a VHD or an image of QEMU, against arbitrary bytes: whatever it says, only
 * bytes of the disk are written, and as many are read as there are. */
#include "config.h"

#include <gio/gio.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "xapid/stream/stream.h"
#include "xapid/stream/vhd.h"

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
    *ret_length = MIN(length, body_length - body_at);
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
disk_begin(struct disk *disk, GError **error)
{
    (void)disk;
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

/* ---- */

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

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size < 2)
        return 0;
    g_autofree uint8_t *copy = g_memdup2(bytes + 1, size - 1); /* not one byte more is there */
    if (bytes[0] == 'v')
        try_vhd(copy, size - 1);
    else
        try_qcow2(copy, size - 1);
    return 0;
}
