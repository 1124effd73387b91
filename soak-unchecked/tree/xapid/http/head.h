/* A request head: the strict reader of the request line and the header fields, and all rules of
 * framing.  Nothing here touches a socket; tests/fuzz/fuzz-http.c feeds it. */
#ifndef XAPID_HTTP_HEAD_H
#define XAPID_HTTP_HEAD_H

#include <glib.h>
#include <stdbool.h>

#define HEAD_MAX_FIELDS 256 /* more: 431 */

struct head_field {
    const char *name;
    const char *value;
};

struct head {
    char *bytes;   /* a copy, cut into strings in place */
    char *path;    /* percent-decoded, valid UTF-8, starts with '/' (or is "*") */
    GArray *query; /* of struct head_pair, NULL without a query */
    const char *method;
    GArray *fields; /* of struct head_field */
    guint64 content_length;
    guint minor; /* HTTP/1.minor: 0 or 1 */
    bool keep_alive;
    bool expect_continue;
};

struct head_pair {
    char *key;
    char *value;
};

/* The length of the head in `bytes` with the blank line that ends it, or 0 when it is not all
 * there. *scan (0 at first) remembers what has been looked at.  Empty lines before the request line
 * belong to the head. */
gsize head_find_end(const guint8 *bytes, gsize length, gsize *scan);

/* Reads a whole head.  Returns 0 and *ret_head, or the HTTP status of the refusal (the framing of
 * the connection is then unknown: reply and close). */
unsigned head_parse(const guint8 *bytes, gsize length, struct head **ret_head);
void head_free(struct head *head);

/* The first field of that name (any case), or NULL. */
const char *head_field(const struct head *head, const char *name);
/* The value of `key` in the query; the first one counts. NULL when absent. */
const char *head_query(const struct head *head, const char *key);
/* The cookie of that name, decoded, from "a=b; c=d" or the old "a=b&c=d".  The caller frees. */
char *head_cookie(const struct head *head, const char *name);

/* uri.c: percent-decodes once ('+' as a space when `plus`).  NULL when an escape is malformed or
 * the result is not valid text. */
char *uri_decode(const char *text, gsize length, bool plus);
/* "a=b&c" to an array of struct head_pair; NULL when a part cannot be decoded. */
GArray *uri_decode_query(const char *query);

#endif
