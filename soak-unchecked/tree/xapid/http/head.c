/* Reads a request head strictly: what could be understood in two ways is refused, so that no two
 * programs disagree about where a request ends.  Chunked request bodies are refused as XAPI does.
 */
#include "config.h"

#include "xapid/http/head.h"

#include <string.h>

#define METHOD_MAX 16
#define LENGTH_DIGITS_MAX 18 /* clients announce 1 PiB for "unknown" */

gsize
head_find_end(const guint8 *bytes, gsize length, gsize *scan)
{
    gsize start = 0;

    while (length - start >= 2 && bytes[start] == '\r' && bytes[start + 1] == '\n')
        start += 2;
    for (gsize i = MAX(*scan, start); i < length;) {
        const guint8 *end = memchr(bytes + i, '\n', length - i);

        if (!end) {
            *scan = length;
            return 0;
        }
        gsize at = (gsize)(end - bytes);
        /* A bare LF anywhere ends the wait as well: head_parse refuses it at once. */
        if (at == 0 || bytes[at - 1] != '\r')
            return at + 1;
        if (at >= start + 3 && bytes[at - 2] == '\n')
            return at + 1;
        i = at + 1;
    }
    *scan = length;
    return 0;
}

static bool
is_token(const char *text, gsize length)
{
    if (length == 0)
        return false;
    for (gsize i = 0; i < length; i++)
        if (!g_ascii_isalnum(text[i]) && (!text[i] || !strchr("!#$%&'*+-.^_`|~", text[i])))
            return false;
    return true;
}

/* Cuts the next CRLF line off; NULL when the line holds a bare CR, a bare LF or a NUL. */
static char *
next_line(char **at, char *end, gsize *ret_length)
{
    char *line = *at;
    char *lf = memchr(line, '\n', (gsize)(end - line));

    if (!lf || lf == line || lf[-1] != '\r')
        return NULL;
    gsize length = (gsize)(lf - line) - 1;
    if (memchr(line, '\r', length) || memchr(line, '\0', length))
        return NULL;
    line[length] = '\0';
    *at = lf + 1;
    *ret_length = length;
    return line;
}

/* "/path?query", "http://host/path?query" or "*" */
static unsigned
read_target(struct head *head, char *target)
{
    if (strcmp(target, "*") == 0 && strcmp(head->method, "OPTIONS") == 0) {
        head->path = g_strdup("*");
        return 0;
    }
    if (target[0] != '/') {
        char *authority = NULL;

        if (g_ascii_strncasecmp(target, "http://", 7) == 0)
            authority = target + 7;
        else if (g_ascii_strncasecmp(target, "https://", 8) == 0)
            authority = target + 8;
        if (!authority || strcspn(authority, "/?") == 0)
            return 400;
        target = authority + strcspn(authority, "/?");
    }
    if (strchr(target, '#'))
        return 400;

    char *query = strchr(target, '?');
    if (query) {
        *query++ = '\0';
        head->query = uri_decode_query(query);
        if (!head->query)
            return 400;
    }
    head->path = *target ? uri_decode(target, strlen(target), false) : g_strdup("/");
    if (!head->path)
        return 400;
    for (const char *p = head->path; (p = strstr(p, "/..")); p += 3)
        if (p[3] == '/' || p[3] == '\0')
            return 400;
    return 0;
}

static unsigned
read_request_line(struct head *head, char *line, gsize length)
{
    char *target = memchr(line, ' ', length);
    if (!target || target - line > METHOD_MAX || !is_token(line, (gsize)(target - line)))
        return 400;
    *target++ = '\0';
    head->method = line;

    char *version = strchr(target, ' ');
    if (!version || version == target)
        return 400;
    *version++ = '\0';
    for (const char *p = target; *p; p++)
        if ((guchar)*p < 0x20 || *p == 0x7f)
            return 400;
    if (strlen(version) != strlen("HTTP/1.1") || strncmp(version, "HTTP/", 5) != 0 ||
        !g_ascii_isdigit(version[5]) || version[6] != '.' || !g_ascii_isdigit(version[7]))
        return 400;
    if (version[5] != '1')
        return 505;
    head->minor = version[7] == '0' ? 0 : 1;
    return read_target(head, target);
}

static unsigned
read_field(struct head *head, char *line, gsize length)
{
    char *colon = memchr(line, ':', length);

    /* Also refuses folded lines and a blank before the colon: a token has no blanks. */
    if (!colon || !is_token(line, (gsize)(colon - line)))
        return 400;
    *colon = '\0';
    char *value = colon + 1 + strspn(colon + 1, " \t");
    for (char *end = line + length; end > value && (end[-1] == ' ' || end[-1] == '\t');)
        *--end = '\0';
    for (const char *p = value; *p; p++)
        if (((guchar)*p < 0x20 && *p != '\t') || *p == 0x7f)
            return 400;
    if (head->fields->len >= HEAD_MAX_FIELDS)
        return 431;
    struct head_field field = {line, value};
    g_array_append_val(head->fields, field);
    return 0;
}

static guint
field_count(const struct head *head, const char *name)
{
    guint count = 0;

    for (guint i = 0; i < head->fields->len; i++)
        count +=
            g_ascii_strcasecmp(g_array_index(head->fields, struct head_field, i).name, name) == 0;
    return count;
}

/* True when a comma-separated field holds that word. */
static bool
field_has_word(const struct head *head, const char *name, const char *word)
{
    for (guint i = 0; i < head->fields->len; i++) {
        const struct head_field *field = &g_array_index(head->fields, struct head_field, i);
        const char *p = field->value;

        if (g_ascii_strcasecmp(field->name, name) != 0)
            continue;
        while (*p) {
            p += strspn(p, ", \t");
            gsize length = strcspn(p, ", \t");
            if (length == strlen(word) && g_ascii_strncasecmp(p, word, length) == 0)
                return true;
            p += length;
        }
    }
    return false;
}

static unsigned
read_content_length(struct head *head)
{
    const char *text = head_field(head, "Content-Length");

    if (!text)
        return 0;
    gsize digits = strspn(text, "0123456789");
    if (digits == 0 || text[digits])
        return 400;
    if (digits > LENGTH_DIGITS_MAX)
        return 413;
    head->content_length = g_ascii_strtoull(text, NULL, 10);
    return 0;
}

/* Where the request ends, and whether another may follow. */
static unsigned
read_framing(struct head *head)
{
    static const char *const once[] = {"Content-Length", "Content-Type", "Host", "Authorization",
                                       "Expect"};

    for (gsize i = 0; i < G_N_ELEMENTS(once); i++)
        if (field_count(head, once[i]) > 1)
            return 400;
    if (head_field(head, "Transfer-Encoding"))
        return 400;
    if (head->minor >= 1 && !head_field(head, "Host"))
        return 400;
    unsigned status = read_content_length(head);
    if (status)
        return status;
    if (head->content_length > 0 && strcmp(head->method, "CONNECT") == 0)
        return 400;

    const char *expect = head_field(head, "Expect");
    if (expect && g_ascii_strcasecmp(expect, "100-continue") != 0)
        return 417;
    head->expect_continue = expect && head->minor >= 1;
    head->keep_alive = head->minor >= 1 && !field_has_word(head, "Connection", "close") &&
                       strcmp(head->method, "CONNECT") != 0;
    return 0;
}

unsigned
head_parse(const guint8 *bytes, gsize length, struct head **ret_head)
{
    struct head *head = g_new0(struct head, 1);
    unsigned status = 400;
    gsize line_length;
    char *line;

    head->bytes = g_memdup2(bytes, length);
    head->fields = g_array_new(FALSE, FALSE, sizeof(struct head_field));
    char *at = head->bytes, *end = head->bytes + length;
    while (end - at >= 2 && at[0] == '\r' && at[1] == '\n')
        at += 2;

    if (at == end || !(line = next_line(&at, end, &line_length)))
        goto refuse;
    if ((status = read_request_line(head, line, line_length)))
        goto refuse;
    for (;;) {
        status = 400;
        if (at == end || !(line = next_line(&at, end, &line_length)))
            goto refuse;
        if (line_length == 0)
            break;
        if ((status = read_field(head, line, line_length)))
            goto refuse;
    }
    if ((status = read_framing(head)))
        goto refuse;
    *ret_head = head;
    return 0;

refuse:
    head_free(head);
    return status;
}

void
head_free(struct head *head)
{
    if (!head)
        return;
    g_free(head->bytes);
    g_free(head->path);
    g_clear_pointer(&head->query, g_array_unref);
    g_array_unref(head->fields);
    g_free(head);
}

const char *
head_field(const struct head *head, const char *name)
{
    for (guint i = 0; i < head->fields->len; i++) {
        const struct head_field *field = &g_array_index(head->fields, struct head_field, i);

        if (g_ascii_strcasecmp(field->name, name) == 0)
            return field->value;
    }
    return NULL;
}

const char *
head_query(const struct head *head, const char *key)
{
    for (guint i = 0; head->query && i < head->query->len; i++) {
        const struct head_pair *pair = &g_array_index(head->query, struct head_pair, i);

        if (strcmp(pair->key, key) == 0)
            return pair->value;
    }
    return NULL;
}

char *
head_cookie(const struct head *head, const char *name)
{
    gsize name_length = strlen(name);

    for (guint i = 0; i < head->fields->len; i++) {
        const struct head_field *field = &g_array_index(head->fields, struct head_field, i);
        const char *p = field->value;

        if (g_ascii_strcasecmp(field->name, "Cookie") != 0)
            continue;
        while (*p) {
            p += strspn(p, ";& \t");
            gsize part = strcspn(p, ";&");
            if (part > name_length && memcmp(p, name, name_length) == 0 && p[name_length] == '=') {
                gsize length = part - name_length - 1;
                const char *value = p + name_length + 1;

                while (length && (value[length - 1] == ' ' || value[length - 1] == '\t'))
                    length--;
                return uri_decode(value, length, false);
            }
            p += part;
        }
    }
    return NULL;
}
