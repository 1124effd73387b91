/* One request as its handler sees it, from dispatch to the reply. */
#include "config.h"

#include <string.h>

#include "lib/text.h"
#include "xapid/http/internal.h"

struct http_request *
request_new(struct connection *connection)
{
    struct http_server *server = connection->server;
    struct http_request *request = g_new0(struct http_request, 1);

    request->server = server;
    request->connection = connection;
    request->head = g_steal_pointer(&connection->head);
    request->transport = connection->transport;
    request->peer = g_strdup(connection->peer);
    request->local = g_strdup(connection->local);
    request->origin = g_strdup(connection->origin ? connection->origin : connection->peer);
    request->uid = connection->uid;
    request->body_charge = connection->body_length;
    request->body = g_bytes_new_take(g_steal_pointer(&connection->body), connection->body_length);
    connection->body_length = connection->body_capacity = 0;
    connection->request = request;
    server->stats.requests++;
    server->stats.requests_active++;
    g_hash_table_add(server->requests, request);
    return request;
}

void
request_free(struct http_request *request)
{
    if (request->server) {
        request->server->stats.body_bytes -= request->body_charge;
        g_hash_table_remove(request->server->requests, request);
    }
    if (request->next_free)
        request->next_free(request->next_data);
    head_free(request->head);
    g_bytes_unref(request->body);
    g_free(request->peer);
    g_free(request->local);
    g_free(request->origin);
    g_clear_pointer(&request->headers, g_hash_table_unref);
    g_clear_pointer(&request->cookies, g_hash_table_unref);
    g_free(request->content_type);
    g_clear_pointer(&request->reply_headers, g_array_unref);
    g_clear_pointer(&request->reply_body, g_bytes_unref);
    g_free(request);
}

void
request_gone(struct http_request *request)
{
    void (*gone)(void *) = request->gone;

    request->gone = NULL;
    if (gone)
        gone(request->gone_data);
}

const char *
http_request_method(const struct http_request *request)
{
    return request->head->method;
}

const char *
http_request_path(const struct http_request *request)
{
    return request->head->path;
}

const char *
http_request_query(const struct http_request *request, const char *key)
{
    return head_query(request->head, key);
}

/* The fields of that name as one value, as RFC 9110 reads them. */
static char *
combine_fields(const struct head *head, const char *name)
{
    GString *value = NULL;

    for (guint i = 0; i < head->fields->len; i++) {
        const struct head_field *field = &g_array_index(head->fields, struct head_field, i);

        if (g_ascii_strcasecmp(field->name, name) != 0)
            continue;
        if (!value)
            value = g_string_new(NULL);
        else
            g_string_append(value, g_ascii_strcasecmp(name, "Cookie") == 0 ? "; " : ", ");
        g_string_append(value, field->value);
    }
    return value ? g_string_free(value, FALSE) : NULL;
}

static const char *
remember(GHashTable **table, const char *name, char *(*find)(const struct head *, const char *),
         const struct head *head)
{
    gpointer value;

    if (!*table)
        *table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    if (!g_hash_table_lookup_extended(*table, name, NULL, &value)) {
        value = find(head, name);
        g_hash_table_insert(*table, g_strdup(name), value);
    }
    return value;
}

const char *
http_request_header(const struct http_request *request, const char *name)
{
    struct http_request *writable = (struct http_request *)request;

    return remember(&writable->headers, name, combine_fields, request->head);
}

const char *
http_request_cookie(const struct http_request *request, const char *name)
{
    struct http_request *writable = (struct http_request *)request;

    return remember(&writable->cookies, name, head_cookie, request->head);
}

bool
http_request_basic_auth(const struct http_request *request, char **ret_user, char **ret_password)
{
    const char *value = head_field(request->head, "Authorization");
    gsize length = 0;

    if (!value || g_ascii_strncasecmp(value, "Basic ", 6) != 0)
        return false;
    value += 6 + strspn(value + 6, " ");
    if (!*value || value[strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                       "0123456789+/=")])
        return false;
    g_autofree char *text = (char *)g_base64_decode(value, &length);
    char *colon = text ? memchr(text, ':', length) : NULL;
    if (!colon || !text_is_valid(text, (gssize)length))
        return false;
    *ret_user = g_strndup(text, (gsize)(colon - text));
    *ret_password = g_strndup(colon + 1, length - (gsize)(colon + 1 - text));
    return true;
}

GBytes *
http_request_body(const struct http_request *request)
{
    return request->body;
}

enum http_transport
http_request_transport(const struct http_request *request)
{
    return request->transport;
}

const char *
http_request_peer(const struct http_request *request)
{
    return request->peer;
}

const char *
http_request_local(const struct http_request *request)
{
    return g_strcmp0(request->local, request->peer) == 0 ? NULL : request->local;
}

const char *
http_request_origin(const struct http_request *request)
{
    return request->origin;
}

uid_t
http_request_peer_uid(const struct http_request *request)
{
    return request->uid;
}

void
http_request_on_gone(struct http_request *request, void (*gone)(void *data), void *data)
{
    request->gone = gone;
    request->gone_data = data;
    if (request->connection && request->connection->hung_up)
        door_queue(request->connection);
}

static void
pair_clear(gpointer data)
{
    struct head_pair *pair = data;

    g_free(pair->key);
    g_free(pair->value);
}

/* What comes from users must not end a header line. */
static char *
header_value(const char *value)
{
    char *copy = g_strdup(value);

    for (char *p = copy; *p; p++)
        if (((guchar)*p < 0x20 && *p != '\t') || *p == 0x7f)
            *p = ' ';
    return g_strstrip(copy);
}

void
http_reply_header(struct http_request *request, const char *name, const char *value)
{
    struct head_pair pair = {g_strdup(name), header_value(value)};

    if (!request->reply_headers) {
        request->reply_headers = g_array_new(FALSE, FALSE, sizeof(struct head_pair));
        g_array_set_clear_func(request->reply_headers, pair_clear);
    }
    g_array_append_val(request->reply_headers, pair);
}

static void
answer(struct http_request *request, unsigned status, const char *content_type)
{
    g_return_if_fail(!request->replied);
    request->replied = true;
    request->gone = NULL;
    request->status = status;
    request->content_type = content_type ? header_value(content_type) : NULL;
    if (request->server) {
        request->server->stats.requests_active--;
        request->server->stats.body_bytes -= request->body_charge;
    }
    request->body_charge = 0;
    g_bytes_unref(request->body);
    request->body = g_bytes_new(NULL, 0);
    if (request->connection)
        reply_start(request);
    else
        request_free(request);
}

void
http_reply(struct http_request *request, unsigned status, const char *content_type, GBytes *body)
{
    request->reply_body = body ? g_bytes_ref(body) : g_bytes_new(NULL, 0);
    answer(request, status, content_type);
}

void
http_reply_error(struct http_request *request, unsigned status, const char *text)
{
    g_autofree char *line = g_strdup_printf("%s\n", text ? text : reply_reason(status));
    g_autoptr(GBytes) body = g_bytes_new(line, strlen(line));

    http_reply(request, status, "text/plain", body);
}

void
http_reply_slices(struct http_request *request, unsigned status, const char *content_type,
                  http_slice_fn next, void *data, GDestroyNotify free_data)
{
    request->next = next;
    request->next_data = data;
    request->next_free = free_data;
    answer(request, status, content_type);
}

#define CONTINUE "HTTP/1.1 100 Continue\r\n\r\n"

bool
http_request_take(struct http_request *request, const char *head, struct http_taken *ret_taken)
{
    struct connection *connection = request->connection;
    bool there = connection;

    g_return_val_if_fail(!request->replied, false);
    if (there && request->head->expect_continue)
        connection_send(connection, CONTINUE, strlen(CONTINUE));
    if (there)
        connection_send(connection, head, strlen(head));
    /* Nothing but this was sent on it, so it fits, unless the client has gone. */
    there = there && connection->state != CONNECTION_CLOSED && !connection->out;
    if (there)
        connection_release(connection, ret_taken);
    else if (connection)
        connection_close(connection);
    if (request->server)
        request->server->stats.requests_active--;
    request->gone = NULL;
    request_free(request);
    return there;
}
