/* The output stream that libsoup writes a reply to: passes bytes to the connection without ever
 * blocking, and owns the request until libsoup closes it.
 *
 * libsoup has no listener here, so it closes the stream after one reply; that close is the end of
 * the reply, not of the connection. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "xapid/http/internal.h"

#define HOLD_BYTES 1024              /* smaller writes wait for company */
#define COALESCE_BYTES (16 * 1024)   /* what waited leaves in one piece with up to this */
#define TURN_WRITE_BYTES (64 * 1024) /* then others have their turn */

#define REPLY_TYPE_STREAM (reply_stream_get_type())

struct reply_stream {
    GOutputStream parent;
    struct http_request *request; /* its connection is NULL once the client has gone */
    GByteArray *held;             /* small writes wait for the next one: heads, chunk sizes */
    bool complete;
    gsize turn; /* bytes written in it */
    GSource *waiter;
    struct http_server *server;
    GList turn_link; /* in server->turns while `queued` */
    bool queued;
    GMutex lock;
    GByteArray *tail; /* under lock */
};

struct reply_stream_class {
    GOutputStreamClass parent;
};

typedef struct reply_stream ReplyStream;
typedef struct reply_stream_class ReplyStreamClass;

static void reply_stream_pollable_init(GPollableOutputStreamInterface *pollable);
GType reply_stream_get_type(void);

G_DEFINE_TYPE_WITH_CODE(ReplyStream, reply_stream, G_TYPE_OUTPUT_STREAM,
                        G_IMPLEMENT_INTERFACE(G_TYPE_POLLABLE_OUTPUT_STREAM,
                                              reply_stream_pollable_init))

/* libsoup ends a chunked body from a thread, with a call that may block: its few bytes are kept
 * aside and leave from the main loop at the close that follows. */
static gssize
reply_stream_write(GOutputStream *output, const void *buffer, gsize count,
                   GCancellable *cancellable, GError **error)
{
    struct reply_stream *stream = (struct reply_stream *)output;

    (void)cancellable;
    (void)error;
    g_mutex_lock(&stream->lock);
    if (!stream->tail)
        stream->tail = g_byte_array_new();
    g_byte_array_append(stream->tail, buffer, (guint)count);
    g_mutex_unlock(&stream->lock);
    return (gssize)count;
}

static gssize
would_block(GError **error)
{
    g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK, "the socket is full");
    return -1;
}

static gssize
reply_stream_write_nonblocking(GPollableOutputStream *pollable, const void *buffer, gsize count,
                               GError **error)
{
    struct reply_stream *stream = (struct reply_stream *)pollable;
    struct connection *connection = stream->request ? stream->request->connection : NULL;
    gssize n;

    if (!connection) {
        g_set_error_literal(error, G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED, "the client is gone");
        return -1;
    }
    if ((stream->held ? stream->held->len : 0) + count <= HOLD_BYTES) {
        if (!stream->held)
            stream->held = g_byte_array_new();
        g_byte_array_append(stream->held, buffer, (guint)count);
        return (gssize)count;
    }
    if (stream->turn >= TURN_WRITE_BYTES)
        return would_block(error);
    if (stream->held) {
        g_autoptr(GByteArray) held = g_steal_pointer(&stream->held);
        gsize room = held->len < COALESCE_BYTES ? COALESCE_BYTES - held->len : 0;

        n = (gssize)MIN(room, count);
        g_byte_array_append(held, buffer, (guint)n);
        connection_send(connection, held->data, held->len);
        stream->turn += held->len;
        if (n > 0)
            return n;
    }
    n = connection_write(connection, buffer, count);
    if (n >= 0) {
        stream->turn += (gsize)n;
        return n;
    }
    if (errno == EAGAIN)
        return would_block(error);
    g_set_error_literal(error, G_IO_ERROR, g_io_error_from_errno(errno), g_strerror(errno));
    return -1;
}

static gboolean
reply_stream_is_writable(GPollableOutputStream *pollable)
{
    struct reply_stream *stream = (struct reply_stream *)pollable;
    struct connection *connection = stream->request ? stream->request->connection : NULL;

    return !connection || !connection->blocked;
}

static gboolean
waiter_dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    (void)callback;
    (void)data;
    g_source_set_ready_time(source, -1);
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs waiter_functions = {.dispatch = waiter_dispatch};

static void
unqueue(struct reply_stream *stream)
{
    if (stream->queued)
        g_queue_unlink(&stream->server->turns, &stream->turn_link);
    stream->queued = false;
}

static void
drop_waiter(struct reply_stream *stream)
{
    unqueue(stream);
    if (stream->waiter)
        g_source_unref(g_steal_pointer(&stream->waiter));
}

static GSource *
reply_stream_create_source(GPollableOutputStream *pollable, GCancellable *cancellable)
{
    struct reply_stream *stream = (struct reply_stream *)pollable;
    GSource *source = g_pollable_source_new(G_OBJECT(pollable));
    GSource *waiter = g_source_new(&waiter_functions, sizeof(GSource));

    g_source_set_ready_time(waiter, -1);
    stream->turn = 0;
    drop_waiter(stream);
    stream->waiter = waiter;
    if (!stream->request || !stream->request->connection)
        reply_stream_orphan(stream);
    else if (reply_stream_is_writable(pollable))
        reply_stream_wake(stream);
    g_source_add_child_source(source, waiter);
    if (cancellable) {
        g_autoptr(GSource) cancelled = g_cancellable_source_new(cancellable);

        g_source_set_dummy_callback(cancelled);
        g_source_add_child_source(source, cancelled);
    }
    return source;
}

void
reply_stream_wake(struct reply_stream *stream)
{
    if (!stream->waiter || stream->queued)
        return;
    stream->queued = true;
    g_queue_push_tail_link(&stream->server->turns, &stream->turn_link);
    door_kick(stream->server);
}

void
reply_streams_turn(struct http_server *server)
{
    struct reply_stream *stream = g_queue_peek_head(&server->turns);

    if (!stream)
        return;
    unqueue(stream);
    g_source_set_ready_time(stream->waiter, 0);
    if (server->turns.length)
        door_kick(server);
}

void
reply_stream_orphan(struct reply_stream *stream)
{
    unqueue(stream);
    if (stream->waiter)
        g_source_set_ready_time(stream->waiter, 0);
}

void
reply_stream_complete(struct reply_stream *stream)
{
    stream->complete = true;
}

static gboolean
reply_stream_close(GOutputStream *output, GCancellable *cancellable, GError **error)
{
    struct reply_stream *stream = (struct reply_stream *)output;
    struct http_request *request = g_steal_pointer(&stream->request);
    struct connection *connection = request ? request->connection : NULL;

    (void)cancellable;
    (void)error;
    drop_waiter(stream);
    if (connection && stream->complete) {
        if (stream->held)
            connection_send(connection, stream->held->data, stream->held->len);
        g_mutex_lock(&stream->lock);
        if (stream->tail)
            connection_send(connection, stream->tail->data, stream->tail->len);
        g_mutex_unlock(&stream->lock);
    }
    if (connection && request->connection)
        connection_replied(connection, stream->complete);
    if (request)
        request_free(request);
    return TRUE;
}

static void
reply_stream_finalize(GObject *object)
{
    struct reply_stream *stream = (struct reply_stream *)object;

    drop_waiter(stream);
    g_clear_pointer(&stream->held, g_byte_array_unref);
    g_clear_pointer(&stream->tail, g_byte_array_unref);
    g_mutex_clear(&stream->lock);
    G_OBJECT_CLASS(reply_stream_parent_class)->finalize(object);
}

static void
reply_stream_class_init(ReplyStreamClass *class)
{
    G_OBJECT_CLASS(class)->finalize = reply_stream_finalize;
    G_OUTPUT_STREAM_CLASS(class)->write_fn = reply_stream_write;
    G_OUTPUT_STREAM_CLASS(class)->close_fn = reply_stream_close;
}

static void
reply_stream_pollable_init(GPollableOutputStreamInterface *pollable)
{
    pollable->is_writable = reply_stream_is_writable;
    pollable->create_source = reply_stream_create_source;
    pollable->write_nonblocking = reply_stream_write_nonblocking;
}

static void
reply_stream_init(ReplyStream *stream)
{
    g_mutex_init(&stream->lock);
}

GOutputStream *
reply_stream_new(struct http_request *request)
{
    struct reply_stream *stream = g_object_new(REPLY_TYPE_STREAM, NULL);

    stream->request = request;
    stream->server = request->server;
    stream->turn_link.data = stream;
    request->connection->reply = stream;
    return G_OUTPUT_STREAM(stream);
}
