/* What an image names in its header.  The process that served a disk to a guest could write there,
 * and whoever opens the image next may believe it: so an image is opened only when it names what
 * its record says.  The format is that of QEMU's docs/interop/qcow2.txt. */
#include "config.h"

#include "storage-repos/file/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "storage-repos/common/folder.h"

#define MAGIC 0x514649fbu
#define EXTERNAL_DATA_FILE ((guint64)1 << 2) /* of the incompatible features */
#define EXTENSION_END 0u
#define EXTENSION_BASE_FORMAT 0xe2792acau

struct header {
    const char *bytes;
    gsize length;
};

/* A big-endian number; beyond what was read: 0. */
static guint64
number(const struct header *header, gsize at, gsize size)
{
    guint64 value = 0;

    if (at > header->length || size > header->length - at)
        return 0;
    for (gsize i = 0; i < size; i++)
        value = value << 8 | (guint8)header->bytes[at + i];
    return value;
}

static bool
is_text(const struct header *header, gsize at, gsize size, const char *text)
{
    return at <= header->length && size <= header->length - at && size == strlen(text) &&
           memcmp(header->bytes + at, text, size) == 0;
}

/* Does it say of the base, each time that it does, that it is of our format?  At least once when
 * there is a base, and never when there is none. */
static bool
says_format(const struct header *header, gsize at, gsize end, bool wanted)
{
    bool said = false;

    while (end - at >= 8) {
        guint64 kind = number(header, at, 4), size = number(header, at + 4, 4);
        at += 8;
        if (kind == EXTENSION_END)
            break;
        if (size > end - at)
            return false;
        if (kind == EXTENSION_BASE_FORMAT) {
            said = true;
            if (!is_text(header, at, size, "qcow2"))
                return false;
        }
        at += MIN((size + 7) / 8 * 8, end - at);
    }
    return said == wanted;
}

const char *
image_fault(const char *bytes, gsize length, const char *base)
{
    const struct header header = {bytes, MIN(length, IMAGE_HEADER_MAX)};
    guint64 version = number(&header, 4, 4), name_at = number(&header, 8, 8);
    guint64 extensions_at = version == 2 ? 72 : number(&header, 100, 4);
    guint64 end = name_at ? name_at : header.length;

    if (number(&header, 0, 4) != MAGIC || (version != 2 && version != 3))
        return "it is no qcow2 image";
    if (version == 3 && (number(&header, 72, 8) & EXTERNAL_DATA_FILE))
        return "it has its data in another file";
    if (base ? !is_text(&header, name_at, number(&header, 16, 4), base) : name_at != 0)
        return "it names another base than its record";
    if (extensions_at < 72 || extensions_at > end || end > header.length ||
        !says_format(&header, extensions_at, end, base != NULL))
        return "what it says of its base is not what its record says";
    return NULL;
}

bool
image_check(int folder, const char *name, const char *base, GError **error)
{
    g_autofree char *bytes = g_malloc(IMAGE_HEADER_MAX);
    int fd = folder_open_file(folder, name, O_RDONLY | O_NONBLOCK, 0);
    ssize_t r = fd < 0 ? -1 : pread(fd, bytes, IMAGE_HEADER_MAX, 0);
    const char *fault = r < 0 ? g_strerror(errno) : image_fault(bytes, (gsize)r, base);

    if (fd >= 0)
        close(fd);
    if (!fault)
        return true;
    driver_fail(error, FAILURE_VDI_LOAD, "%s: %s", name, fault);
    return false;
}
