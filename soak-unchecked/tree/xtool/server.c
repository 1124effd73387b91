/* JSON-RPC over HTTP by libsoup; see server.h. */
#include "config.h"

#include "xtool/server-internal.h"

#include <errno.h>
#include <gio/gunixsocketaddress.h>
#include <libsoup/soup.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/text.h"
#include "lib/wire/jsonrpc.h"
#include "xtool/credentials.h"
#include "xtool/exit.h"
#include "xtool/progress.h"
#include "xtool/trust.h"

G_DEFINE_QUARK(xtool - connection - error - quark, connection_error)
G_DEFINE_QUARK(xtool - refused - error - quark, refused_error)
G_DEFINE_QUARK(xtool - interrupt - error - quark, interrupt_error)

#define RPC_PATH "/jsonrpc"
#define REFUSAL_MAX 4096 /* bytes that are read of what an error says */

struct server {
    SoupSession *http;
    char *url;  /* without a path */
    char *name; /* for messages: "HOST:PORT" or the socket's path */
    struct trust *trust;
    GVariant *session; /* NULL: not logged in */
    bool local;
    gint64 last_id;
    GCancellable *interrupt;   /* of every call */
    GThread *watch;            /* for Ctrl-C; NULL: not yet, or no more */
    struct progress *progress; /* NULL: none is shown */
};

/* ---- Ctrl-C ---- */

static volatile sig_atomic_t pressed;
static int interrupt_event = -1; /* an eventfd: all that a signal handler may do is to write */

static void
on_interrupt(int signal)
{
    const guint64 one = 1;
    bool again = pressed;

    (void)signal;
    pressed = 1;
    if (again || write(interrupt_event, &one, sizeof one) != sizeof one)
        _exit(EXIT_INTERRUPTED);
}

/* A thread of its own: the one that waits for an answer looks at nothing else. */
static void *
watch_interrupts(void *data)
{
    g_autoptr(GCancellable) interrupt = data;
    guint64 count;

    while (read(interrupt_event, &count, sizeof count) < 0 && errno == EINTR)
        ;
    g_cancellable_cancel(interrupt);
    return NULL;
}

/* Without SA_RESTART: a question to the user ends, too. */
static void
catch_interrupts(struct server *server)
{
    const struct sigaction action = {.sa_handler = on_interrupt};

    interrupt_event = eventfd(0, EFD_CLOEXEC);
    if (interrupt_event < 0)
        return;
    server->watch = g_thread_new("interrupts", watch_interrupts, g_object_ref(server->interrupt));
    sigaction(SIGINT, &action, NULL);
}

bool
server_interrupted(const struct server *server)
{
    return server->watch && pressed;
}

void
server_resume(struct server *server)
{
    g_thread_join(g_steal_pointer(&server->watch)); /* it has cancelled, or is about to */
    g_cancellable_reset(server->interrupt);
    g_clear_pointer(&server->progress, progress_free); /* nobody waits for what comes now */
}

/* ---- the connection ---- */

static gboolean
accept_certificate(SoupMessage *message, GTlsCertificate *certificate, GTlsCertificateFlags flags,
                   void *data)
{
    struct server *server = data;

    (void)message;
    (void)flags;
    return trust_accept(server->trust, certificate);
}

/* libsoup's one time-out is for connecting here; once that is done an answer may take its time, and
 * the kernel looks after a peer that is gone. */
static void
network_event(SoupMessage *message, GSocketClientEvent event, GIOStream *stream, void *data)
{
    const int on = 1, after = SERVER_PROBE_AFTER_SECONDS, every = SERVER_PROBE_EVERY_SECONDS,
              probes = SERVER_PROBES;
    const unsigned unheard_ms =
        (SERVER_PROBE_AFTER_SECONDS + SERVER_PROBES * SERVER_PROBE_EVERY_SECONDS) * 1000;

    (void)message;
    (void)data;
    if (event != G_SOCKET_CLIENT_COMPLETE)
        return;
    g_autoptr(GIOStream) base = NULL;
    if (G_IS_TLS_CONNECTION(stream))
        g_object_get(stream, "base-io-stream", &base, NULL);
    if (!G_IS_SOCKET_CONNECTION(base ? base : stream))
        return;
    GSocket *socket = g_socket_connection_get_socket(G_SOCKET_CONNECTION(base ? base : stream));
    int fd = g_socket_get_fd(socket);

    g_socket_set_timeout(socket, 0);
    if (g_socket_get_family(socket) == G_SOCKET_FAMILY_UNIX)
        return;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &after, sizeof after);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &every, sizeof every);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unheard_ms, sizeof unheard_ms);
}

/* A GIO error as the user should read it; takes `cause`. */
static void
set_unreachable(GError **error, const struct server *server, GError *cause)
{
    const char *problem = server->trust ? trust_problem(server->trust) : NULL;
    const char *hint = "";

    if (g_error_matches(cause, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
        g_set_error(error, INTERRUPT_ERROR, 0, "Interrupted.");
        g_error_free(cause);
        return;
    }
    if (g_error_matches(cause, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED) ||
        g_error_matches(cause, G_IO_ERROR, G_IO_ERROR_NOT_FOUND))
        hint = " Is xapid running there? 'systemctl status xapid' tells.";
    else if (g_error_matches(cause, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED))
        hint = " The socket is root's: become root, or name a server with -s.";
    if (problem)
        g_set_error(error, CONNECTION_ERROR, 0, "%s", problem);
    else
        g_set_error(error, CONNECTION_ERROR, 0, "Cannot reach %s: %s.%s", server->name,
                    cause->message, hint);
    g_error_free(cause);
}

/* All of the body, as far as it is allowed to go. */
static GByteArray *
read_body(const struct server *server, GInputStream *stream, GError **error)
{
    g_autoptr(GByteArray) body = g_byte_array_new();
    g_autofree guint8 *buffer = g_malloc(64 * 1024);
    GError *cause = NULL;
    gssize n;

    while ((n = g_input_stream_read(stream, buffer, 64 * 1024, server->interrupt, &cause)) > 0) {
        if (body->len + (gsize)n > SERVER_REPLY_MAX) {
            g_set_error(error, CONNECTION_ERROR, 0, "The reply of %s is longer than %lu MiB.",
                        server->name, SERVER_REPLY_MAX >> 20);
            return NULL;
        }
        g_byte_array_append(body, buffer, (guint)n);
    }
    if (n < 0) {
        set_unreachable(error, server, cause);
        return NULL;
    }
    return g_steal_pointer(&body);
}

/* What the server says to a request that it does not serve. */
static void
set_refused(GError **error, const struct server *server, const char *path, SoupMessage *message,
            GInputStream *stream)
{
    char text[REFUSAL_MAX + 1] = "";
    gsize length = 0;

    g_input_stream_read_all(stream, text, REFUSAL_MAX, &length, NULL, NULL);
    g_autofree char *clean = g_strchomp(text_clean(text, (gssize)length));
    if (g_str_equal(path, RPC_PATH) || !*clean)
        g_set_error(error, CONNECTION_ERROR, 0, "%s answers HTTP %u (%s): is it a xapid?",
                    server->name, soup_message_get_status(message),
                    soup_message_get_reason_phrase(message));
    else
        g_set_error(error, REFUSED_ERROR, 0, "%s", clean);
}

SoupMessage *
server_request(struct server *server, const char *method, const char *path, const char *type,
               GBytes *body, GError **error)
{
    g_autofree char *url = g_strconcat(server->url, path, NULL);
    SoupMessage *message = soup_message_new(method, url);

    if (!message) {
        usage_set(error, "'%s' is no name of a server.", server->name);
        return NULL;
    }
    if (body)
        soup_message_set_request_body_from_bytes(message, type, body);
    if (server->session && !g_str_equal(path, RPC_PATH)) {
        g_autofree char *cookie =
            g_strconcat("session_id=", g_variant_get_string(server->session, NULL), NULL);
        soup_message_headers_append(soup_message_get_request_headers(message), "Cookie", cookie);
    }
    soup_message_add_flags(message, SOUP_MESSAGE_NO_REDIRECT);
    g_signal_connect(message, "network-event", G_CALLBACK(network_event), NULL);
    if (server->trust)
        g_signal_connect(message, "accept-certificate", G_CALLBACK(accept_certificate), server);
    return message;
}

GInputStream *
server_answer(struct server *server, SoupMessage *request, const char *path, GInputStream *stream,
              GError *cause, GError **error)
{
    if (!stream) {
        set_unreachable(error, server, cause);
        return NULL;
    }
    if (soup_message_get_status(request) == SOUP_STATUS_OK)
        return stream;
    set_refused(error, server, path, request, stream);
    g_object_unref(stream);
    return NULL;
}

GInputStream *
server_send(struct server *server, SoupMessage *request, const char *path, const char *called,
            GError **error)
{
    GError *cause = NULL;
    GInputStream *stream =
        called && server->progress
            ? progress_send(server->progress, request, called, server->interrupt, &cause)
            : soup_session_send(server->http, request, server->interrupt, &cause);

    return server_answer(server, request, path, stream, cause, error);
}

SoupSession *
server_http(const struct server *server)
{
    return server->http;
}

GCancellable *
server_interrupt(const struct server *server)
{
    return server->interrupt;
}

static SoupMessage *
call_request(struct server *server, const struct dm_message *message, GVariant *const *params,
             unsigned n, GError **error)
{
    const struct dm_type *types[16];
    GVariant *values[16];
    unsigned all = 0;

    g_assert(n <= message->n_params && n < G_N_ELEMENTS(types));
    if (message->session) {
        types[all] = dm_type_find("ref<session>");
        values[all++] = server->session;
    }
    for (unsigned i = 0; i < n; i++) {
        types[all] = message->params[i].type;
        values[all++] = params[i];
    }
    GString *request = g_string_new(NULL);
    jsonrpc_request_encode(request, ++server->last_id, message->full_name, types, values, all);
    g_autoptr(GBytes) bytes = g_string_free_to_bytes(request);
    return server_request(server, SOUP_METHOD_POST, RPC_PATH, "application/json", bytes, error);
}

GVariant *
server_call(struct server *server, const struct dm_message *message, GVariant *const *params,
            unsigned n, GError **error)
{
    g_autoptr(SoupMessage) request = call_request(server, message, params, n, error);
    g_autoptr(GInputStream) stream =
        request ? server_send(server, request, RPC_PATH, message->full_name, error) : NULL;
    g_autoptr(GByteArray) reply = stream ? read_body(server, stream, error) : NULL;
    if (!reply)
        return NULL;
    return jsonrpc_reply_parse(message->result, (const char *)reply->data, reply->len, error);
}

GVariant *
server_begin(struct server *server, const struct dm_message *message, GVariant *const *params,
             unsigned n, GError **error)
{
    g_autofree char *name = g_strconcat("Async.", message->full_name, NULL);
    struct dm_message async = *message;

    async.full_name = name;
    async.result = dm_type_find("ref<task>");
    return server_call(server, &async, params, n, error);
}

bool
server_is_here(const struct server *server)
{
    return *server->name == '/';
}

GVariant *
server_tasks(struct server *server, GError **error)
{
    return server->local ? NULL
                         : server_call(server, dm_method_find("session.get_tasks"),
                                       &server->session, 1, error);
}

GVariant *
server_host(struct server *server, GError **error)
{
    return server_call(server, dm_method_find("session.get_this_host"), &server->session, 1, error);
}

/* ---- how far a call is ---- */

/* A connection for a question asks nobody whether a certificate is right. */
static SoupMessage *
progress_request(void *data, const struct dm_message *message, GVariant *self)
{
    struct server *server = data;
    SoupMessage *request = call_request(server, message, &self, 1, NULL);

    if (request && server->trust && !trust_is_pinned(server->trust))
        g_signal_handlers_disconnect_by_func(request, accept_certificate, server);
    return request;
}

void
server_show_progress(struct server *server)
{
    server->progress = progress_new(server->http, server->local ? NULL : server->session,
                                    progress_request, server);
}

void
server_show_part(struct server *server, unsigned part, unsigned parts)
{
    if (server->progress)
        progress_part(server->progress, part, parts);
}

/* ---- opening and closing ---- */

static bool
login(struct server *server, struct args *args, GError **error)
{
    g_autofree char *user = NULL;
    g_autofree char *password = NULL;

    if (!credentials_find(args, server->name, server_is_here(server), &user, &password, error))
        return false;
    const char *method =
        server->local ? "session.slave_local_login_with_password" : "session.login_with_password";
    GVariant *params[] = {
        g_variant_ref_sink(g_variant_new_string(user)),
        g_variant_ref_sink(g_variant_new_string(password)),
        g_variant_ref_sink(g_variant_new_string("2.21")),
        g_variant_ref_sink(g_variant_new_string("xtool")),
    };
    server->session =
        server_call(server, dm_method_find(method), params, server->local ? 2 : 4, error);
    for (size_t i = 0; i < G_N_ELEMENTS(params); i++)
        g_variant_unref(params[i]);
    explicit_bzero(password, strlen(password));
    return server->session;
}

static void
open_unix(struct server *server, const char *path)
{
    g_autoptr(GSocketAddress) address = g_unix_socket_address_new(path);

    server->name = g_strdup(path);
    server->url = g_strdup("http://localhost");
    server->http = g_object_new(SOUP_TYPE_SESSION, "remote-connectable", address, NULL);
}

static bool
open_tcp(struct server *server, const char *host, struct args *args, GError **error)
{
    const char *port = args_get(args, "port"), *fingerprint = args_get(args, "fingerprint");
    guint64 number = 0;
    bool plain, learn;

    if (!args_flag(args, "nossl", &plain, error) || !args_flag(args, "trust", &learn, error))
        return false;
    port = port ? port : plain ? "80" : "443";
    if (!g_ascii_string_to_unsigned(port, 10, 1, 65535, &number, NULL)) {
        usage_set(error, "A port is a number from 1 to 65535, not '%s'.", port);
        return false;
    }
    bool bare_ipv6 = strchr(host, ':') && *host != '[';
    server->name = g_strdup_printf(bare_ipv6 ? "[%s]:%s" : "%s:%s", host, port);
    server->url = g_strdup_printf("%s://%s", plain ? "http" : "https", server->name);
    server->http = soup_session_new();
    if (plain)
        return true;
    server->trust = trust_new(server->name, fingerprint, learn, error);
    if (!server->trust)
        return false;
    /* Without authorities every certificate comes to accept_certificate (). */
    if (trust_is_pinned(server->trust))
        soup_session_set_tls_database(server->http, NULL);
    return true;
}

struct server *
server_open(struct args *args, bool local, GError **error)
{
    g_autoptr(server_owned) server = g_new0(struct server, 1);
    const char *given = args_get(args, "server"), *host = given ? given : g_getenv("XTOOL_SERVER");

    server->local = local;
    server->interrupt = g_cancellable_new();
    if (!host || !*host)
        host = access(SERVER_SOCKET, F_OK) == 0 || errno == EACCES ? SERVER_SOCKET : "localhost";
    if (*host == '/')
        open_unix(server, host);
    else if (!open_tcp(server, host, args, error))
        return NULL;
    soup_session_set_timeout(server->http, SERVER_CONNECT_SECONDS);
    soup_session_set_user_agent(server->http, "xtool/" PACKAGE_VERSION);
    if (!login(server, args, error))
        return NULL;
    catch_interrupts(server);
    return g_steal_pointer(&server);
}

void
server_close(struct server *server)
{
    if (!server)
        return;
    if (server->session) {
        /* Nothing to tell when it fails: the command is done, idle sessions end by themselves. */
        const char *method = server->local ? "session.local_logout" : "session.logout";
        GVariant *nothing = server_call(server, dm_method_find(method), NULL, 0, NULL);
        g_clear_pointer(&nothing, g_variant_unref);
        g_variant_unref(server->session);
    }
    progress_free(server->progress);
    g_clear_object(&server->http);
    g_clear_object(&server->interrupt);
    g_clear_pointer(&server->watch, g_thread_unref);
    trust_free(server->trust);
    g_free(server->url);
    g_free(server->name);
    g_free(server);
}
