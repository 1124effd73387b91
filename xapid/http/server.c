/* The server: limits, routes, and which handler a request goes to. */
#include "config.h"

#include <string.h>

#include "xapid/http/internal.h"

const struct http_limits http_limits_default = {
    .max_connections = 20000,
    .max_connections_per_address = 2000,
    .reserved_connections = 64,
    .max_body = 16 * 1024 * 1024,
    .max_header = 16 * 1024,
    .header_read_seconds = 10,
    .header_total_seconds = 60,
    .body_read_seconds = 30,
    .keep_alive_seconds = 300,
    .max_bodies_total = 256 * 1024 * 1024,
    .body_min_rate = 4096,
    .reply_write_seconds = 60,
};

static void
route_free(gpointer data)
{
    struct route *route = data;

    g_free(route->method);
    g_free(route->path);
    g_free(route);
}

struct http_server *
http_server_new(const struct http_limits *limits, GTlsCertificate *cert)
{
    struct http_server *server = g_new0(struct http_server, 1);
    g_autoptr(GError) error = NULL;

    server->limits = limits ? *limits : http_limits_default;
    server->routes = g_ptr_array_new_with_free_func(route_free);
    server->requests = g_hash_table_new(NULL, NULL);
    server->soup = reply_engine_new(server);
    if (!door_open(server, &error))
        g_error("%s", error->message);
    http_server_set_certificate(server, cert);
    return server;
}

void
http_server_free(struct http_server *server)
{
    GHashTableIter iter;
    gpointer request;

    if (!server)
        return;
    door_close(server);
    /* Ends the replies that libsoup still writes; they find their connections gone. */
    g_object_unref(server->soup);
    g_hash_table_iter_init(&iter, server->requests);
    while (g_hash_table_iter_next(&iter, &request, NULL))
        ((struct http_request *)request)->server = NULL;
    g_hash_table_unref(server->requests);
    g_ptr_array_unref(server->routes);
    tls_context_unref(server->tls);
    g_free(server);
}

void
http_server_set_certificate(struct http_server *server, GTlsCertificate *cert)
{
    g_autoptr(GError) error = NULL;
    struct tls_context *context;

    if (!cert)
        return;
    context = tls_context_new(cert, &error);
    if (!context) {
        g_warning("the certificate is not used: %s", error->message);
        return;
    }
    tls_context_unref(server->tls);
    server->tls = context;
}

static struct route *
add_route(struct http_server *server, const char *method, const char *path, http_handler handler,
          void *data)
{
    struct route *route = g_new0(struct route, 1);

    route->method = g_strdup(method);
    route->path = g_strdup(path);
    route->handler = handler;
    route->data = data;
    g_ptr_array_add(server->routes, route);
    return route;
}

void
http_server_route(struct http_server *server, const char *method, const char *path,
                  http_handler handler, void *data)
{
    add_route(server, method, path, handler, data);
}

void
http_server_route_whole(struct http_server *server, const char *method, const char *path,
                        http_handler handler, void *data)
{
    add_route(server, method, path, handler, data)->whole = true;
}

void
http_server_route_stream(struct http_server *server, const char *method, const char *path,
                         http_handler handler, void *data)
{
    add_route(server, method, path, handler, data)->stream = true;
}

void
http_server_stats(const struct http_server *server, struct http_stats *ret_stats)
{
    *ret_stats = server->stats;
}

static bool
matches(const struct route *route, const char *path)
{
    return route->whole ? strcmp(path, route->path) == 0 : g_str_has_prefix(path, route->path);
}

static const struct route *
find_route(const struct http_server *server, const char *method, const char *path)
{
    const struct route *best = NULL;

    for (guint i = 0; i < server->routes->len; i++) {
        const struct route *route = server->routes->pdata[i];

        if (strcmp(route->method, method) == 0 && matches(route, path) &&
            (!best || strlen(route->path) >= strlen(best->path)))
            best = route;
    }
    return best;
}

bool
server_streams(const struct http_server *server, const struct head *head)
{
    const struct route *route = find_route(server, head->method, head->path);

    return route && route->stream;
}

/* The methods that have a route for the path, "GET, PUT"; NULL when there is none.  With path NULL
 * all methods. */
static char *
allowed_methods(const struct http_server *server, const char *path)
{
    g_autoptr(GPtrArray) methods = g_ptr_array_new();

    for (guint i = 0; i < server->routes->len; i++) {
        const struct route *route = server->routes->pdata[i];

        if ((!path || matches(route, path)) &&
            !g_ptr_array_find_with_equal_func(methods, route->method, g_str_equal, NULL))
            g_ptr_array_add(methods, route->method);
    }
    if (methods->len == 0)
        return NULL;
    g_ptr_array_add(methods, NULL);
    return g_strjoinv(", ", (char **)methods->pdata);
}

static bool
method_known(const struct http_server *server, const char *method)
{
    for (guint i = 0; i < server->routes->len; i++)
        if (strcmp(((const struct route *)server->routes->pdata[i])->method, method) == 0)
            return true;
    return false;
}

void
server_dispatch(struct connection *connection)
{
    struct http_server *server = connection->server;
    struct http_request *request = request_new(connection);
    const struct route *route = find_route(server, request->head->method, request->head->path);

    if (route) {
        route->handler(request, route->data);
        return;
    }
    g_autofree char *allowed = allowed_methods(server, request->head->path);
    if (!allowed && method_known(server, request->head->method)) {
        http_reply_error(request, 404, NULL);
        return;
    }
    if (!allowed)
        allowed = allowed_methods(server, NULL);
    http_reply_header(request, "Allow", allowed ? allowed : "");
    http_reply_error(request, 405, NULL);
}
