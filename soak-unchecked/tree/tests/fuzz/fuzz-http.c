/* Feeds bytes to the reader of request heads and checks what it promises. */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "xapid/http/head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool holds)
{
    if (!holds)
        abort();
}

static void
check_head(const struct head *head)
{
    g_autofree char *cookie = head_cookie(head, "session_id");

    require(g_utf8_validate(head->path, -1, NULL));
    require(head->path[0] == '/' || strcmp(head->path, "*") == 0);
    require(!strstr(head->path, "/../"));
    require(!head_field(head, "Transfer-Encoding"));
    require(head->minor == 0 ? !head->keep_alive : head_field(head, "Host") != NULL);
    require(head->fields->len <= HEAD_MAX_FIELDS);
    require(!cookie || g_utf8_validate(cookie, -1, NULL));
    for (guint i = 0; i < head->fields->len; i++) {
        const struct head_field *field = &g_array_index(head->fields, struct head_field, i);

        require(!strpbrk(field->name, " \t\r\n:") && !strpbrk(field->value, "\r\n"));
    }
    for (guint i = 0; head->query && i < head->query->len; i++) {
        const struct head_pair *pair = &g_array_index(head->query, struct head_pair, i);

        require(g_utf8_validate(pair->key, -1, NULL) && g_utf8_validate(pair->value, -1, NULL));
        require(head_query(head, pair->key) != NULL);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    gsize scan = 0, whole_scan = 0, end = 0;
    gsize whole = head_find_end(data, size, &whole_scan);
    struct head *head = NULL;

    /* However the bytes are cut, the head ends at the same place. */
    for (gsize length = 0; length <= size && end == 0; length++) {
        g_autofree guint8 *part = g_memdup2(data, length ? length : 1);

        end = head_find_end(part, length, &scan);
    }
    require(end == whole && end <= size);

    gsize length = end ? end : size;
    if (length == 0)
        return 0;
    g_autofree guint8 *exact = g_memdup2(data, length);
    unsigned status = head_parse(exact, length, &head);
    require(status == 0 ? head != NULL : status >= 400 && status < 600);
    if (head)
        check_head(head);
    head_free(head);
    return 0;
}
