#include "config.h"

#include "lib/text.h"

#include <string.h>

/* https://www.w3.org/TR/xml/#charsets */
static bool
char_is_xml(gunichar c)
{
    return c == 0x9 || c == 0xa || c == 0xd || (c >= 0x20 && c <= 0xd7ff) ||
           (c >= 0xe000 && c <= 0xfffd) || (c >= 0x10000 && c <= 0x10ffff);
}

/* Returns the first byte that does not belong to a valid character, or end. */
static const char *
valid_prefix(const char *p, const char *end)
{
    while (p < end) {
        if ((unsigned char)*p < 0x80) {
            if (!char_is_xml((unsigned char)*p))
                return p;
            p++;
            continue;
        }
        gunichar c = g_utf8_get_char_validated(p, end - p);
        if (c == (gunichar)-1 || c == (gunichar)-2 || !char_is_xml(c))
            return p;
        p = g_utf8_next_char(p);
    }
    return end;
}

bool
text_is_valid(const char *bytes, gssize length)
{
    const char *end = bytes + (length < 0 ? strlen(bytes) : (size_t)length);

    return valid_prefix(bytes, end) == end;
}

char *
text_clean(const char *bytes, gssize length)
{
    const char *end = bytes + (length < 0 ? strlen(bytes) : (size_t)length);
    GString *out = g_string_sized_new((gsize)(end - bytes));

    while (bytes < end) {
        const char *stop = valid_prefix(bytes, end);
        g_string_append_len(out, bytes, stop - bytes);
        if (stop == end)
            break;
        g_string_append(out, "\xef\xbf\xbd");
        /* Skip a whole character that XML forbids, or one byte of what is not UTF-8. */
        gunichar c = g_utf8_get_char_validated(stop, end - stop);
        bytes = (c == (gunichar)-1 || c == (gunichar)-2) ? stop + 1 : g_utf8_next_char(stop);
    }
    return g_string_free(out, FALSE);
}
