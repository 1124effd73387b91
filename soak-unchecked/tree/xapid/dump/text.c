#include "config.h"

#include "xapid/dump/text.h"

#include <string.h>

#include "lib/text.h"
#include "xapid/dump/dump.h"

static guint
line_at(const char *text, const char *at)
{
    guint line = 1;

    for (const char *p = text; (p = memchr(p, '\n', (size_t)(at - p))); p++)
        line++;
    return line;
}

/* The first line that is no text. */
static guint
invalid_line(const char *text, const char *end)
{
    for (guint line = 1;; line++) {
        const char *next = memchr(text, '\n', (size_t)(end - text));
        if (!next || !text_is_valid(text, next - text))
            return line;
        text = next + 1;
    }
}

/* Whether the tag behind this '<' ends, after no more attributes than a row may have. */
static bool
tag_ends(const char *p, const char *end)
{
    guint n_quotes = 0;
    char quote = 0;

    for (; p < end && n_quotes <= 2 * DUMP_MAX_ATTRIBUTES; p++) {
        if ((*p == '"' || *p == '\'') && (!quote || quote == *p)) {
            quote = quote ? 0 : *p;
            n_quotes++;
        } else if (*p == '>' && !quote) {
            return true;
        }
    }
    return false;
}

const char *
dump_text_check(const char *text, gsize length, guint *ret_line)
{
    const char *end = text + length, *why = NULL;

    *ret_line = 1;
    if (length > DUMP_MAX)
        return "too many bytes";
    if (!text_is_valid(text, (gssize)length)) {
        *ret_line = invalid_line(text, end);
        return "not UTF-8, or characters beyond XML's";
    }
    for (const char *p = text; !why && (p = memchr(p, '<', (size_t)(end - p)));) {
        *ret_line = 0;
        const char *tag = p++;
        if (p < end && (*p == '!' || (*p == '?' && tag != text)))
            why = "no dump has comments, types or declarations inside";
        else if (!tag_ends(p, end))
            why = "a tag that does not end, or with too many attributes";
        if (why)
            *ret_line = line_at(text, tag);
    }
    return why;
}

guint
dump_text_line(const char *text, gsize length, guint n)
{
    const char *end = text + length;

    for (const char *p = text; (p = memchr(p, '<', (size_t)(end - p))); p++)
        if (p + 1 < end && p[1] != '/' && p[1] != '?' && --n == 0)
            return line_at(text, p);
    return 0;
}
