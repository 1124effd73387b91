/* See http-fixture.h. */
#include "config.h"

#include "http-fixture.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void
on_echo(struct http_request *request, void *data)
{
    g_autoptr(GBytes) body = g_bytes_ref(http_request_body(request));

    (void)data;
    http_reply(request, 200, "application/json", body);
}

static void
on_name(struct http_request *request, void *data)
{
    g_autoptr(GBytes) body = g_bytes_new(data, strlen(data));

    http_reply_header(request, "X-Split", "a\r\nX-Injected: b");
    http_reply(request, 200, "text/plain", body);
}

static const char *
shown(const char *text)
{
    return text ? text : "(null)";
}

static void
on_see(struct http_request *request, void *data)
{
    g_autofree char *user = NULL, *password = NULL;

    (void)data;
    http_request_basic_auth(request, &user, &password);
    g_autofree char *text = g_strdup_printf(
        "path=%s|a=%s|b=%s|c=%s|dup=%s|s=%s|t=%s|user=%s|pw=%s|peer=%s|uid=%d|transport=%d|",
        http_request_path(request), shown(http_request_query(request, "a")),
        shown(http_request_query(request, "b b")), shown(http_request_query(request, "c")),
        shown(http_request_header(request, "x-dup")),
        shown(http_request_cookie(request, "session_id")),
        shown(http_request_cookie(request, "task_id")), shown(user), shown(password),
        http_request_peer(request), (int)http_request_peer_uid(request),
        (int)http_request_transport(request));
    g_autoptr(GBytes) body = g_bytes_new(text, strlen(text));
    http_reply(request, 200, "text/plain", body);
}

static void
on_gone(void *data)
{
    struct fixture *fixture = data;

    g_atomic_int_inc(&fixture->gone);
}

/* Parks for good: answered when the fixture is told to, also after the client has gone. */
static void
on_park(struct http_request *request, void *data)
{
    struct fixture *fixture = data;

    g_ptr_array_add(fixture->parked, request);
    http_request_on_gone(request, on_gone, fixture);
}

static void
on_wait(struct http_request *request, void *data)
{
    struct fixture *fixture = data;

    g_ptr_array_add(fixture->parked, request);
}

static bool
endless(GString *out, void *data)
{
    (void)data;
    g_string_set_size(out, 64 * 1024);
    memset(out->str, 'e', 64 * 1024);
    return true;
}

static bool
ten_digits(GString *out, void *data)
{
    int *turn = data;

    if ((*turn)++ % 2) /* every other slice is empty, which must not end the body */
        g_string_append_printf(out, "%d", *turn / 2 - 1);
    return *turn < 20;
}

static void
on_slices(struct http_request *request, void *data)
{
    (void)data;
    http_reply_slices(request, 200, "text/plain", ten_digits, g_new0(int, 1), g_free);
}

static void
free_counted(gpointer data)
{
    struct fixture *fixture = data;

    g_atomic_int_inc(&fixture->freed);
}

static void
on_endless(struct http_request *request, void *data)
{
    http_reply_slices(request, 200, "text/plain", endless, data, free_counted);
}

struct pieces {
    struct fixture *fixture;
    int left;
};

static bool
next_piece(GString *out, void *data)
{
    struct pieces *pieces = data;

    if (pieces->fixture->long_left <= 0)
        pieces->fixture->pieces++;
    g_string_set_size(out, 64 * 1024);
    memset(out->str, 'p', 64 * 1024);
    return --pieces->left > 0;
}

static void
on_long(struct http_request *request, void *data)
{
    struct pieces *pieces = g_new(struct pieces, 1);

    *pieces = (struct pieces){.fixture = data, .left = 100};
    http_reply_slices(request, 200, "text/plain", next_piece, pieces, g_free);
    pieces->fixture->long_left--;
}

static __thread struct fixture *polled;

/* Between two turns of the server's loop. */
static gint
poll_counted(GPollFD *fds, guint n, gint timeout)
{
    polled->pieces_most = MAX(polled->pieces_most, polled->pieces);
    polled->pieces = 0;
    return g_poll(fds, n, timeout);
}

static gboolean
answer_later(gpointer data)
{
    http_reply_error(data, 500, "as asked");
    return G_SOURCE_REMOVE;
}

static void
on_later(struct http_request *request, void *data)
{
    GSource *source = g_timeout_source_new(20);

    (void)data;
    g_source_set_callback(source, answer_later, request, NULL);
    g_source_attach(source, g_main_context_get_thread_default());
    g_source_unref(source);
}

static int
listen_on(struct fixture *fixture, enum http_transport transport)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(bind(fd, (struct sockaddr *)&address, size), ==, 0);
    g_assert_cmpint(listen(fd, 4096), ==, 0);
    g_assert_cmpint(getsockname(fd, (struct sockaddr *)&address, &size), ==, 0);
    g_assert_true(http_server_listen(fixture->server, fd, transport, NULL));
    return ntohs(address.sin_port);
}

static void
listen_on_path(struct fixture *fixture)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    fixture->socket_path = g_strdup_printf("%s/xapid-test-http-%d", g_get_tmp_dir(), (int)getpid());
    unlink(fixture->socket_path);
    g_strlcpy(address.sun_path, fixture->socket_path, sizeof address.sun_path);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
    g_assert_cmpint(listen(fd, 16), ==, 0);
    g_assert_true(http_server_listen(fixture->server, fd, HTTP_UNIX, NULL));
}

struct start {
    struct fixture *fixture;
    GTlsCertificate *cert;
    GMutex lock;
    GCond ready;
};

static gpointer
serve(gpointer data)
{
    struct start *start = data;
    struct fixture *fixture = start->fixture;
    struct http_server *server;

    g_main_context_push_thread_default(fixture->context);
    server = fixture->server = http_server_new(&fixture->limits, start->cert);
    http_server_route(server, "POST", "/", on_echo, NULL);
    http_server_route_whole(server, "GET", "/whole", on_name, (void *)"whole");
    http_server_route(server, "GET", "/a", on_name, (void *)"a");
    http_server_route(server, "GET", "/a/b/c", on_name, (void *)"abc");
    http_server_route(server, "GET", "/a/b", on_name, (void *)"ab");
    http_server_route(server, "GET", "/see", on_see, NULL);
    http_server_route(server, "GET", "/park", on_park, fixture);
    http_server_route(server, "GET", "/wait", on_wait, fixture);
    http_server_route(server, "GET", "/slices", on_slices, NULL);
    http_server_route(server, "GET", "/long", on_long, fixture);
    polled = fixture;
    g_main_context_set_poll_func(fixture->context, poll_counted);
    http_server_route(server, "GET", "/endless", on_endless, fixture);
    http_server_route(server, "GET", "/later", on_later, NULL);
    http_server_route(server, "CONNECT", "/console", on_name, (void *)"console");
    fixture->port = listen_on(fixture, HTTP_CLEAR);
    if (start->cert)
        fixture->tls_port = listen_on(fixture, HTTP_TLS);
    listen_on_path(fixture);

    g_mutex_lock(&start->lock);
    start->fixture = NULL;
    g_cond_signal(&start->ready);
    g_mutex_unlock(&start->lock);
    g_main_loop_run(fixture->loop);

    http_server_free(server);
    fixture->server = NULL;
    for (guint i = 0; i < fixture->parked->len; i++)
        http_reply(fixture->parked->pdata[i], 200, "text/plain", NULL);
    while (g_main_context_iteration(fixture->context, FALSE))
        continue;
    g_main_context_pop_thread_default(fixture->context);
    return NULL;
}

struct fixture *
fixture_new(const struct http_limits *limits, GTlsCertificate *cert)
{
    struct fixture *fixture = g_new0(struct fixture, 1);
    struct start start = {.fixture = fixture, .cert = cert};

    g_mutex_init(&start.lock);
    g_cond_init(&start.ready);
    fixture->limits = limits ? *limits : http_limits_default;
    fixture->context = g_main_context_new();
    fixture->loop = g_main_loop_new(fixture->context, FALSE);
    fixture->parked = g_ptr_array_new();
    fixture->thread = g_thread_new("server", serve, &start);
    g_mutex_lock(&start.lock);
    while (start.fixture)
        g_cond_wait(&start.ready, &start.lock);
    g_mutex_unlock(&start.lock);
    g_mutex_clear(&start.lock);
    g_cond_clear(&start.ready);
    return fixture;
}

void
fixture_free(struct fixture *fixture)
{
    g_main_loop_quit(fixture->loop);
    g_thread_join(fixture->thread);
    g_main_loop_unref(fixture->loop);
    g_main_context_unref(fixture->context);
    g_ptr_array_unref(fixture->parked);
    unlink(fixture->socket_path);
    g_free(fixture->socket_path);
    g_free(fixture);
}

struct call {
    struct fixture *fixture;
    void (*function)(struct fixture *fixture);
    struct http_stats *stats;
    gint done;
};

static gboolean
run_call(gpointer data)
{
    struct call *call = data;

    if (call->function)
        call->function(call->fixture);
    if (call->stats)
        http_server_stats(call->fixture->server, call->stats);
    g_atomic_int_set(&call->done, 1);
    return G_SOURCE_REMOVE;
}

static void
run_and_wait(struct call *call)
{
    g_main_context_invoke(call->fixture->context, run_call, call);
    while (!g_atomic_int_get(&call->done))
        g_usleep(100);
}

void
fixture_call(struct fixture *fixture, void (*function)(struct fixture *fixture))
{
    struct call call = {.fixture = fixture, .function = function};

    run_and_wait(&call);
}

void
fixture_stats(struct fixture *fixture, struct http_stats *ret_stats)
{
    struct call call = {.fixture = fixture, .stats = ret_stats};

    run_and_wait(&call);
}

bool
fixture_until(struct fixture *fixture, bool (*holds)(const struct http_stats *stats))
{
    for (int i = 0; i < 1000; i++) {
        struct http_stats stats;

        fixture_stats(fixture, &stats);
        if (holds(&stats))
            return true;
        g_usleep(10000);
    }
    return false;
}

int
client_connect(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((guint16)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = 20};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

void
client_send(int fd, const char *text)
{
    g_assert_cmpint(send(fd, text, strlen(text), MSG_NOSIGNAL), ==, (gssize)strlen(text));
}

char *
client_reply(int fd)
{
    GString *text = g_string_new(NULL);
    gsize whole = 0;
    char byte;

    /* Byte by byte up to the body, so that nothing of the next reply is taken. */
    while (whole == 0 || text->len < whole) {
        if (recv(fd, &byte, 1, 0) != 1)
            break;
        g_string_append_c(text, byte);
        if (whole == 0 && g_str_has_suffix(text->str, "\r\n\r\n")) {
            const char *length = strstr(text->str, "Content-Length: ");

            whole = text->len + (length ? strtoul(length + 16, NULL, 10) : 0);
        }
    }
    return g_string_free(text, FALSE);
}

char *
client_rest(int fd)
{
    GString *text = g_string_new(NULL);
    char buffer[16384];
    gssize n;

    while ((n = recv(fd, buffer, sizeof buffer, 0)) > 0)
        g_string_append_len(text, buffer, n);
    return g_string_free(text, FALSE);
}

char *
client_ask(int port, const char *text)
{
    int fd = client_connect(port);

    client_send(fd, text);
    char *reply = client_rest(fd);
    close(fd);
    return reply;
}

guint
count_descriptors(void)
{
    g_autoptr(GDir) folder = g_dir_open("/proc/self/fd", 0, NULL);
    guint count = 0;

    while (g_dir_read_name(folder))
        count++;
    return count;
}

gsize
resident_kib(void)
{
    g_autofree char *text = NULL;
    long pages = 0;

#ifdef __SANITIZE_ADDRESS__
    return 0;
#endif
    g_file_get_contents("/proc/self/statm", &text, NULL, NULL);
    sscanf(text, "%*d %ld", &pages);
    return (gsize)pages * (gsize)sysconf(_SC_PAGESIZE) / 1024;
}
