#include "config.h"

#include "xapid/http/relay.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "xapid/http/tls.h"

#define PIECE_BYTES (256 * 1024)

/* The thread's, until it has ended. */
struct relay {
    struct tls_session *tls;
    int fd, inner;
    bool upload;
    bool passed; /* the thread has ended */
    bool ended;  /* relay_end () was called */
    bool well;
};

static bool
wait_for(struct relay *relay, short of_client, short of_inner)
{
    struct pollfd fds[] = {{.fd = relay->fd, .events = of_client},
                           {.fd = relay->inner, .events = of_inner}};
    int r;

    do
        r = poll(fds, of_inner ? 2 : 1, RELAY_SILENT_SECONDS * 1000);
    while (r < 0 && errno == EINTR);
    /* The other side of an upload sends nothing: it has gone. */
    return r > 0 && !(of_inner && fds[1].revents);
}

static bool
to_inner(const struct relay *relay, const guint8 *bytes, gssize length)
{
    while (length > 0) {
        gssize n = send(relay->inner, bytes, (gsize)length, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        bytes += n;
        length -= n;
    }
    return true;
}

static void
pass_up(struct relay *relay, guint8 *buffer)
{
    gssize n;

    for (;;) {
        n = tls_session_recv(relay->tls, buffer, PIECE_BYTES);
        if (n > 0
                ? to_inner(relay, buffer, n)
                : n < 0 && (errno == EINTR || (errno == EAGAIN && wait_for(relay, POLLIN, POLLIN))))
            continue;
        break;
    }
    if (n == 0)
        shutdown(relay->inner, SHUT_WR);
    /* It goes on with what it has. */
    while (n == 0 && (recv(relay->inner, buffer, 1, 0) < 0 && errno == EINTR))
        ;
}

static bool
to_client(struct relay *relay, const guint8 *bytes, gssize length)
{
    while (length > 0) {
        gssize n = tls_session_send(relay->tls, bytes, (gsize)length);

        if (n < 0 && (errno == EINTR || (errno == EAGAIN && wait_for(relay, POLLOUT, 0))))
            continue;
        if (n < 0)
            return false;
        bytes += n;
        length -= n;
    }
    return true;
}

static void
pass_down(struct relay *relay, guint8 *buffer)
{
    gssize n;

    do
        n = recv(relay->inner, buffer, PIECE_BYTES, 0);
    while ((n > 0 && to_client(relay, buffer, n)) || (n < 0 && errno == EINTR));
}

static void
finish(struct relay *relay)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};

    if (!relay->passed || !relay->ended)
        return;
    if (relay->well)
        tls_session_bye(relay->tls);
    else
        setsockopt(relay->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    tls_session_free(relay->tls);
    close(relay->fd);
    g_free(relay);
}

static gboolean
has_passed(void *data)
{
    struct relay *relay = data;

    relay->passed = true;
    finish(relay);
    return G_SOURCE_REMOVE;
}

static void *
pass(void *data)
{
    struct relay *relay = data;
    g_autofree guint8 *buffer = g_malloc(PIECE_BYTES);

    if (relay->upload)
        pass_up(relay, buffer);
    else
        pass_down(relay, buffer);
    close(relay->inner);
    g_idle_add(has_passed, relay);
    return NULL;
}

struct relay *
relay_start(struct http_taken *taken, bool upload, int *ret_plain)
{
    struct relay *relay = g_new0(struct relay, 1);
    int pair[2];

    relay->tls = g_steal_pointer(&taken->tls);
    relay->fd = taken->fd;
    relay->upload = upload;
    relay->inner = -1;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0) {
        relay->inner = pair[0];
        GThread *thread = g_thread_try_new("relay", pass, relay, NULL);
        if (thread) {
            g_thread_unref(thread);
            *ret_plain = pair[1];
            return relay;
        }
        close(pair[0]);
        close(pair[1]);
    }
    relay->passed = relay->ended = true;
    finish(relay);
    return NULL;
}

void
relay_end(struct relay *relay, bool well)
{
    relay->ended = true;
    relay->well = well;
    finish(relay);
}
