/* The door: accepts, caps, and gives each connection its turn.  All sockets of clients are in one
 * epoll set behind a single GSource; see internal.h. */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <malloc.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/error.h"
#include "xapid/http/internal.h"

#define EVENTS_PER_TURN 64
#define ACCEPTS_PER_TURN 64
#define HANDSHAKE_WORKERS 2
#define SWEEP_MILLISECONDS 250
#define MANY_CONNECTIONS 256 /* from so many on, their end is worth giving memory back */

struct listener {
    enum door_kind kind;
    int fd;
    enum http_transport transport;
    struct http_server *server;
};

static const guint32 not_watched = G_MAXUINT32;

void
door_watch(struct connection *connection, guint32 events)
{
    struct epoll_event event = {.events = events, .data.ptr = connection};

    if (connection->interest == events)
        return;
    if (epoll_ctl(connection->server->epoll_fd,
                  connection->interest == not_watched ? EPOLL_CTL_ADD : EPOLL_CTL_MOD,
                  connection->fd, &event) < 0)
        g_error("epoll_ctl: %s", g_strerror(errno));
    connection->interest = events;
}

static void
unwatch(struct connection *connection)
{
    if (connection->interest != not_watched)
        epoll_ctl(connection->server->epoll_fd, EPOLL_CTL_DEL, connection->fd, NULL);
    connection->interest = not_watched;
}

void
door_kick(struct http_server *server)
{
    g_source_set_ready_time(server->kick_source, 0);
}

void
door_queue(struct connection *connection)
{
    if (connection->queued || connection->state == CONNECTION_CLOSED)
        return;
    connection->queued = true;
    g_queue_push_tail_link(&connection->server->ready, &connection->ready_link);
    door_kick(connection->server);
}

void
door_forget(struct connection *connection)
{
    struct http_server *server = connection->server;

    unwatch(connection);
    if (connection->queued)
        g_queue_unlink(&server->ready, &connection->ready_link);
    connection->queued = false;
    g_queue_unlink(&server->connections, &connection->link);
    server->stats.connections--;
    if (connection->origin) {
        guint count = GPOINTER_TO_UINT(g_hash_table_lookup(server->origins, connection->origin));

        if (count > 1)
            g_hash_table_insert(server->origins, g_strdup(connection->origin),
                                GUINT_TO_POINTER(count - 1));
        else
            g_hash_table_remove(server->origins, connection->origin);
    }
    door_kick(server);
}

static void
handshake_step(gpointer data, gpointer user_data)
{
    struct connection *connection = data;
    struct http_server *server = user_data;

    connection->step = tls_session_handshake(connection->tls);
    g_async_queue_push(server->handshakes, connection);
    door_kick(server);
}

void
door_handshake(struct connection *connection)
{
    unwatch(connection);
    connection->in_worker = true;
    g_thread_pool_push(connection->server->workers, connection, NULL);
}

static void
free_closed(struct http_server *server)
{
    for (guint i = 0; i < server->closed->len; i++)
        connection_free(server->closed->pdata[i]);
    g_ptr_array_set_size(server->closed, 0);
}

/* Connections that have more to do without a new event; each once, so that others come between. */
static gboolean
on_kick(gpointer data)
{
    struct http_server *server = data;
    struct connection *connection;

    g_source_set_ready_time(server->kick_source, -1);
    while ((connection = g_async_queue_try_pop(server->handshakes))) {
        connection->in_worker = false;
        connection_handshaken(connection);
    }
    for (guint n = server->ready.length; n > 0 && server->ready.length > 0; n--) {
        connection = g_queue_pop_head_link(&server->ready)->data;
        connection->queued = false;
        connection_turn(connection);
    }
    if (server->ready.length > 0)
        door_kick(server);
    reply_streams_turn(server);
    free_closed(server);
    return G_SOURCE_CONTINUE;
}

/* Once most of many have gone, and no more are going, what they took goes back to the system. */
static void
give_back(struct http_server *server)
{
    guint now = server->connections.length;
    bool falling = now > 0 && now < server->swept_connections;

    server->swept_connections = now;
    if (server->most_connections < MANY_CONNECTIONS || now >= server->most_connections / 2 ||
        falling)
        return;
    malloc_trim(0);
    server->most_connections = now;
}

static gboolean
on_sweep(gpointer data)
{
    struct http_server *server = data;
    gint64 now = g_get_monotonic_time();

    for (GList *link = server->connections.head; link;) {
        struct connection *connection = link->data;

        link = link->next;
        connection_sweep(connection, now);
    }
    give_back(server);
    if (server->connections.length > 0)
        return G_SOURCE_CONTINUE;
    g_source_unref(g_steal_pointer(&server->sweep_source));
    return G_SOURCE_REMOVE;
}

/* An IPv4 address that the socket has as one of IPv6 is that. */
static char *
address_text(const struct sockaddr_storage *address)
{
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)address;
    char text[INET6_ADDRSTRLEN] = "";

    if (address->ss_family != AF_INET6)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)address)->sin_addr, text, sizeof text);
    else if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
        inet_ntop(AF_INET, in6->sin6_addr.s6_addr + 12, text, sizeof text);
    else
        inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof text);
    return g_strdup(text);
}

/* Who it is: the text for handlers, and what the cap per address counts (an IPv6 client owns a
 * /64).
 */
static void
name_peer(struct connection *connection, const struct sockaddr_storage *address)
{
    struct sockaddr_storage local = {.ss_family = AF_UNSPEC};
    socklen_t local_size = sizeof local;

    if (connection->transport == HTTP_UNIX) {
        struct ucred credentials = {.uid = (uid_t)-1};
        socklen_t size = sizeof credentials;

        getsockopt(connection->fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size);
        connection->uid = credentials.uid;
        connection->peer = g_strdup_printf("unix:uid=%u", (unsigned)credentials.uid);
        return;
    }
    connection->uid = (uid_t)-1;
    connection->peer = address_text(address);
    if (strchr(connection->peer, ':')) {
        struct sockaddr_storage net = *address;

        memset(((struct sockaddr_in6 *)&net)->sin6_addr.s6_addr + 8, 0, 8);
        connection->origin = address_text(&net);
    } else {
        connection->origin = g_strdup(connection->peer);
    }
    if (getsockname(connection->fd, (struct sockaddr *)&local, &local_size) == 0)
        connection->local = address_text(&local);
}

static void
turn_away(const struct listener *listener, int fd)
{
    static const char text[] = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\n"
                               "Content-Length: 0\r\nCache-Control: no-cache, no-store\r\n\r\n";

    listener->server->stats.refused++;
    if (listener->transport != HTTP_TLS && send(fd, text, sizeof text - 1, MSG_NOSIGNAL) > 0) {
        guint8 rest[4096];

        /* Unread bytes would turn the close into a reset, and the client may never see the 503. */
        shutdown(fd, SHUT_WR);
        if (recv(fd, rest, sizeof rest, 0) < 0)
            errno = 0;
    }
    close(fd);
}

/* Whoever fills the host from outside, root at its own console is let in. */
static bool
has_room(const struct connection *connection, guint of_origin)
{
    const struct http_limits *limits = &connection->server->limits;
    guint most = limits->max_connections;

    if (connection->transport == HTTP_UNIX)
        most += limits->reserved_connections;
    return connection->server->stats.connections < most &&
           of_origin < limits->max_connections_per_address;
}

static void
admit(struct listener *listener, int fd, const struct sockaddr_storage *address)
{
    struct http_server *server = listener->server;
    struct connection *connection = g_new0(struct connection, 1);
    guint count = 0;
    int on = 1;

    connection->kind = DOOR_CONNECTION;
    connection->server = server;
    connection->fd = fd;
    connection->transport = listener->transport;
    connection->interest = not_watched;
    connection->link.data = connection->ready_link.data = connection;
    name_peer(connection, address);
    if (connection->origin)
        count = GPOINTER_TO_UINT(g_hash_table_lookup(server->origins, connection->origin));
    if (!has_room(connection, count)) {
        turn_away(listener, fd);
        connection_free(connection);
        return;
    }
    if (connection->origin) {
        g_hash_table_insert(server->origins, g_strdup(connection->origin),
                            GUINT_TO_POINTER(count + 1));
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    if (connection->transport == HTTP_TLS)
        connection->tls = tls_session_new(server->tls, fd);
    g_queue_push_tail_link(&server->connections, &connection->link);
    server->most_connections = MAX(server->most_connections, server->connections.length);
    server->stats.connections++;
    if (!server->sweep_source) {
        server->sweep_source = g_timeout_source_new(SWEEP_MILLISECONDS);
        g_source_set_callback(server->sweep_source, on_sweep, server, NULL);
        g_source_attach(server->sweep_source, g_main_context_get_thread_default());
    }
    connection_start(connection);
}

static int
open_spare(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void
accept_some(struct listener *listener)
{
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        struct sockaddr_storage address = {0};
        socklen_t size = sizeof address;
        int fd =
            accept4(listener->fd, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            admit(listener, fd, &address);
        } else if ((errno == EMFILE || errno == ENFILE) && listener->server->spare_fd >= 0) {
            /* A socket left in the queue would wake the loop for ever: take it and turn it away. */
            close(listener->server->spare_fd);
            fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (fd >= 0)
                turn_away(listener, fd);
            listener->server->spare_fd = open_spare();
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

static gboolean
on_epoll(int fd, GIOCondition condition, gpointer data)
{
    struct http_server *server = data;
    struct epoll_event events[EVENTS_PER_TURN];
    int n = epoll_wait(fd, events, EVENTS_PER_TURN, 0);

    (void)condition;
    for (int i = 0; i < n; i++) {
        enum door_kind kind = *(enum door_kind *)events[i].data.ptr;

        if (kind == DOOR_LISTENER)
            accept_some(events[i].data.ptr);
        else
            connection_event(events[i].data.ptr, events[i].events);
    }
    /* Only here may they go: an event of this batch could still have named one. */
    free_closed(server);
    return G_SOURCE_CONTINUE;
}

static gboolean
dispatch_kick(GSource *source, GSourceFunc callback, gpointer data)
{
    (void)source;
    return callback(data);
}

static GSourceFuncs kick_functions = {.dispatch = dispatch_kick};

bool
door_open(struct http_server *server, GError **error)
{
    server->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    server->spare_fd = open_spare();
    if (server->epoll_fd < 0 || server->spare_fd < 0) {
        api_error_set(error, "INTERNAL_ERROR", "epoll", g_strerror(errno), NULL);
        return false;
    }
    server->epoll_source = g_unix_fd_source_new(server->epoll_fd, G_IO_IN);
    g_source_set_callback(server->epoll_source, G_SOURCE_FUNC(on_epoll), server, NULL);
    g_source_attach(server->epoll_source, g_main_context_get_thread_default());
    server->kick_source = g_source_new(&kick_functions, sizeof(GSource));
    g_source_set_callback(server->kick_source, on_kick, server, NULL);
    g_source_attach(server->kick_source, g_main_context_get_thread_default());
    server->listeners = g_ptr_array_new();
    server->closed = g_ptr_array_new();
    server->origins = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    server->handshakes = g_async_queue_new();
    server->workers = g_thread_pool_new(handshake_step, server, HANDSHAKE_WORKERS, FALSE, NULL);
    return true;
}

bool
http_server_listen(struct http_server *server, int fd, enum http_transport transport,
                   GError **error)
{
    struct listener *listener = g_new0(struct listener, 1);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = listener};

    *listener = (struct listener){DOOR_LISTENER, fd, transport, server};
    g_ptr_array_add(server->listeners, listener);
    if (transport == HTTP_TLS && !server->tls) {
        api_error_set(error, "INTERNAL_ERROR", "http_server_listen", "no certificate", NULL);
        return false;
    }
    if (!g_unix_set_fd_nonblocking(fd, TRUE, NULL) ||
        epoll_ctl(server->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        api_error_set(error, "INTERNAL_ERROR", "http_server_listen", g_strerror(errno), NULL);
        return false;
    }
    return true;
}

void
door_close(struct http_server *server)
{
    for (guint i = 0; i < server->listeners->len; i++) {
        struct listener *listener = server->listeners->pdata[i];

        close(listener->fd);
        g_free(listener);
    }
    g_ptr_array_unref(server->listeners);
    g_thread_pool_free(server->workers, TRUE, TRUE);
    while (server->connections.length > 0)
        connection_close(server->connections.head->data);
    free_closed(server);
    g_source_destroy(server->epoll_source);
    g_source_unref(server->epoll_source);
    g_source_destroy(server->kick_source);
    g_source_unref(server->kick_source);
    if (server->sweep_source) {
        g_source_destroy(server->sweep_source);
        g_source_unref(server->sweep_source);
    }
    g_async_queue_unref(server->handshakes);
    g_ptr_array_unref(server->closed);
    g_hash_table_unref(server->origins);
    close(server->epoll_fd);
    close(server->spare_fd);
}
