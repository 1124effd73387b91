#include "config.h"

#include "lib/tar.h"

#include <stdio.h>
#include <string.h>

/* Where a header has what. */
#define AT_MODE 100
#define AT_UID 108
#define AT_GID 116
#define AT_SIZE 124
#define SIZE_BYTES 12
#define AT_MTIME 136
#define AT_SUM 148
#define SUM_BYTES 8
#define AT_TYPE 156
#define AT_MAGIC 257
#define AT_PREFIX 345

static void
put(guint8 *header, unsigned at, const char *text)
{
    memcpy(header + at, text, strlen(text) + 1);
}

/* Of its bytes, with blanks where the sum itself is. */
static unsigned
sum_of(const guint8 *header)
{
    unsigned sum = 0;

    for (unsigned i = 0; i < TAR_BLOCK; i++)
        sum += i >= AT_SUM && i < AT_SUM + SUM_BYTES ? ' ' : header[i];
    return sum;
}

void
tar_header_write(guint8 *header, const char *name, gint64 length)
{
    char digits[16];

    g_assert(strlen(name) <= TAR_NAME_MAX && length >= 0 && length < (gint64)1 << 33);
    memset(header, 0, TAR_BLOCK);
    memcpy(header, name, strlen(name));
    put(header, AT_MODE, "0000644");
    put(header, AT_UID, "0000000");
    put(header, AT_GID, "0000000");
    snprintf(digits, sizeof digits, "%011" G_GINT64_MODIFIER "o", length);
    put(header, AT_SIZE, digits);
    put(header, AT_MTIME, "00000000000");
    header[AT_TYPE] = '0';
    memcpy(header + AT_MAGIC, "ustar\00000", 8);
    snprintf(digits, sizeof digits, "%06o", sum_of(header));
    put(header, AT_SUM, digits);
    header[AT_SUM + SUM_BYTES - 1] = ' ';
}

/* Octal digits between blanks, ended by a blank, a NUL or the end of the field. */
static bool
read_octal(const guint8 *from, unsigned n, gint64 *ret)
{
    unsigned i = 0;

    *ret = 0;
    while (i < n && from[i] == ' ')
        i++;
    if (i == n || from[i] < '0' || from[i] > '7')
        return false;
    for (; i < n && from[i] >= '0' && from[i] <= '7'; i++)
        *ret = *ret * 8 + (from[i] - '0');
    return i == n || from[i] == ' ' || from[i] == '\0';
}

static bool
is_all_zeros(const guint8 *header)
{
    for (unsigned i = 0; i < TAR_BLOCK; i++)
        if (header[i])
            return false;
    return true;
}

const char *
tar_header_read(const guint8 *header, struct tar_member *ret_member)
{
    gint64 sum;

    *ret_member = (struct tar_member){.end = is_all_zeros(header)};
    if (ret_member->end)
        return NULL;
    if (!read_octal(header + AT_SUM, SUM_BYTES, &sum) || sum != (gint64)sum_of(header))
        return "this is no tar: the checksum of a header is wrong";
    if (header[AT_TYPE] != '0' && header[AT_TYPE] != '\0')
        return "a member is no file";
    if (memcmp(header + AT_MAGIC, "ustar", 5) == 0 && header[AT_PREFIX])
        return "a member has too long a name";
    if (!read_octal(header + AT_SIZE, SIZE_BYTES, &ret_member->length))
        return "the size of a member is none, or too large";
    memcpy(ret_member->name, header, TAR_NAME_MAX);
    return NULL;
}

gsize
tar_padding(gint64 length)
{
    return (gsize)(-(guint64)length % TAR_BLOCK);
}
