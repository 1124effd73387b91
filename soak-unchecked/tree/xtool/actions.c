/* HTTP actions that are no calls: a body from the server, or to it. */
#include "config.h"

#include "xtool/server-internal.h"

#define PIECE_BYTES (1024 * 1024)
#define TELL_MS 250 /* how often who looks on is told */

bool
server_get(struct server *server, const char *path, GOutputStream *to, GError **error)
{
    return server_download(server, path, to, NULL, NULL, error);
}

bool
server_put(struct server *server, const char *path, GBytes *body, GError **error)
{
    g_autoptr(SoupMessage) request =
        server_request(server, SOUP_METHOD_PUT, path, "text/xml", body, error);
    g_autoptr(GInputStream) stream =
        request ? server_send(server, request, path, NULL, error) : NULL;

    return stream;
}

bool
server_download(struct server *server, const char *path, GOutputStream *to, server_moved_fn moved,
                void *data, GError **error)
{
    GError *cause = NULL;
    g_autoptr(SoupMessage) request =
        server_request(server, SOUP_METHOD_GET, path, NULL, NULL, error);
    g_autoptr(GInputStream) stream =
        request ? server_send(server, request, path, NULL, error) : NULL;
    g_autofree guint8 *buffer = g_malloc(PIECE_BYTES);
    goffset done = 0;
    gint64 told = 0;
    gssize n;

    if (!stream)
        return false;
    goffset whole =
        soup_message_headers_get_content_length(soup_message_get_response_headers(request));
    while (
        (n = g_input_stream_read(stream, buffer, PIECE_BYTES, server_interrupt(server), &cause)) >
            0 &&
        g_output_stream_write_all(to, buffer, (gsize)n, NULL, server_interrupt(server), &cause)) {
        gint64 now = g_get_monotonic_time();
        done += n;
        if (moved && now - told >= TELL_MS * 1000) {
            moved(done, whole, data);
            told = now;
        }
    }
    return !cause || server_answer(server, request, path, NULL, cause, error);
}

/* ---- a body from a file ---- */

struct upload {
    GInputStream *from;
    goffset length;
    server_moved_fn moved;
    void *data;
    GAsyncResult *sent;
};

static gboolean
tell(void *data)
{
    struct upload *upload = data;

    upload->moved(g_seekable_tell(G_SEEKABLE(upload->from)), upload->length, upload->data);
    return G_SOURCE_CONTINUE;
}

static void
on_sent(GObject *source, GAsyncResult *result, void *data)
{
    struct upload *upload = data;

    (void)source;
    upload->sent = g_object_ref(result);
}

bool
server_upload(struct server *server, const char *path, GFileInputStream *from, goffset length,
              server_moved_fn moved, void *data, GError **error)
{
    struct upload upload = {.from = G_INPUT_STREAM(from), length, moved, data, NULL};
    g_autoptr(SoupMessage) request =
        server_request(server, SOUP_METHOD_PUT, path, NULL, NULL, error);
    GError *cause = NULL;
    char end;

    if (!request)
        return false;
    soup_message_set_request_body(request, "application/octet-stream", upload.from, length);
    guint ticks = moved ? g_timeout_add(TELL_MS, tell, &upload) : 0;
    soup_session_send_async(server_http(server), request, G_PRIORITY_DEFAULT,
                            server_interrupt(server), on_sent, &upload);
    while (!upload.sent)
        g_main_context_iteration(NULL, TRUE);
    g_clear_handle_id(&ticks, g_source_remove);
    GInputStream *stream = soup_session_send_finish(server_http(server), upload.sent, &cause);
    g_object_unref(upload.sent);
    g_autoptr(GInputStream) answer = server_answer(server, request, path, stream, cause, error);
    if (!answer)
        return false;
    /* The server is done when it ends its answer, which says nothing. */
    cause = NULL;
    (void)g_input_stream_read(answer, &end, 1, server_interrupt(server), &cause);
    return !cause || server_answer(server, request, path, NULL, cause, error);
}
