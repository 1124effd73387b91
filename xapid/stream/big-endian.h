/* Numbers as headers of images have them: the highest byte first, of any size to 8 bytes. */
#ifndef XAPID_STREAM_BIG_ENDIAN_H
#define XAPID_STREAM_BIG_ENDIAN_H

#include <glib.h>

static inline guint64
big_endian_get(const guint8 *bytes, gsize at, unsigned size)
{
    guint64 value = 0;

    for (unsigned i = 0; i < size; i++)
        value = value << 8 | bytes[at + i];
    return value;
}

static inline void
big_endian_put(guint8 *bytes, gsize at, guint64 value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        bytes[at + i] = (guint8)(value >> 8 * (size - 1 - i));
}

#endif
