/* Footer and header of a VHD, by Microsoft's "Virtual Hard Disk Image Format Specification". */
#include "config.h"

#include "xapid/stream/vhd.h"

#include <string.h>

#include "xapid/stream/big-endian.h"

#define FOOTER_COOKIE "conectix"
#define HEADER_COOKIE "cxsparse"
#define COOKIE_BYTES 8
#define VHD_VERSION 0x10000u
#define FOOTER_CHECKSUM_AT 64
#define HEADER_CHECKSUM_AT 36
#define HEADER_AT_MAX ((guint64)64 << 20) /* what may be before the header */
#define UUID_BYTES 16
#define CHS_SECTORS_MAX ((guint64)65535 * 16 * 255)

/* A valid one, of hexadecimal digits and dashes. */
static void
put_uuid(guint8 *bytes, gsize at, const char *uuid)
{
    for (unsigned i = 0; i < UUID_BYTES; i++, uuid += 2) {
        uuid += *uuid == '-';
        bytes[at + i] =
            (guint8)(g_ascii_xdigit_value(uuid[0]) << 4 | g_ascii_xdigit_value(uuid[1]));
    }
}

/* In UTF-16: a file that would be called by its uuid. */
static void
put_name(guint8 *bytes, gsize at, const char *uuid)
{
    g_autofree char *name = g_strconcat(uuid, ".vhd", NULL);

    for (gsize i = 0; name[i]; i++)
        big_endian_put(bytes, at + 2 * i, (guint8)name[i], 2);
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
    guint64 type = big_endian_get(bytes, 60, 4), size = big_endian_get(bytes, 48, 8),
            at = big_endian_get(bytes, 16, 8);

    if (!vhd_is_footer(bytes))
        return "it is no VHD";
    if (big_endian_get(bytes, FOOTER_CHECKSUM_AT, 4) !=
        checksum(bytes, VHD_FOOTER_BYTES, FOOTER_CHECKSUM_AT))
        return "the checksum of its footer is wrong";
    if (type != VHD_FIXED && type != VHD_DYNAMIC && type != VHD_DIFFERENCING)
        return "it is of an unknown type";
    if (size > VHD_SIZE_MAX || size % VHD_SECTOR)
        return "it says that it is too large, or not of whole sectors";
    if (type != VHD_FIXED && (at < VHD_FOOTER_BYTES || at > HEADER_AT_MAX))
        return "its header is not in front";
    *ret_footer = (struct vhd_footer){(enum vhd_type)type, size, at};
    return NULL;
}

const char *
vhd_header_parse(const guint8 bytes[VHD_HEADER_BYTES], const struct vhd_footer *footer,
                 struct vhd_header *ret_header)
{
    struct vhd_header header = {big_endian_get(bytes, 16, 8), (guint32)big_endian_get(bytes, 28, 4),
                                big_endian_get(bytes, 32, 4)};

    if (memcmp(bytes, HEADER_COOKIE, COOKIE_BYTES) != 0)
        return "it has no header";
    if (big_endian_get(bytes, HEADER_CHECKSUM_AT, 4) !=
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
    big_endian_put(bytes, FOOTER_CHECKSUM_AT, checksum(bytes, VHD_FOOTER_BYTES, FOOTER_CHECKSUM_AT),
                   4);
}

void
vhd_header_sign(guint8 bytes[VHD_HEADER_BYTES])
{
    big_endian_put(bytes, HEADER_CHECKSUM_AT, checksum(bytes, VHD_HEADER_BYTES, HEADER_CHECKSUM_AT),
                   4);
}

void
vhd_footer_write(guint8 bytes[VHD_FOOTER_BYTES], guint64 size, const char *uuid, bool difference)
{
    memset(bytes, 0, VHD_FOOTER_BYTES);
    memcpy(bytes, FOOTER_COOKIE, COOKIE_BYTES);
    big_endian_put(bytes, 8, 2, 4); /* a bit that is always there */
    big_endian_put(bytes, 12, VHD_VERSION, 4);
    big_endian_put(bytes, 16, VHD_FOOTER_BYTES, 8);
    memcpy(bytes + 28, "tap", 4); /* of whom QEMU knows that the size counts, not the geometry */
    big_endian_put(bytes, 32, VHD_VERSION, 4);
    big_endian_put(bytes, 40, size, 8);
    big_endian_put(bytes, 48, size, 8);
    big_endian_put(bytes, 56, geometry(size), 4);
    big_endian_put(bytes, 60, difference ? VHD_DIFFERENCING : VHD_DYNAMIC, 4);
    put_uuid(bytes, 68, uuid);
    vhd_footer_sign(bytes);
}

void
vhd_header_write(guint8 bytes[VHD_HEADER_BYTES], guint32 entries, const char *parent)
{
    memset(bytes, 0, VHD_HEADER_BYTES);
    memcpy(bytes, HEADER_COOKIE, COOKIE_BYTES);
    big_endian_put(bytes, 8, G_MAXUINT64, 8);
    big_endian_put(bytes, 16, VHD_FOOTER_BYTES + VHD_HEADER_BYTES, 8);
    big_endian_put(bytes, 24, VHD_VERSION, 4);
    big_endian_put(bytes, 28, entries, 4);
    big_endian_put(bytes, 32, VHD_BLOCK_BYTES, 4);
    if (parent) {
        put_uuid(bytes, 40, parent);
        put_name(bytes, 64, parent);
    }
    vhd_header_sign(bytes);
}
