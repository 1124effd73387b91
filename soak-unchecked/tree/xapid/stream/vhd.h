/* What a VHD says of itself: its footer, of which a dynamic one has a copy in front, and its
 * header.  Pure functions of bytes that anybody may have written. */
#ifndef XAPID_STREAM_VHD_H
#define XAPID_STREAM_VHD_H

#include <glib.h>
#include <stdbool.h>

#define VHD_SECTOR 512
#define VHD_FOOTER_BYTES 512
#define VHD_HEADER_BYTES 1024
#define VHD_BLOCK_BYTES ((guint64)2 << 20) /* of those that we write */
#define VHD_BLOCK_MIN ((guint64)4 << 10)
#define VHD_BLOCK_MAX ((guint64)32 << 20)
#define VHD_SIZE_MAX ((guint64)2040 << 30) /* bytes of a disk */
#define VHD_ENTRIES_MAX ((guint32)1 << 24)
#define VHD_NO_BLOCK 0xffffffffu

enum vhd_type { VHD_FIXED = 2, VHD_DYNAMIC = 3, VHD_DIFFERENCING = 4 };

struct vhd_footer {
    enum vhd_type type;
    guint64 size;      /* of the disk */
    guint64 header_at; /* of a dynamic one */
};

struct vhd_header {
    guint64 table_at;
    guint32 entries;
    guint64 block; /* bytes */
};

/* What is wrong, NULL: nothing. */
const char *vhd_footer_parse(const guint8 bytes[VHD_FOOTER_BYTES], struct vhd_footer *ret_footer);
const char *vhd_header_parse(const guint8 bytes[VHD_HEADER_BYTES], const struct vhd_footer *footer,
                             struct vhd_header *ret_header);
/* Does it begin as a footer does? */
bool vhd_is_footer(const guint8 *bytes);
/* Bytes of the bitmap in front of each block: whole sectors. */
guint64 vhd_bitmap_bytes(guint64 block);

/* A dynamic one's, which begins with its footer, header and table. */
void vhd_footer_write(guint8 bytes[VHD_FOOTER_BYTES], guint64 size);
/* Writes the checksum of what is there. */
void vhd_footer_sign(guint8 bytes[VHD_FOOTER_BYTES]);
void vhd_header_sign(guint8 bytes[VHD_HEADER_BYTES]);
void vhd_header_write(guint8 bytes[VHD_HEADER_BYTES], guint32 entries);

#endif
