/* A program around the HTTP door alone, for tests/sim/http-abuse and for measurements.
 *
 * Routes: POST / and /jsonrpc echo the body, GET / says hello, GET /slices?count=N streams N slices
 * of 64 KiB, GET /park never answers until the client goes, GET /stats, CONNECT /console.
 * Prints "PORT TLS-PORT" once it listens; ends at the end of standard input. */
#include "config.h"

#include <arpa/inet.h>
#include <glib-unix.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "xapid/http/http.h"

static struct http_server *server;

static void
on_echo(struct http_request *request, void *data)
{
    g_autoptr(GBytes) body = g_bytes_ref(http_request_body(request));

    http_reply(request, 200, data, body);
}

static void
on_hello(struct http_request *request, void *data)
{
    g_autoptr(GBytes) body = g_bytes_new_static("hello\n", 6);

    (void)data;
    http_reply(request, 200, "text/plain", body);
}

static bool
next_slice(GString *out, void *data)
{
    guint *left = data;
    gsize start = out->len;

    if (*left == 0)
        return false;
    g_string_set_size(out, start + 64 * 1024);
    memset(out->str + start, 'x', 64 * 1024);
    return --*left > 0;
}

static void
on_slices(struct http_request *request, void *data)
{
    const char *count = http_request_query(request, "count");
    guint *left = g_new(guint, 1);

    (void)data;
    *left = count ? (guint)strtoul(count, NULL, 10) : 1;
    http_reply_slices(request, 200, "application/octet-stream", next_slice, left, g_free);
}

static void
on_gone(void *data)
{
    http_reply(data, 200, "text/plain", NULL);
}

static void
on_park(struct http_request *request, void *data)
{
    (void)data;
    http_request_on_gone(request, on_gone, request);
}

static void
on_stats(struct http_request *request, void *data)
{
    struct http_stats stats;

    (void)data;
    http_server_stats(server, &stats);
    g_autofree char *text = g_strdup_printf(
        "{\"connections\":%u,\"active\":%u,\"requests\":%" G_GUINT64_FORMAT
        ",\"refused\":%" G_GUINT64_FORMAT ",\"body_bytes\":%zu}",
        stats.connections, stats.requests_active, stats.requests, stats.refused, stats.body_bytes);
    g_autoptr(GBytes) body = g_bytes_new(text, strlen(text));
    http_reply(request, 200, "application/json", body);
}

static int
listen_on_loopback(enum http_transport transport)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    g_autoptr(GError) error = NULL;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, 4096) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        g_error("no listening socket");
    if (!http_server_listen(server, fd, transport, &error))
        g_error("%s", error->message);
    return ntohs(address.sin_port);
}

static gboolean
on_input(int fd, GIOCondition condition, gpointer data)
{
    char byte;

    (void)condition;
    if (read(fd, &byte, 1) <= 0)
        g_main_loop_quit(data);
    return G_SOURCE_CONTINUE;
}

int
main(int argc, char **argv)
{
    struct http_limits limits = http_limits_default;
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    g_autoptr(GTlsCertificate) cert = NULL;
    g_autoptr(GError) error = NULL;
    const char *const addresses[] = {"127.0.0.1", NULL};
    int shortened = 0;
    char *pem = NULL;
    const GOptionEntry options[] = {
        {"seconds", 0, 0, G_OPTION_ARG_INT, &shortened, "Shorten the time-outs", "N"},
        {"certificate", 0, 0, G_OPTION_ARG_FILENAME, &pem, "Serve TLS too", "FILE"},
        {NULL, 0, 0, 0, NULL, NULL, NULL}};
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);

    g_option_context_add_main_entries(context, options, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error))
        g_error("%s", error->message);
    if (shortened) {
        limits.header_read_seconds = limits.body_read_seconds = (guint)shortened;
        limits.header_total_seconds = limits.reply_write_seconds = (guint)shortened * 2;
    }
    limits.max_connections_per_address = limits.max_connections;
    if (pem && !(cert = certificate_load_or_make(pem, "localhost", addresses, &error)))
        g_error("%s", error->message);

    server = http_server_new(&limits, cert);
    http_server_route(server, "GET", "/", on_hello, NULL);
    http_server_route(server, "GET", "/slices", on_slices, NULL);
    http_server_route(server, "GET", "/park", on_park, NULL);
    http_server_route(server, "GET", "/stats", on_stats, NULL);
    http_server_route(server, "POST", "/", on_echo, (void *)"text/xml");
    http_server_route(server, "POST", "/jsonrpc", on_echo, (void *)"application/json");
    http_server_route(server, "CONNECT", "/console", on_hello, NULL);
    int port = listen_on_loopback(HTTP_CLEAR);
    printf("%d %d\n", port, cert ? listen_on_loopback(HTTP_TLS) : 0);
    fflush(stdout);
    g_unix_fd_add(STDIN_FILENO, G_IO_IN | G_IO_HUP, on_input, loop);
    g_main_loop_run(loop);
    http_server_free(server);
    g_free(pem);
    return 0;
}
