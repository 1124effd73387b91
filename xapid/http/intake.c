/* What comes in on a connection: heads and bodies within their limits, pipelined bytes, the end. */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "xapid/http/internal.h"

#define READ_SIZE (16 * 1024)        /* of one read of a head */
#define TURN_READ_BYTES (256 * 1024) /* of a body, before others have their turn */
#define LINGER_BYTES (256 * 1024)    /* thrown away after a refusal, so that the client reads it */
#define LINGER_STREAM_BYTES                                                                        \
    (64 * 1024 * 1024)        /* the same, of a client that is in the middle of much */
#define BODY_FIRST_BYTES 1024 /* made for a body before any of it came: many wait so */

static gssize
socket_recv(struct connection *connection, void *buffer, gsize size)
{
    gssize n;

    do
        n = connection->tls ? tls_session_recv(connection->tls, buffer, size)
                            : recv(connection->fd, buffer, size, 0);
    while (n < 0 && errno == EINTR);
    return n;
}

static gsize
input_length(const struct connection *connection)
{
    return connection->in ? connection->in->len : 0;
}

static void
input_consume(struct connection *connection, gsize length)
{
    if (length == connection->in->len)
        g_clear_pointer(&connection->in, g_byte_array_unref);
    else
        g_byte_array_remove_range(connection->in, 0, (guint)length);
}

static void
dispatch(struct connection *connection)
{
    connection->state = CONNECTION_BUSY;
    server_dispatch(connection);
    if (connection->state == CONNECTION_BUSY && connection->hung_up)
        door_queue(connection);
}

/* Makes room for more of the body, as it comes and never as it was announced. */
static void
body_reserve(struct connection *connection)
{
    guint64 whole = connection->head->content_length;

    if (connection->body_length < connection->body_capacity)
        return;
    gsize wanted = MAX(connection->body_capacity * 2, BODY_FIRST_BYTES);
    connection->body_capacity = MIN(wanted, whole);
    connection->body = g_realloc(connection->body, connection->body_capacity);
}

static void
body_grew(struct connection *connection, gsize length)
{
    connection->body_length += length;
    connection->server->stats.body_bytes += length;
}

/* Unfinished bodies of others never keep the unix socket from being heard. */
static bool
bodies_full(const struct connection *connection)
{
    const struct http_server *server = connection->server;
    gsize most = server->limits.max_bodies_total;

    if (connection->transport == HTTP_UNIX)
        most += server->limits.max_body;
    return server->stats.body_bytes >= most;
}

static void
pump_body(struct connection *connection)
{
    gsize whole = connection->head->content_length;

    for (gsize turn = 0; connection->body_length < whole;) {
        gssize n;

        if (bodies_full(connection)) {
            connection_refuse(connection, 503);
            return;
        }
        body_reserve(connection);
        gsize room = connection->body_capacity - connection->body_length;
        if (connection->in) {
            n = (gssize)MIN(room, connection->in->len);
            memcpy(connection->body + connection->body_length, connection->in->data, (gsize)n);
            input_consume(connection, (gsize)n);
        } else if (turn >= TURN_READ_BYTES) {
            door_queue(connection);
            return;
        } else {
            n = socket_recv(connection, connection->body + connection->body_length, room);
        }
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            connection_close(connection);
            return;
        }
        turn += (gsize)n;
        connection->progress = g_get_monotonic_time();
        body_grew(connection, (gsize)n);
    }
    dispatch(connection);
}

static void
take_head(struct connection *connection, gsize length)
{
    unsigned status = head_parse(connection->in->data, length, &connection->head);

    input_consume(connection, length);
    connection->scan = 0;
    bool stream = !status && server_streams(connection->server, connection->head);
    if (!status && !stream &&
        connection->head->content_length > connection->server->limits.max_body)
        status = 413;
    if (status) {
        connection_refuse(connection, status);
        return;
    }
    if (stream) {
        connection->head->keep_alive = false;
        connection->drain_max = LINGER_STREAM_BYTES;
    }
    if (stream || connection->head->content_length == 0) {
        dispatch(connection);
        return;
    }
    connection->state = CONNECTION_BODY;
    connection->started = connection->progress = g_get_monotonic_time();
    if (connection->head->expect_continue && !connection->in)
        connection_send(connection, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    pump_body(connection);
}

static void
pump_head(struct connection *connection)
{
    gsize limit = connection->server->limits.max_header;
    guint8 buffer[READ_SIZE];

    if (connection->out)
        return;
    for (;;) {
        if (connection->in) {
            gsize length =
                head_find_end(connection->in->data, connection->in->len, &connection->scan);

            if (length > limit || (!length && connection->in->len > limit)) {
                connection_refuse(connection, 431);
                return;
            }
            if (length) {
                take_head(connection, length);
                return;
            }
        }
        if (connection->hung_up) {
            connection_close(connection);
            return;
        }
        gssize n = socket_recv(connection, buffer,
                               MIN(sizeof buffer, limit + 1 - input_length(connection)));
        if (n < 0 && errno == EAGAIN)
            return;
        if (n <= 0) {
            connection_close(connection);
            return;
        }
        connection->progress = g_get_monotonic_time();
        if (connection->idle && !connection->first)
            connection->started = connection->progress;
        connection->idle = false;
        if (!connection->in)
            connection->in = g_byte_array_new();
        g_byte_array_append(connection->in, buffer, (guint)n);
    }
}

/* Keeps what a pipelining client sends ahead, up to one head, and sees the end. */
static void
pump_busy(struct connection *connection)
{
    gsize limit = connection->server->limits.max_header;
    guint8 buffer[READ_SIZE];

    while (!connection->hung_up && input_length(connection) < limit) {
        gssize n =
            socket_recv(connection, buffer, MIN(sizeof buffer, limit - input_length(connection)));

        if (n < 0 && errno == EAGAIN)
            break;
        if (n <= 0) {
            connection_hang_up(connection);
            return;
        }
        if (!connection->in)
            connection->in = g_byte_array_new();
        g_byte_array_append(connection->in, buffer, (guint)n);
    }
    if (connection->hung_up)
        connection_hang_up(connection);
    else
        connection_interest(connection);
}

static void
pump_linger(struct connection *connection)
{
    guint8 buffer[READ_SIZE];

    while (connection->drained < MAX(connection->drain_max, LINGER_BYTES)) {
        gssize n = recv(connection->fd, buffer, sizeof buffer, 0);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n == 0 && connection->finish) { /* there is still something to write */
            connection->hung_up = true;
            connection_interest(connection);
            return;
        }
        if (n <= 0)
            break;
        connection->drained += (gsize)n;
    }
    connection_close(connection);
}

void
connection_turn(struct connection *connection)
{
    switch (connection->state) {
    case CONNECTION_HANDSHAKE:
        connection->progress = g_get_monotonic_time();
        door_handshake(connection);
        break;
    case CONNECTION_HEAD:
        pump_head(connection);
        break;
    case CONNECTION_BODY:
        pump_body(connection);
        break;
    case CONNECTION_BUSY:
        pump_busy(connection);
        break;
    case CONNECTION_LINGER:
        pump_linger(connection);
        break;
    case CONNECTION_CLOSED:
        break;
    }
}
