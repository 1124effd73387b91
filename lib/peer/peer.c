/* The program's side of xapid-launch's control socket, and D-Bus connections over the socketpairs
 * that arrive on it.  Used by xapid, xapid-domains and xapid-host. */
#include "config.h"

#include "lib/peer/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixconnection.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/passed-fd.h"

/* --- the control socket --- */

struct control {
    int fd;
    guint source;
    control_fd_fn received;
    void (*gone)(void *data);
    void *data;
};

static gboolean
control_readable(int fd, GIOCondition condition, gpointer data)
{
    struct control *c = data;
    char name[CONTROL_NAME_MAX];
    int passed = -1;
    ssize_t n;

    (void)condition;
    n = passed_fd_receive(fd, name, sizeof name - 1, &passed);
    if (n < 0 && errno == EAGAIN)
        return G_SOURCE_CONTINUE;
    if (n <= 0) {
        void (*gone)(void *) = c->gone;
        void *gone_data = c->data;

        c->source = 0;
        gone(gone_data);
        return G_SOURCE_REMOVE;
    }
    name[n] = '\0';
    if (passed >= 0)
        c->received(name, passed, c->data);
    return G_SOURCE_CONTINUE;
}

struct control *
control_new_for_fd(int fd, control_fd_fn received, void (*gone)(void *data), void *data,
                   GError **error)
{
    struct control *c;
    int type = 0;
    socklen_t length = sizeof type;

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &length) < 0 || type != SOCK_SEQPACKET) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_NOT_CONNECTED,
                    "descriptor %d is not xapid-launch's control socket; this program is started "
                    "by xapid-launch",
                    fd);
        if (fd > STDERR_FILENO)
            close(fd);
        return NULL;
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    c = g_new0(struct control, 1);
    c->fd = fd;
    c->received = received;
    c->gone = gone;
    c->data = data;
    c->source = g_unix_fd_add(fd, G_IO_IN | G_IO_HUP | G_IO_ERR, control_readable, c);
    return c;
}

struct control *
control_new(control_fd_fn received, void (*gone)(void *data), void *data, GError **error)
{
    return control_new_for_fd(CONTROL_FD, received, gone, data, error);
}

void
control_free(struct control *control)
{
    if (!control)
        return;
    g_clear_handle_id(&control->source, g_source_remove);
    close(control->fd);
    g_free(control);
}

void
control_ready(struct control *control)
{
    /* xapid-launch that has gone is noticed as a hang-up. */
    (void)!send(control->fd, "ready", strlen("ready"), MSG_NOSIGNAL);
}

/* --- connections --- */

static bool
uid_is_trusted(uid_t uid)
{
    return uid == 0 || uid == geteuid();
}

static gboolean
authorize_peer(GDBusAuthObserver *observer, GIOStream *stream, GCredentials *credentials,
               gpointer data)
{
    uid_t uid;

    (void)observer;
    (void)stream;
    (void)data;
    if (!credentials)
        return TRUE; /* ANONYMOUS: peer_connect () has seen who made the socket */
    uid = g_credentials_get_unix_user(credentials, NULL);
    return uid != (uid_t)-1 && uid_is_trusted(uid);
}

/* EXTERNAL is the kernel's word for who the peer is.  It is the word for who made the socketpair,
 * though, and a program that xapid-launch gave another user cannot say the same of itself: then the
 * socket, which only xapid-launch can have handed out, has to do. */
static gboolean
allow_mechanism(GDBusAuthObserver *observer, const char *mechanism, gpointer data)
{
    (void)observer;
    (void)data;
    return g_str_equal(mechanism, "EXTERNAL") || g_str_equal(mechanism, "ANONYMOUS");
}

/* Runs in GDBus's worker thread for each message before it is dispatched. */
static GDBusMessage *
refuse_large(GDBusConnection *connection, GDBusMessage *message, gboolean incoming, gpointer data)
{
    GVariant *body = g_dbus_message_get_body(message);
    GDBusMessage *refusal = NULL;

    (void)data;
    if (!incoming || !body || g_variant_get_size(body) <= PEER_MESSAGE_MAX)
        return message;
    switch (g_dbus_message_get_message_type(message)) {
    case G_DBUS_MESSAGE_TYPE_METHOD_CALL:
        refusal = g_dbus_message_new_method_error_literal(
            message, "org.freedesktop.DBus.Error.LimitsExceeded", "the message is too large");
        g_dbus_connection_send_message(connection, refusal, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL,
                                       NULL);
        g_clear_object(&refusal);
        break;
    case G_DBUS_MESSAGE_TYPE_METHOD_RETURN:
    case G_DBUS_MESSAGE_TYPE_ERROR:
        refusal = g_dbus_message_new();
        g_dbus_message_set_message_type(refusal, G_DBUS_MESSAGE_TYPE_ERROR);
        g_dbus_message_set_serial(refusal, g_dbus_message_get_serial(message));
        g_dbus_message_set_reply_serial(refusal, g_dbus_message_get_reply_serial(message));
        g_dbus_message_set_error_name(refusal, "org.freedesktop.DBus.Error.LimitsExceeded");
        g_dbus_message_set_body(refusal, g_variant_new("(s)", "the reply is too large"));
        break;
    default:
        break;
    }
    g_object_unref(message);
    return refusal;
}

/* The caller's `ready` has run: what it exported is there to take messages. */
static void
start_messages(GObject *task, GParamSpec *spec, gpointer connection)
{
    (void)task;
    (void)spec;
    g_dbus_connection_start_message_processing(connection);
}

static void
connected(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GDBusConnection) connection = NULL;

    (void)source;
    connection = g_dbus_connection_new_finish(result, &error);
    if (!connection) {
        g_task_return_error(task, g_steal_pointer(&error));
        return;
    }
    g_dbus_connection_add_filter(connection, refuse_large, NULL, NULL);
    g_signal_connect_object(task, "notify::completed", G_CALLBACK(start_messages), connection, 0);
    g_task_return_pointer(task, g_steal_pointer(&connection), g_object_unref);
}

void
peer_connect(int fd, bool server, GCancellable **latest, GAsyncReadyCallback ready, gpointer data)
{
    g_autoptr(GCancellable) this = g_cancellable_new();
    g_autoptr(GTask) task = g_task_new(NULL, this, ready, data);
    g_autoptr(GError) error = NULL;
    g_autoptr(GSocket) socket = NULL;
    g_autoptr(GSocketConnection) stream = NULL;
    g_autoptr(GDBusAuthObserver) observer = g_dbus_auth_observer_new();
    g_autofree char *guid = server ? g_dbus_generate_guid() : NULL;
    struct ucred maker;
    socklen_t length = sizeof maker;
    GDBusConnectionFlags flags = G_DBUS_CONNECTION_FLAGS_DELAY_MESSAGE_PROCESSING;

    g_task_set_source_tag(task, peer_connect);
    if (latest) {
        peer_connect_cancel(latest);
        *latest = g_object_ref(this);
    }
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &maker, &length) < 0 ||
        !uid_is_trusted(maker.uid)) {
        close(fd);
        g_task_return_new_error(task, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED,
                                "the peer's socket was not made by root or by this user");
        return;
    }
    socket = g_socket_new_from_fd(fd, &error);
    if (!socket) {
        close(fd);
        g_task_return_error(task, g_steal_pointer(&error));
        return;
    }
    stream = g_socket_connection_factory_create_connection(socket);
    g_signal_connect(observer, "authorize-authenticated-peer", G_CALLBACK(authorize_peer), NULL);
    g_signal_connect(observer, "allow-mechanism", G_CALLBACK(allow_mechanism), NULL);
    flags |= server ? G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_SERVER |
                          G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_ALLOW_ANONYMOUS
                    : G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT;
    g_dbus_connection_new(G_IO_STREAM(stream), guid, flags, observer, this, connected,
                          g_steal_pointer(&task));
}

void
peer_connect_cancel(GCancellable **latest)
{
    g_cancellable_cancel(*latest);
    g_clear_object(latest);
}

GDBusConnection *
peer_connect_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}
