#include "config.h"

#include "xapid/http/range.h"

#include <string.h>

#define UNIT "bytes"

/* Digits, up to `end`. */
static bool
read_number(const char **text, gint64 *ret)
{
    const char *at = *text;
    gint64 value = 0;

    for (; g_ascii_isdigit(*at); at++) {
        if (value > (G_MAXINT64 / 4 - 9) / 10)
            return false;
        value = value * 10 + (*at - '0');
    }
    if (at == *text)
        return false;
    *text = at;
    *ret = value;
    return true;
}

enum range
range_asked(const char *field, gint64 size, gint64 *ret_offset, gint64 *ret_length)
{
    gint64 first = 0, last = size - 1;

    if (!field || !g_str_has_prefix(field, UNIT "="))
        return RANGE_NONE;
    field += strlen(UNIT "=");
    if (*field == '-') { /* so many at the end */
        gint64 n;
        field++;
        if (!read_number(&field, &n) || *field)
            return RANGE_NONE;
        if (n == 0)
            return RANGE_BEYOND;
        first = MAX(size - n, 0);
    } else {
        if (!read_number(&field, &first) || *field++ != '-')
            return RANGE_NONE;
        if (*field && (!read_number(&field, &last) || *field || last < first))
            return RANGE_NONE;
        last = MIN(last, size - 1);
    }
    if (first >= size)
        return RANGE_BEYOND;
    *ret_offset = first;
    *ret_length = last - first + 1;
    return RANGE_PART;
}

bool
range_given(const char *field, gint64 *ret_offset, gint64 *ret_length)
{
    gint64 first, last, size;

    if (!g_str_has_prefix(field, UNIT " "))
        return false;
    field += strlen(UNIT " ");
    if (!read_number(&field, &first) || *field++ != '-' || !read_number(&field, &last) ||
        *field++ != '/' || last < first)
        return false;
    if (!g_str_equal(field, "*") && (!read_number(&field, &size) || *field || last >= size))
        return false;
    *ret_offset = first;
    *ret_length = last - first + 1;
    return true;
}
