#include "config.h"

#include "xapid/http/duplex.h"

#include <errno.h>
#include <glib-unix.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "xapid/http/tls.h"
#include "xapid/http/websocket.h"

#define PIECE_BYTES (64 * 1024)

/* A client whose network went away is noticed after two minutes. */
#define KEEPALIVE_IDLE_SECONDS 60
#define KEEPALIVE_INTERVAL_SECONDS 15
#define KEEPALIVE_PROBES 4

/* Bytes on their way from one side to the other. */
struct piece {
    guint8 bytes[PIECE_BYTES];
    gsize begin, end;
};

/* The thread's, until it has ended. */
struct duplex {
    struct tls_session *tls;
    struct websocket *websocket;
    int fd, inner;
    GBytes *ahead; /* what of it is left is the client's next bytes */
    gsize ahead_used;
    gint last_input; /* atomic: monotonic seconds */
    struct piece up, down;
    void (*ended)(void *data);
    void *data;
};

static gint
now_seconds(void)
{
    return (gint)(g_get_monotonic_time() / G_USEC_PER_SEC);
}

/* ---- the two sides: as recv and send, none of which blocks ---- */

static gssize
raw_recv(void *data, void *buffer, gsize size)
{
    struct duplex *duplex = data;
    gsize length;
    const guint8 *ahead = g_bytes_get_data(duplex->ahead, &length);

    if (duplex->ahead_used < length) {
        gsize n = MIN(size, length - duplex->ahead_used);
        memcpy(buffer, ahead + duplex->ahead_used, n);
        duplex->ahead_used += n;
        return (gssize)n;
    }
    return duplex->tls ? tls_session_recv(duplex->tls, buffer, size)
                       : recv(duplex->fd, buffer, size, 0);
}

static gssize
raw_send(void *data, const void *bytes, gsize length)
{
    struct duplex *duplex = data;

    return duplex->tls ? tls_session_send(duplex->tls, bytes, length)
                       : send(duplex->fd, bytes, length, MSG_NOSIGNAL);
}

static const struct websocket_io raw = {.recv = raw_recv, .send = raw_send};

static gssize
client_recv(struct duplex *duplex, void *buffer, gsize size)
{
    return duplex->websocket ? websocket_recv(duplex->websocket, buffer, size)
                             : raw_recv(duplex, buffer, size);
}

static gssize
client_send(struct duplex *duplex, const void *bytes, gsize length)
{
    return duplex->websocket ? websocket_send(duplex->websocket, bytes, length)
                             : raw_send(duplex, bytes, length);
}

static gssize
inner_recv(struct duplex *duplex, void *buffer, gsize size)
{
    return recv(duplex->inner, buffer, size, 0);
}

static gssize
inner_send(struct duplex *duplex, const void *bytes, gsize length)
{
    return send(duplex->inner, bytes, length, MSG_NOSIGNAL);
}

/* ---- the thread ---- */

enum pumped { NOTHING, MOVED, ENDED };

/* One read into an empty piece, or one write of what is in it. */
static enum pumped
pump(struct duplex *duplex, struct piece *piece,
     gssize (*from)(struct duplex *duplex, void *buffer, gsize size),
     gssize (*to)(struct duplex *duplex, const void *bytes, gsize length))
{
    bool empty = piece->begin == piece->end;
    gssize n = empty ? from(duplex, piece->bytes, sizeof piece->bytes)
                     : to(duplex, piece->bytes + piece->begin, piece->end - piece->begin);

    if (n < 0)
        return errno == EAGAIN ? NOTHING : errno == EINTR ? MOVED : ENDED;
    if (empty && n == 0)
        return ENDED;
    if (empty) {
        piece->begin = 0;
        piece->end = (gsize)n;
    } else {
        piece->begin += (gsize)n;
    }
    return MOVED;
}

static enum pumped
pump_up(struct duplex *duplex)
{
    bool empty = duplex->up.begin == duplex->up.end;
    enum pumped pumped = pump(duplex, &duplex->up, client_recv, inner_send);

    if (empty && pumped == MOVED)
        g_atomic_int_set(&duplex->last_input, now_seconds());
    return pumped;
}

static enum pumped
pump_down(struct duplex *duplex)
{
    if (duplex->websocket && websocket_wants_to_send(duplex->websocket) &&
        !websocket_flush(duplex->websocket))
        return errno == EAGAIN ? NOTHING : ENDED;
    return pump(duplex, &duplex->down, inner_recv, client_send);
}

/* Until either side can go on; false: the client has taken nothing for too long. */
static bool
wait_for_more(struct duplex *duplex)
{
    bool up = duplex->up.begin < duplex->up.end, down = duplex->down.begin < duplex->down.end;
    bool sends = down || (duplex->websocket && websocket_wants_to_send(duplex->websocket));
    struct pollfd fds[] = {
        {.fd = duplex->fd, .events = (short)((up ? POLLRDHUP : POLLIN) | (sends ? POLLOUT : 0))},
        /* Its end is of no interest before what came ahead of it has left. */
        {.fd = up || !down ? duplex->inner : -1,
         .events = (short)((down ? 0 : POLLIN) | (up ? POLLOUT : 0))},
    };
    int r;

    do
        r = poll(fds, G_N_ELEMENTS(fds), sends ? DUPLEX_STUCK_SECONDS * 1000 : -1);
    while (r < 0 && errno == EINTR);
    return r > 0 && !(up && (fds[0].revents & POLLRDHUP));
}

static void
duplex_free(struct duplex *duplex)
{
    tls_session_free(duplex->tls);
    websocket_free(duplex->websocket);
    close(duplex->fd);
    close(duplex->inner);
    g_bytes_unref(duplex->ahead);
    g_free(duplex);
}

static gboolean
has_ended(void *data)
{
    struct duplex *duplex = data;
    void (*ended)(void *data) = duplex->ended;
    void *its = duplex->data;

    duplex_free(duplex);
    ended(its);
    return G_SOURCE_REMOVE;
}

static void *
run(void *data)
{
    struct duplex *duplex = data;
    enum pumped up, down;

    do {
        up = pump_up(duplex);
        down = up == ENDED ? ENDED : pump_down(duplex);
    } while (up != ENDED && down != ENDED &&
             (up == MOVED || down == MOVED || wait_for_more(duplex)));
    if (duplex->websocket)
        websocket_bye(duplex->websocket);
    if (duplex->tls)
        tls_session_bye(duplex->tls);
    /* Whoever stops it now stops two sockets that are still there. */
    g_idle_add(has_ended, duplex);
    return NULL;
}

/* ---- its life ---- */

static void
keep_alive(int fd)
{
    static const struct {
        int level, name, value;
    } options[] = {{SOL_SOCKET, SO_KEEPALIVE, 1},
                   {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_SECONDS},
                   {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_SECONDS},
                   {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES}};

    /* A unix socket has none, and needs none. */
    for (gsize i = 0; i < G_N_ELEMENTS(options); i++)
        (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value,
                         sizeof options[i].value);
}

struct duplex *
duplex_start(struct http_taken *taken, bool websocket, int inner, void (*ended)(void *data),
             void *data)
{
    struct duplex *duplex = g_new0(struct duplex, 1);
    GThread *thread = NULL;

    duplex->tls = g_steal_pointer(&taken->tls);
    duplex->ahead = g_steal_pointer(&taken->ahead);
    duplex->fd = taken->fd;
    duplex->inner = inner;
    duplex->ended = ended;
    duplex->data = data;
    duplex->last_input = now_seconds();
    if (websocket)
        duplex->websocket = websocket_new(&raw, duplex);
    keep_alive(duplex->fd);
    if (g_unix_set_fd_nonblocking(inner, TRUE, NULL))
        thread = g_thread_try_new("console", run, duplex, NULL);
    if (thread) {
        g_thread_unref(thread);
        return duplex;
    }
    duplex_free(duplex);
    errno = EAGAIN;
    return NULL;
}

void
duplex_stop(struct duplex *duplex)
{
    shutdown(duplex->inner, SHUT_RDWR);
    shutdown(duplex->fd, SHUT_RD); /* the client is still told good-bye */
}

gint64
duplex_silent_seconds(const struct duplex *duplex)
{
    return now_seconds() - g_atomic_int_get(&duplex->last_input);
}
