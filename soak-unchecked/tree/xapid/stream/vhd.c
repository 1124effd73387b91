/* Footer and header of a VHD, by Microsoft's "Virtual Hard Disk Image Format Specification". */
#include "config.h"

#include "xapid/stream/vhd.h"

#include <string.h>

#define FOOTER_COOKIE "conectix"
#define HEADER_COOKIE "cxsparse"
#define COOKIE_BYTES 8
#define VHD_VERSION 0x10000u
#define FOOTER_CHECKSUM_AT 64
#define HEADER_CHECKSUM_AT 36
#define HEADER_AT_MAX ((guint64)64 << 20) /* what may be before the header */
#define CHS_SECTORS_MAX ((guint64)65535 * 16 * 255)

static guint64
number(const guint8 *bytes, gsize at, unsigned size)
{
    guint64 value = 0;

    for (unsigned i = 0; i < size; i++)
        value = value << 8 | bytes[at + i];
    return value;
}

static void
put(guint8 *bytes, gsize at, guint64 value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        bytes[at + i] = (guint8)(value >> 8 * (size - 1 - i));
}

/* The complement of the sum of all bytes but its own. */
static guint32
checksum(const guint8 *bytes, gsize length, gsize own)
{
    guint32 sum = 0;

    for (gsize i = 0; i < length; i++)
        if (i < own || i >= own + 4)
            sum += bytes[i];
    return ~sum;
}

bool
vhd_is_footer(const guint8 *bytes)
{
    return memcmp(bytes, FOOTER_COOKIE, COOKIE_BYTES) == 0;
}

const char *
vhd_footer_parse(const guint8 bytes[VHD_FOOTER_BYTES], struct vhd_footer *ret_footer)
{
    guint64 type = number(bytes, 60, 4), size = number(bytes, 48, 8), at = number(bytes, 16, 8);

    if (!vhd_is_footer(bytes))
        return "it is no VHD";
    if (number(bytes, FOOTER_CHECKSUM_AT, 4) !=
        checksum(bytes, VHD_FOOTER_BYTES, FOOTER_CHECKSUM_AT))
        return "the checksum of its footer is wrong";
    if (type == VHD_DIFFERENCING)
        return "it is a difference to another VHD";
    if (type != VHD_FIXED && type != VHD_DYNAMIC)
        return "it is of an unknown type";
    if (size > VHD_SIZE_MAX || size % VHD_SECTOR)
        return "it says that it is too large, or not of whole sectors";
    if (type == VHD_DYNAMIC && (at < VHD_FOOTER_BYTES || at > HEADER_AT_MAX))
        return "its header is not in front";
    *ret_footer = (struct vhd_footer){(enum vhd_type)type, size, at};
    return NULL;
}

const char *
vhd_header_parse(const guint8 bytes[VHD_HEADER_BYTES], const struct vhd_footer *footer,
                 struct vhd_header *ret_header)
{
    struct vhd_header header = {number(bytes, 16, 8), (guint32)number(bytes, 28, 4),
                                number(bytes, 32, 4)};

    if (memcmp(bytes, HEADER_COOKIE, COOKIE_BYTES) != 0)
        return "it has no header";
    if (number(bytes, HEADER_CHECKSUM_AT, 4) !=
        checksum(bytes, VHD_HEADER_BYTES, HEADER_CHECKSUM_AT))
        return "the checksum of its header is wrong";
    if (header.block < VHD_BLOCK_MIN || header.block > VHD_BLOCK_MAX ||
        (header.block & (header.block - 1)))
        return "its blocks have a size that cannot be";
    if (header.entries > VHD_ENTRIES_MAX || header.entries * header.block < footer->size)
        return "its table has a length that cannot be";
    if (header.table_at < footer->header_at + VHD_HEADER_BYTES ||
        header.table_at > footer->header_at + HEADER_AT_MAX)
        return "its table is not behind its header";
    *ret_header = header;
    return NULL;
}

guint64
vhd_bitmap_bytes(guint64 block)
{
    guint64 bytes = block / VHD_SECTOR / 8;

    return (bytes + VHD_SECTOR - 1) / VHD_SECTOR * VHD_SECTOR;
}

/* The geometry that the specification makes of a size. */
static guint32
geometry(guint64 size)
{
    guint64 sectors = MIN(size / VHD_SECTOR, CHS_SECTORS_MAX), heads, per_track, rest;

    if (sectors >= (guint64)65535 * 16 * 63) {
        per_track = 255;
        heads = 16;
        rest = sectors / per_track;
    } else {
        per_track = 17;
        rest = sectors / per_track;
        heads = MAX((rest + 1023) / 1024, 4);
        if (rest >= heads * 1024 || heads > 16) {
            per_track = 31;
            heads = 16;
            rest = sectors / per_track;
        }
        if (rest >= heads * 1024) {
            per_track = 63;
            heads = 16;
            rest = sectors / per_track;
        }
    }
    return (guint32)(rest / heads << 16 | heads << 8 | per_track);
}

void
vhd_footer_sign(guint8 bytes[VHD_FOOTER_BYTES])
{
    put(bytes, FOOTER_CHECKSUM_AT, checksum(bytes, VHD_FOOTER_BYTES, FOOTER_CHECKSUM_AT), 4);
}

void
vhd_header_sign(guint8 bytes[VHD_HEADER_BYTES])
{
    put(bytes, HEADER_CHECKSUM_AT, checksum(bytes, VHD_HEADER_BYTES, HEADER_CHECKSUM_AT), 4);
}

void
vhd_footer_write(guint8 bytes[VHD_FOOTER_BYTES], guint64 size)
{
    memset(bytes, 0, VHD_FOOTER_BYTES);
    memcpy(bytes, FOOTER_COOKIE, COOKIE_BYTES);
    put(bytes, 8, 2, 4); /* a bit that is always there */
    put(bytes, 12, VHD_VERSION, 4);
    put(bytes, 16, VHD_FOOTER_BYTES, 8);
    memcpy(bytes + 28, "tap", 4); /* of whom QEMU knows that the size counts, not the geometry */
    put(bytes, 32, VHD_VERSION, 4);
    put(bytes, 40, size, 8);
    put(bytes, 48, size, 8);
    put(bytes, 56, geometry(size), 4);
    put(bytes, 60, VHD_DYNAMIC, 4);
    vhd_footer_sign(bytes);
}

void
vhd_header_write(guint8 bytes[VHD_HEADER_BYTES], guint32 entries)
{
    memset(bytes, 0, VHD_HEADER_BYTES);
    memcpy(bytes, HEADER_COOKIE, COOKIE_BYTES);
    put(bytes, 8, G_MAXUINT64, 8);
    put(bytes, 16, VHD_FOOTER_BYTES + VHD_HEADER_BYTES, 8);
    put(bytes, 24, VHD_VERSION, 4);
    put(bytes, 28, entries, 4);
    put(bytes, 32, VHD_BLOCK_BYTES, 4);
    vhd_header_sign(bytes);
}
