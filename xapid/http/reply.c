/* Replies, written by libsoup: status line, header fields, body or chunks, as the client's version
 * of HTTP wants them.
 *
 * libsoup enters only when a reply is ready.  It is given a canonical request (method and version,
 * nothing that a client wrote), so its reading side, which has no limits, never meets the network,
 * and a parked request costs no libsoup object. */
#include "config.h"

#include <string.h>

#include "xapid/http/internal.h"

const char *
reply_reason(unsigned status)
{
    switch (status) {
    case 413:
        return "Content Too Large";
    case 431:
        return "Request Header Fields Too Large";
    default:
        return soup_status_get_phrase(status);
    }
}

static void
on_wrote_body(SoupServerMessage *message, gpointer stream)
{
    (void)message;
    reply_stream_complete(stream);
}

/* Appends the next slice, or the end. */
static void
feed_slice(SoupServerMessage *message, struct http_request *request)
{
    SoupMessageBody *body = soup_server_message_get_response_body(message);
    GString *out = g_string_new(NULL);

    /* An empty chunk would end the body. */
    while (out->len == 0 && !request->next_ended)
        request->next_ended = !request->next(out, request->next_data);
    g_autoptr(GBytes) slice = g_string_free_to_bytes(out);
    if (g_bytes_get_size(slice) > 0)
        soup_message_body_append_bytes(body, slice);
    if (request->next_ended)
        soup_message_body_complete(body);
}

static void
on_wrote_chunk(SoupServerMessage *message, gpointer data)
{
    struct http_request *request = data;

    if (!request->next_ended)
        feed_slice(message, request);
}

static void
on_message(SoupServer *soup, SoupServerMessage *message, const char *path, GHashTable *query,
           gpointer data)
{
    struct http_server *server = data;
    struct http_request *request = g_steal_pointer(&server->replying);
    SoupMessageHeaders *headers = soup_server_message_get_response_headers(message);
    SoupMessageBody *body = soup_server_message_get_response_body(message);

    (void)soup;
    (void)path;
    (void)query;
    soup_server_message_set_status(message, request->status, reply_reason(request->status));
    if (request->content_type)
        soup_message_headers_replace(headers, "Content-Type", request->content_type);
    if (!request->head->keep_alive)
        soup_message_headers_replace(headers, "Connection", "close");
    for (guint i = 0; request->reply_headers && i < request->reply_headers->len; i++) {
        const struct head_pair *pair = &g_array_index(request->reply_headers, struct head_pair, i);

        soup_message_headers_append(headers, pair->key, pair->value);
    }
    if (!soup_message_headers_get_one(headers, "Cache-Control"))
        soup_message_headers_append(headers, "Cache-Control", "no-cache, no-store");
    g_signal_connect(message, "wrote-body", G_CALLBACK(on_wrote_body), request->connection->reply);
    if (!request->next) {
        soup_message_headers_set_encoding(
            headers, request->status == 304 ? SOUP_ENCODING_NONE : SOUP_ENCODING_CONTENT_LENGTH);
        if (g_bytes_get_size(request->reply_body) > 0)
            soup_message_body_append_bytes(body, request->reply_body);
        soup_message_body_complete(body);
        return;
    }
    soup_message_headers_set_encoding(headers, request->head->minor == 0 ? SOUP_ENCODING_EOF
                                                                         : SOUP_ENCODING_CHUNKED);
    soup_message_body_set_accumulate(body, FALSE);
    g_signal_connect(message, "wrote-chunk", G_CALLBACK(on_wrote_chunk), request);
    feed_slice(message, request);
}

SoupServer *
reply_engine_new(struct http_server *server)
{
    SoupServer *soup = soup_server_new(NULL, NULL);

    soup_server_add_handler(soup, NULL, on_message, server, NULL);
    return soup;
}

void
reply_start(struct http_request *request)
{
    struct http_server *server = request->server;
    const char *method = request->head->method;
    g_autoptr(GOutputStream) output = reply_stream_new(request);
    g_autoptr(GSocketAddress) nowhere = g_inet_socket_address_new_from_string("127.0.0.1", 0);
    g_autoptr(GError) error = NULL;

    /* libsoup refuses CONNECT; its replies look like those to GET. */
    if (strcmp(method, "HEAD") != 0)
        method = "GET";
    char *head =
        g_strdup_printf("%s / HTTP/1.%u\r\nHost: xapid\r\n\r\n", method,
                        strcmp(request->head->method, "CONNECT") == 0 ? 0 : request->head->minor);
    g_autoptr(GInputStream) input =
        g_memory_input_stream_new_from_data(head, (gssize)strlen(head), g_free);
    g_autoptr(GIOStream) stream = g_simple_io_stream_new(input, output);

    server->replying = request;
    soup_server_accept_iostream(server->soup, stream, nowhere, nowhere, &error);
    g_assert(!server->replying);
}
