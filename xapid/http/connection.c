/* One socket of the door: its states, what is written to it, its end and its time-outs.  What comes
 * in is intake.c's.  The handler runs in CONNECTION_BUSY. */
#include "config.h"

#include <errno.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "xapid/http/internal.h"

#define LINGER_SECONDS 2      /* for the client to read the end */
#define HALF_CLOSED_SECONDS 5 /* for a handler that was told, to reply all the same */

static gssize
socket_send(struct connection *connection, const void *bytes, gsize length)
{
    gssize n;

    do
        n = connection->tls ? tls_session_send(connection->tls, bytes, length)
                            : send(connection->fd, bytes, length, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n;
}

void
connection_interest(struct connection *connection)
{
    guint32 events = connection->blocked ? EPOLLOUT : 0;

    if (connection->state == CONNECTION_CLOSED)
        return;
    /* The next request waits until the replies before it have been taken. */
    if (!connection->hung_up && !(connection->state == CONNECTION_HEAD && connection->out)) {
        events |= EPOLLRDHUP;
        if (connection->state != CONNECTION_BUSY || !connection->in ||
            connection->in->len < connection->server->limits.max_header)
            events |= EPOLLIN;
    }
    door_watch(connection, events);
}

void
connection_start(struct connection *connection)
{
    connection->started = connection->progress = g_get_monotonic_time();
    connection->idle = connection->first = true;
    connection->state = connection->tls ? CONNECTION_HANDSHAKE : CONNECTION_HEAD;
    connection_interest(connection);
}

void
connection_close(struct connection *connection)
{
    struct http_request *request = g_steal_pointer(&connection->request);

    if (connection->state == CONNECTION_CLOSED)
        return;
    connection->state = CONNECTION_CLOSED;
    door_forget(connection);
    g_clear_pointer(&connection->tls, tls_session_free);
    close(connection->fd);
    connection->fd = -1;
    g_ptr_array_add(connection->server->closed, connection);
    if (!request)
        return;
    request->connection = NULL;
    if (connection->reply)
        reply_stream_orphan(g_steal_pointer(&connection->reply));
    else
        request_gone(request);
}

void
connection_release(struct connection *connection, struct http_taken *ret_taken)
{
    ret_taken->ahead = connection->in ? g_byte_array_free_to_bytes(g_steal_pointer(&connection->in))
                                      : g_bytes_new(NULL, 0);
    ret_taken->tls = g_steal_pointer(&connection->tls);
    connection->state = CONNECTION_CLOSED;
    door_forget(connection);
    ret_taken->fd = connection->fd;
    connection->fd = -1;
    connection->request = NULL;
    g_ptr_array_add(connection->server->closed, connection);
}

static void
connection_drop_body(struct connection *connection)
{
    connection->server->stats.body_bytes -= connection->body_length;
    connection->body_length = connection->body_capacity = 0;
    g_clear_pointer(&connection->body, g_free);
}

void
connection_free(struct connection *connection)
{
    g_clear_pointer(&connection->in, g_byte_array_unref);
    g_clear_pointer(&connection->out, g_byte_array_unref);
    g_clear_pointer(&connection->head, head_free);
    connection_drop_body(connection);
    g_free(connection->peer);
    g_free(connection->local);
    g_free(connection->origin);
    g_free(connection);
}

/* Nothing more to say: lets the client read the end before the socket goes. */
static void
say_goodbye(struct connection *connection)
{
    connection->finish = false;
    connection->started = g_get_monotonic_time();
    if (connection->tls)
        tls_session_bye(connection->tls);
    if (shutdown(connection->fd, SHUT_WR) < 0 || connection->hung_up)
        connection_close(connection);
}

static void
linger(struct connection *connection)
{
    connection->state = CONNECTION_LINGER;
    g_clear_pointer(&connection->in, g_byte_array_unref);
    connection_drop_body(connection);
    connection->finish = true;
    if (!connection->out)
        say_goodbye(connection);
    connection_interest(connection);
}

void
connection_refuse(struct connection *connection, unsigned status)
{
    const char *reason = reply_reason(status);
    g_autofree char *text = g_strdup_printf("HTTP/1.1 %u %s\r\nContent-Type: text/plain\r\n"
                                            "Content-Length: %zu\r\nConnection: close\r\n"
                                            "Cache-Control: no-cache, no-store\r\n\r\n%s\n",
                                            status, reason, strlen(reason) + 1, reason);

    connection->server->stats.refused++;
    connection_send(connection, text, strlen(text));
    if (connection->state != CONNECTION_CLOSED)
        linger(connection);
}

/* False when bytes are left. */
static bool
flush_output(struct connection *connection)
{
    while (connection->out) {
        gssize n = socket_send(connection, connection->out->data, connection->out->len);

        if (n < 0) {
            if (errno == EAGAIN && !connection->blocked) {
                connection->blocked = true;
                connection->progress = g_get_monotonic_time();
                connection_interest(connection);
            }
            return false;
        }
        if ((gsize)n == connection->out->len)
            g_clear_pointer(&connection->out, g_byte_array_unref);
        else
            g_byte_array_remove_range(connection->out, 0, (guint)n);
    }
    return true;
}

gssize
connection_write(struct connection *connection, const void *bytes, gsize length)
{
    gssize n;

    if (connection->state == CONNECTION_CLOSED) {
        errno = EPIPE;
        return -1;
    }
    if (!flush_output(connection))
        return -1;
    n = socket_send(connection, bytes, length);
    if (n < 0 && errno == EAGAIN && !connection->blocked) {
        connection->blocked = true;
        connection->progress = g_get_monotonic_time();
        connection_interest(connection);
        errno = EAGAIN;
    }
    return n;
}

void
connection_send(struct connection *connection, const void *bytes, gsize length)
{
    if (connection->state == CONNECTION_CLOSED)
        return;
    if (!connection->out)
        connection->out = g_byte_array_new();
    g_byte_array_append(connection->out, bytes, (guint)length);
    if (!flush_output(connection) && errno != EAGAIN) {
        g_clear_pointer(&connection->out, g_byte_array_unref);
        connection->hung_up = true;
    }
}

/* For bytes that have been read before and that epoll will not tell of. */
static void
queue_input(struct connection *connection)
{
    if (connection->in || (connection->tls && tls_session_pending(connection->tls)))
        door_queue(connection);
}

void
connection_replied(struct connection *connection, bool complete)
{
    bool keep_alive = connection->request->head->keep_alive;

    connection->request = NULL;
    connection->reply = NULL;
    if (!complete) {
        connection_close(connection);
        return;
    }
    if (!keep_alive || (connection->hung_up && !connection->in)) {
        linger(connection);
        return;
    }
    connection->state = CONNECTION_HEAD;
    connection->left = false;
    connection->started = connection->progress = g_get_monotonic_time();
    connection->idle = !connection->in;
    connection->first = false;
    connection->scan = 0;
    connection_interest(connection);
    queue_input(connection);
}

/* The end of what the client sends is, nearly always, that it has gone; but one that only closed
 * its half still gets its reply, if that is not long in coming. */
void
connection_hang_up(struct connection *connection)
{
    connection->hung_up = true;
    if (connection->state != CONNECTION_BUSY) {
        connection_close(connection);
        return;
    }
    connection_interest(connection);
    if (connection->reply || !connection->request->gone)
        return;
    connection->left = true;
    connection->started = g_get_monotonic_time();
    request_gone(connection->request);
}

void
connection_handshaken(struct connection *connection)
{
    switch (connection->step) {
    case TLS_DONE:
        connection->state = CONNECTION_HEAD;
        connection->blocked = false;
        connection_interest(connection);
        connection_turn(connection);
        break;
    case TLS_WANT_READ:
    case TLS_WANT_WRITE:
        connection->blocked = connection->step == TLS_WANT_WRITE;
        connection_interest(connection);
        break;
    case TLS_FAILED:
        connection->server->stats.refused++;
        connection_close(connection);
        break;
    }
}

static void
drained(struct connection *connection)
{
    connection->blocked = false;
    connection->progress = g_get_monotonic_time();
    if (!flush_output(connection)) {
        if (!connection->blocked)
            connection_close(connection);
        return;
    }
    connection_interest(connection);
    if (connection->finish)
        say_goodbye(connection);
    else if (connection->reply)
        reply_stream_wake(connection->reply);
    else
        queue_input(connection);
}

void
connection_event(struct connection *connection, guint32 events)
{
    if (connection->state == CONNECTION_CLOSED || connection->in_worker)
        return;
    if (events & (EPOLLHUP | EPOLLERR)) {
        if (connection->state == CONNECTION_BUSY)
            connection_hang_up(connection);
        connection_close(connection);
        return;
    }
    if ((events & EPOLLOUT) && connection->state == CONNECTION_HANDSHAKE)
        events |= EPOLLIN;
    else if (events & EPOLLOUT)
        drained(connection);
    if ((events & EPOLLRDHUP) && !(events & EPOLLIN) && connection->state == CONNECTION_BUSY)
        connection_hang_up(connection);
    else if (events & (EPOLLIN | EPOLLRDHUP))
        connection_turn(connection);
}

static bool
passed(gint64 now, gint64 since, guint64 seconds)
{
    return now - since > (gint64)seconds * G_TIME_SPAN_SECOND;
}

/* Epoll tells of room only when a third of the socket's buffer is free: a slow reader can take long
 * for that. */
static void
note_taken(struct connection *connection, gint64 now)
{
    int unsent = 0;

    if (ioctl(connection->fd, SIOCOUTQ, &unsent) < 0 || unsent == connection->unsent)
        return;
    connection->unsent = unsent;
    connection->progress = now;
}

void
connection_sweep(struct connection *connection, gint64 now)
{
    const struct http_limits *limits = &connection->server->limits;
    bool late = false;

    if (connection->in_worker)
        return;
    if (connection->state == CONNECTION_LINGER && !connection->finish) {
        if (passed(now, connection->started, LINGER_SECONDS))
            connection_close(connection);
        return;
    }
    if (connection->blocked && connection->state != CONNECTION_HANDSHAKE) {
        note_taken(connection, now);
        if (passed(now, connection->progress, limits->reply_write_seconds))
            connection_close(connection);
        return;
    }
    switch (connection->state) {
    case CONNECTION_HANDSHAKE:
    case CONNECTION_HEAD:
        if (connection->idle && !connection->first) {
            if (passed(now, connection->progress, limits->keep_alive_seconds))
                connection_close(connection);
            return;
        }
        late = passed(now, connection->progress, limits->header_read_seconds) ||
               passed(now, connection->started, limits->header_total_seconds);
        /* A connection that has said nothing yet is owed no reply. */
        if (late && (connection->idle || connection->state == CONNECTION_HANDSHAKE)) {
            connection->server->stats.refused++;
            connection_close(connection);
            return;
        }
        break;
    case CONNECTION_BODY:
        late = passed(now, connection->progress, limits->body_read_seconds) ||
               passed(now, connection->started,
                      limits->body_read_seconds +
                          connection->head->content_length / MAX(limits->body_min_rate, 1));
        break;
    case CONNECTION_BUSY:
        if (connection->left && !connection->reply &&
            passed(now, connection->started, HALF_CLOSED_SECONDS))
            connection_close(connection);
        return;
    default:
        break;
    }
    if (late)
        connection_refuse(connection, 408);
}
