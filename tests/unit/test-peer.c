/* lib/peer: descriptors over the control socket; calls and signals over a socketpair, both ways. */
#include "config.h"

#include "lib/passed-fd.h"
#include "lib/peer/domains1.h"
#include "lib/peer/host1.h"
#include "lib/peer/peer.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define STRANGER_UID 65534
#define WAIT_MS 5000

/* Turns the main loop until *done, at most WAIT_MS. */
static void
wait_for(const bool *done)
{
    gint64 end = g_get_monotonic_time() + WAIT_MS * 1000;

    while (!*done && g_get_monotonic_time() < end)
        if (!g_main_context_iteration(NULL, FALSE))
            g_usleep(500);
    g_assert_true(*done);
}

/* One side of a pair, with an object of its own. */
struct side {
    GDBusConnection *connection;
    GError *error;
    PeerHost1Skeleton *host;
    PeerDomains1Skeleton *domains;
    bool ready, closed;
    guint calls;
};

static gboolean
lookup_name(PeerHost1 *host, GDBusMethodInvocation *invocation, const char *name, gpointer data)
{
    struct side *side = data;

    side->calls++;
    peer_host1_complete_lookup_name(host, invocation, g_str_equal(name, "root"), "user", 7);
    return TRUE;
}

static gboolean
start(PeerDomains1 *domains, GDBusMethodInvocation *invocation, const char *op_id, const char *verb,
      const char *uuid, GVariant *args, gpointer data)
{
    struct side *side = data;
    const char *const none[] = {NULL};

    (void)verb;
    (void)uuid;
    (void)args;
    side->calls++;
    peer_domains1_complete_start(domains, invocation);
    peer_domains1_emit_done(domains, op_id, none, g_variant_new("a{sv}", NULL));
    return TRUE;
}

static void
side_closed(GDBusConnection *connection, gboolean vanished, GError *error, gpointer data)
{
    (void)connection;
    (void)vanished;
    (void)error;
    ((struct side *)data)->closed = true;
}

static void
side_ready(GObject *source, GAsyncResult *result, gpointer data)
{
    struct side *side = data;

    (void)source;
    side->connection = peer_connect_finish(result, &side->error);
    side->ready = true;
    if (!side->connection)
        return;
    g_signal_connect(side->connection, "closed", G_CALLBACK(side_closed), side);
    side->host = PEER_HOST1_SKELETON(peer_host1_skeleton_new());
    g_signal_connect(side->host, "handle-lookup-name", G_CALLBACK(lookup_name), side);
    g_dbus_interface_skeleton_export(G_DBUS_INTERFACE_SKELETON(side->host), side->connection,
                                     "/org/xapid/Host1", NULL);
    side->domains = PEER_DOMAINS1_SKELETON(peer_domains1_skeleton_new());
    g_signal_connect(side->domains, "handle-start", G_CALLBACK(start), side);
    g_dbus_interface_skeleton_export(G_DBUS_INTERFACE_SKELETON(side->domains), side->connection,
                                     "/org/xapid/Domains1", NULL);
}

static void
side_clear(struct side *side)
{
    if (side->connection)
        g_signal_handlers_disconnect_by_data(side->connection, side);
    if (side->host)
        g_dbus_interface_skeleton_unexport(G_DBUS_INTERFACE_SKELETON(side->host));
    if (side->domains)
        g_dbus_interface_skeleton_unexport(G_DBUS_INTERFACE_SKELETON(side->domains));
    g_clear_object(&side->host);
    g_clear_object(&side->domains);
    g_clear_object(&side->connection);
    g_clear_error(&side->error);
}

static void
connect_pair(struct side *server, struct side *client)
{
    int pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    peer_connect(pair[0], true, NULL, side_ready, server);
    peer_connect(pair[1], false, NULL, side_ready, client);
    wait_for(&server->ready);
    wait_for(&client->ready);
    g_assert_no_error(server->error);
    g_assert_no_error(client->error);
}

/* Whether the first one's end comes before or after the second is there, and whatever it is. */
static void
test_overtaken(void)
{
    for (int other_side = 0; other_side < 3; other_side++) {
        struct side old = {0}, old_server = {0}, new = {0}, server = {0};
        g_autoptr(GCancellable) latest = NULL;
        int first[2], second[2];

        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, first), ==, 0);
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, second), ==, 0);
        peer_connect(first[1], false, &latest, side_ready, &old);
        if (other_side == 0)
            close(first[0]);
        if (other_side == 1)
            peer_connect(first[0], true, NULL, side_ready, &old_server);
        peer_connect(second[0], true, NULL, side_ready, &server);
        peer_connect(second[1], false, &latest, side_ready, &new);
        wait_for(&old.ready);
        g_assert_error(old.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
        wait_for(&new.ready);
        g_assert_no_error(new.error);
        wait_for(&server.ready);
        if (other_side == 1)
            wait_for(&old_server.ready);
        if (other_side == 2) /* one that never spoke */
            close(first[0]);
        peer_connect_cancel(&latest);
        g_assert_null(latest);
        side_clear(&old);
        side_clear(&old_server);
        side_clear(&new);
        side_clear(&server);
    }
}

struct reply {
    GVariant *value;
    GError *error;
    bool done;
};

static void
reply_done(GObject *source, GAsyncResult *result, gpointer data)
{
    struct reply *reply = data;

    reply->value = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &reply->error);
    reply->done = true;
}

static void
call_lookup(struct side *from, const char *name, struct reply *reply)
{
    *reply = (struct reply){0};
    g_dbus_connection_call(from->connection, NULL, "/org/xapid/Host1", "org.xapid.Host1",
                           "LookupName", g_variant_new("(s)", name), G_VARIANT_TYPE("(bsu)"),
                           G_DBUS_CALL_FLAGS_NONE, PEER_CALL_TIMEOUT_MS, NULL, reply_done, reply);
    wait_for(&reply->done);
}

static void
assert_lookup_works(struct side *from)
{
    struct reply reply;
    gboolean found = FALSE;
    guint32 id = 0;

    call_lookup(from, "root", &reply);
    g_assert_no_error(reply.error);
    g_variant_get(reply.value, "(b&su)", &found, NULL, &id);
    g_assert_true(found);
    g_assert_cmpuint(id, ==, 7);
    g_variant_unref(reply.value);
}

static void
on_done(PeerDomains1 *proxy, const char *op_id, const char *const *error, GVariant *result,
        gpointer data)
{
    (void)proxy;
    (void)error;
    (void)result;
    g_assert_cmpstr(op_id, ==, "op-1");
    *(bool *)data = true;
}

static void
proxy_ready(GObject *source, GAsyncResult *result, gpointer data)
{
    (void)source;
    *(PeerDomains1 **)data = peer_domains1_proxy_new_finish(result, NULL);
}

static void
proxy_started(GObject *source, GAsyncResult *result, gpointer data)
{
    (void)data;
    g_assert_true(peer_domains1_call_start_finish(PEER_DOMAINS1(source), result, NULL));
}

/* By the generated proxy: Start is answered and Done arrives. */
static void
assert_signal_arrives(struct side *from)
{
    g_autoptr(PeerDomains1) proxy = NULL;
    bool done = false;

    peer_domains1_proxy_new(from->connection, G_DBUS_PROXY_FLAGS_NONE, NULL, "/org/xapid/Domains1",
                            NULL, proxy_ready, &proxy);
    for (int i = 0; !proxy && i < WAIT_MS; i++) {
        g_main_context_iteration(NULL, FALSE);
        g_usleep(1000);
    }
    g_assert_nonnull(proxy);
    g_signal_connect(proxy, "done", G_CALLBACK(on_done), &done);
    peer_domains1_call_start(proxy, "op-1", "pause", "u", g_variant_new("a{sv}", NULL), NULL,
                             proxy_started, NULL);
    wait_for(&done);
}

static void
test_both_ways(void)
{
    struct side server = {0}, client = {0};

    connect_pair(&server, &client);
    assert_lookup_works(&server);
    assert_lookup_works(&client);
    g_assert_cmpuint(server.calls, ==, 1);
    g_assert_cmpuint(client.calls, ==, 1);
    assert_signal_arrives(&server);
    assert_signal_arrives(&client);
    side_clear(&server);
    side_clear(&client);
}

static void
test_side_dropped(void)
{
    struct side server = {0}, client = {0};
    struct reply reply;

    connect_pair(&server, &client);
    g_assert_true(g_dbus_connection_close_sync(client.connection, NULL, NULL));
    wait_for(&server.closed);
    call_lookup(&server, "root", &reply);
    g_assert_nonnull(reply.error);
    g_clear_error(&reply.error);
    side_clear(&server);
    side_clear(&client);
}

/* The hang-up comes before the handshake: an error, not a connection and not a wait for ever. */
static void
test_peer_never_there(void)
{
    struct side server = {0};
    int pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    close(pair[1]);
    peer_connect(pair[0], true, NULL, side_ready, &server);
    wait_for(&server.ready);
    g_assert_nonnull(server.error);
    side_clear(&server);
}

static void
test_large_refused(void)
{
    struct side server = {0}, client = {0};
    struct reply reply;
    g_autofree char *large = g_strnfill(PEER_MESSAGE_MAX + 1, 'x');

    connect_pair(&server, &client);
    call_lookup(&server, large, &reply);
    g_assert_error(reply.error, G_DBUS_ERROR, G_DBUS_ERROR_LIMITS_EXCEEDED);
    g_clear_error(&reply.error);
    g_assert_cmpuint(client.calls, ==, 0);
    assert_lookup_works(&server); /* and the connection goes on */
    side_clear(&server);
    side_clear(&client);
}

/* Claims by D-Bus's EXTERNAL to be a user that the socket does not vouch for; exits 0 when that was
 * believed. */
static void
be_stranger(int fd)
{
    union {
        char buffer[CMSG_SPACE(sizeof(struct ucred))];
        struct cmsghdr align;
    } control = {0};
    struct ucred me = {.pid = getpid(), .uid = STRANGER_UID, .gid = getgid()};
    struct iovec iov = {.iov_base = (char[]){'\0'}, .iov_len = 1};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof control};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    const char *line = "AUTH EXTERNAL 3635353334\r\n"; /* 65534 in hexadecimal ASCII */
    char answer[256];
    ssize_t n;

    if (setresuid(STRANGER_UID, STRANGER_UID, STRANGER_UID) < 0)
        _exit(2);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_CREDENTIALS;
    c->cmsg_len = CMSG_LEN(sizeof me);
    memcpy(CMSG_DATA(c), &me, sizeof me);
    if (sendmsg(fd, &msg, 0) != 1 || write(fd, line, strlen(line)) < 0)
        _exit(3);
    n = read(fd, answer, sizeof answer);
    _exit(n >= 2 && memcmp(answer, "OK", 2) == 0 ? 0 : 1);
}

static void
test_false_claim_refused(void)
{
    struct side server = {0};
    int pair[2], status = 0;
    pid_t child;

    if (getuid() != 0) {
        g_test_skip("only root can be another user");
        return;
    }
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    child = fork();
    g_assert_cmpint(child, >=, 0);
    if (child == 0) {
        close(pair[0]);
        be_stranger(pair[1]);
    }
    close(pair[1]);
    peer_connect(pair[0], true, NULL, side_ready, &server);
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, 1);
    wait_for(&server.ready);
    g_assert_nonnull(server.error);
    side_clear(&server);
}

struct received {
    char *name;
    int fd;
    bool got, gone;
};

static void
control_received(const char *name, int fd, void *data)
{
    struct received *received = data;

    received->name = g_strdup(name);
    received->fd = fd;
    received->got = true;
}

static void
control_gone(void *data)
{
    ((struct received *)data)->gone = true;
}

/* Both sides alike refuse a socketpair that another user made, before a byte is exchanged. */
static void
test_strangers_socket_refused(void)
{
    struct received received = {.fd = -1};
    struct side server = {0}, client = {0};
    struct control *control;
    int pair[2], status = 0;
    pid_t child;

    if (getuid() != 0) {
        g_test_skip("only root can be another user");
        return;
    }
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), ==, 0);
    child = fork();
    g_assert_cmpint(child, >=, 0);
    if (child == 0) {
        int made[2];

        if (setresuid(STRANGER_UID, STRANGER_UID, STRANGER_UID) < 0 ||
            socketpair(AF_UNIX, SOCK_STREAM, 0, made) < 0)
            _exit(1);
        g_assert_true(passed_fd_send(pair[0], "peer xapid", strlen("peer xapid"), made[0]));
        g_assert_true(passed_fd_send(pair[0], "peer host", strlen("peer host"), made[1]));
        _exit(0);
    }
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_cmpint(status, ==, 0);
    control = control_new_for_fd(pair[1], control_received, control_gone, &received, NULL);
    wait_for(&received.got);
    peer_connect(received.fd, true, NULL, side_ready, &server);
    g_clear_pointer(&received.name, g_free);
    received.got = false;
    wait_for(&received.got);
    peer_connect(received.fd, false, NULL, side_ready, &client);
    wait_for(&server.ready);
    wait_for(&client.ready);
    g_assert_error(server.error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED);
    g_assert_error(client.error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED);
    g_free(received.name);
    control_free(control);
    close(pair[0]);
    side_clear(&server);
    side_clear(&client);
}

static void
test_control(void)
{
    struct received received = {.fd = -1};
    struct control *control;
    int pair[2], pipe_fds[2];
    char text[16];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), ==, 0);
    g_assert_cmpint(pipe2(pipe_fds, O_CLOEXEC), ==, 0);
    control = control_new_for_fd(pair[1], control_received, control_gone, &received, NULL);
    g_assert_nonnull(control);

    g_assert_true(passed_fd_send(pair[0], "listen https", strlen("listen https"), pipe_fds[1]));
    wait_for(&received.got);
    g_assert_cmpstr(received.name, ==, "listen https");
    g_assert_cmpint(fcntl(received.fd, F_GETFD), ==, FD_CLOEXEC);
    g_assert_cmpint(write(received.fd, "x", 1), ==, 1);
    g_assert_cmpint(read(pipe_fds[0], text, sizeof text), ==, 1);

    control_ready(control);
    g_assert_cmpint(recv(pair[0], text, sizeof text, 0), ==, 5);
    g_assert_cmpmem(text, 5, "ready", 5);

    g_assert_false(received.gone);
    close(pair[0]);
    wait_for(&received.gone);
    control_ready(control); /* after the hang-up: no signal, no crash */
    control_free(control);
    close(received.fd);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    g_free(received.name);
}

static void
test_control_absent(void)
{
    g_autoptr(GError) error = NULL;
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    g_assert_null(control_new_for_fd(fd, control_received, control_gone, NULL, &error));
    g_assert_nonnull(error);
    g_assert_cmpint(fcntl(fd, F_GETFD), ==, -1);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/peer/control/fd-ready-gone", test_control);
    g_test_add_func("/peer/control/absent", test_control_absent);
    g_test_add_func("/peer/strangers-socket-refused", test_strangers_socket_refused);
    g_test_add_func("/peer/false-claim-refused", test_false_claim_refused);
    g_test_add_func("/peer/both-ways", test_both_ways);
    g_test_add_func("/peer/side-dropped", test_side_dropped);
    g_test_add_func("/peer/never-there", test_peer_never_there);
    g_test_add_func("/peer/overtaken", test_overtaken);
    g_test_add_func("/peer/large-refused", test_large_refused);
    return g_test_run();
}
