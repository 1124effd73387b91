/* Percent-encoding of request targets, queries and cookies: decoded once, refused when malformed.
 */
#include "config.h"

#include "xapid/http/head.h"

#include <string.h>

#include "lib/text.h"

char *
uri_decode(const char *text, gsize length, bool plus)
{
    g_autofree char *out = g_malloc(length + 1);
    gsize used = 0;

    for (gsize i = 0; i < length; i++) {
        if (text[i] == '%') {
            if (length - i < 3 || !g_ascii_isxdigit(text[i + 1]) || !g_ascii_isxdigit(text[i + 2]))
                return NULL;
            out[used++] =
                (char)(g_ascii_xdigit_value(text[i + 1]) << 4 | g_ascii_xdigit_value(text[i + 2]));
            i += 2;
        } else {
            out[used++] = plus && text[i] == '+' ? ' ' : text[i];
        }
    }
    out[used] = '\0';
    if (!text_is_valid(out, (gssize)used))
        return NULL;
    return g_steal_pointer(&out);
}

static void
pair_clear(gpointer data)
{
    struct head_pair *pair = data;

    g_free(pair->key);
    g_free(pair->value);
}

GArray *
uri_decode_query(const char *query)
{
    g_autoptr(GArray) pairs = g_array_new(FALSE, FALSE, sizeof(struct head_pair));

    g_array_set_clear_func(pairs, pair_clear);
    while (*query) {
        gsize part = strcspn(query, "&");
        const char *equal = memchr(query, '=', part);
        gsize key = equal ? (gsize)(equal - query) : part;
        struct head_pair pair;

        if (part) {
            pair.key = uri_decode(query, key, true);
            pair.value = equal ? uri_decode(equal + 1, part - key - 1, true) : g_strdup("");
            g_array_append_val(pairs, pair);
            if (!pair.key || !pair.value)
                return NULL;
        }
        query += part;
        if (*query)
            query++;
    }
    return g_steal_pointer(&pairs);
}
