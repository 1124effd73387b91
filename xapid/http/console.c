#include "config.h"

#include "xapid/http/console.h"

#include <string.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/log.h"
#include "xapid/http/admit.h"
#include "xapid/http/console-find.h"
#include "xapid/http/duplex.h"
#include "xapid/http/websocket.h"

/* Needed beside the action's own, for the console of the host itself. */
#define HOST_CONSOLE "host_console"
#define HOST_CONSOLE_WS "host_console_ws"

struct console_service {
    struct api *api;
    const struct dm_http_action *connect, *get;
    GQueue consoles; /* of struct console, those that are being opened too */
    guint timer;     /* while there are any */
};

/* One who looks at a console. */
struct console {
    struct console_service *service;
    const struct dm_http_action *action;
    struct http_request *request; /* NULL once its connection was taken */
    struct duplex *duplex;        /* from then on */
    struct console_found found;
    char *session;     /* reference; NULL: the host's root */
    char *own_session; /* secret, of one who came with a password; else NULL */
    char *head;        /* of the answer */
    GList link;
};

static void
console_free(struct console *console)
{
    g_queue_unlink(&console->service->consoles, &console->link);
    if (console->own_session)
        admit_release(console->service->api, console->own_session);
    console_found_clear(&console->found);
    g_free(console->session);
    g_free(console->own_session);
    g_free(console->head);
    g_free(console);
}

/* Answers, and it is no more. */
static void
refuse(struct console *console, unsigned status, const char *text)
{
    http_reply_error(console->request, status, text);
    console_free(console);
}

/* ---- while it is open ---- */

/* As the session and its roles are now. */
static bool
still_may(const struct console *console)
{
    const struct api *api = console->service->api;
    g_autofree char *permission = g_strconcat("http/", console->action->name, NULL);
    const struct dm_class *sessions = dm_class_find("session", false);

    if (!model_has(api->model, dm_class_find("console", false), console->found.row))
        return false;
    if (!console->session)
        return true;
    if (!model_has(api->model, sessions, console->session))
        return false;
    const struct caller caller = {
        .session = console->session,
        .role = session_role(console->service->api, console->session),
        .local_root = model_get_bool(api->model, console->session, "is_local_superuser")};
    return rbac_check(&caller, permission, console->action->min_role, NULL);
}

static gboolean
look(void *data)
{
    struct console_service *service = data;
    gint64 idle = model_get_int(service->api->model, service->api->pool, "vm_console_idle_timeout");

    if (!service->consoles.length) {
        service->timer = 0;
        return G_SOURCE_REMOVE;
    }
    for (GList *link = service->consoles.head; link; link = link->next) {
        struct console *console = link->data;

        if (console->duplex &&
            (!still_may(console) || (idle > 0 && duplex_silent_seconds(console->duplex) >= idle)))
            duplex_stop(console->duplex);
    }
    return G_SOURCE_CONTINUE;
}

static void
has_ended(void *data)
{
    struct console *console = data;

    log_debug("a console of %s was closed", console->found.vm);
    console_free(console);
}

static void
opened(const GError *error, int fd, void *data)
{
    struct console *console = data;
    struct http_taken taken;

    if (error) {
        g_autofree char *text = g_strdup_printf("the console cannot be opened: %s", error->message);
        refuse(console, 503, text);
        return;
    }
    if (!http_request_take(g_steal_pointer(&console->request), console->head, &taken)) {
        close(fd);
        console_free(console);
        return;
    }
    console->duplex =
        duplex_start(&taken, console->action == console->service->get, fd, has_ended, console);
    if (console->duplex)
        log_debug("a console of %s was opened", console->found.vm);
    else
        console_free(console);
}

/* ---- the request ---- */

static bool
has_room(const struct console *console)
{
    const struct console_service *service = console->service;
    const struct api *api = service->api;
    guint max =
        model_get_bool(api->model, api->pool, "limit_console_sessions") ? 1 : CONSOLES_OF_VM_MAX;
    guint of_vm = 0;

    for (const GList *link = service->consoles.head; link; link = link->next)
        of_vm += g_strcmp0(((const struct console *)link->data)->found.vm, console->found.vm) == 0;
    return service->consoles.length <= CONSOLES_MAX && of_vm <= max;
}

static bool
has_word(const char *list, const char *word)
{
    g_auto(GStrv) words = g_strsplit_set(list ? list : "", ", \t", -1);

    for (char **at = words; *at; at++)
        if (g_ascii_strcasecmp(*at, word) == 0)
            return true;
    return false;
}

/* A browser sends its cookies and passwords along for any page that asks it to; a session in the
 * query only a page that knows it. */
static bool
is_foreign_page(const struct http_request *request)
{
    const char *origin = http_request_header(request, "Origin");
    const char *host = http_request_header(request, "Host");
    const char *name = origin ? strstr(origin, "://") : NULL;

    if (!origin || http_request_query(request, "session_id"))
        return false;
    return !name || !host || g_ascii_strcasecmp(name + strlen("://"), host) != 0;
}

/* The answer's head, or NULL and why there is none. */
static char *
shake_hands(const struct http_request *request, const char **ret_why)
{
    const char *version = http_request_header(request, "Sec-WebSocket-Version");
    const char *key = http_request_header(request, "Sec-WebSocket-Key");
    const char *protocols = http_request_header(request, "Sec-WebSocket-Protocol");
    g_autofree char *accept = key ? websocket_accept(key) : NULL;

    if (!has_word(http_request_header(request, "Upgrade"), "websocket") ||
        !has_word(http_request_header(request, "Connection"), "upgrade") || !accept)
        *ret_why = "this is for websockets";
    else if (g_strcmp0(version, WEBSOCKET_VERSION) != 0)
        *ret_why = "websockets are of version " WEBSOCKET_VERSION;
    else if (protocols && !has_word(protocols, WEBSOCKET_PROTOCOL))
        *ret_why = "the one subprotocol is " WEBSOCKET_PROTOCOL;
    else
        return g_strconcat("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                           "Connection: Upgrade\r\nSec-WebSocket-Accept: ",
                           accept, "\r\n",
                           protocols ? "Sec-WebSocket-Protocol: " WEBSOCKET_PROTOCOL "\r\n" : "",
                           "\r\n", NULL);
    return NULL;
}

static void
admitted(struct http_request *request, const struct caller *caller, char *session, void *data)
{
    struct console_service *service = data;
    struct api *api = service->api;
    struct console *console = g_new0(struct console, 1);
    bool websocket = g_str_equal(http_request_method(request), service->get->method);
    const char *why = NULL;

    console->service = service;
    console->action = websocket ? service->get : service->connect;
    console->request = request;
    console->session = g_strdup(caller->session);
    console->own_session = session;
    console->link.data = console;
    g_queue_push_tail_link(&service->consoles, &console->link);
    console->head = websocket ? shake_hands(request, &why)
                              : g_strdup("HTTP/1.1 200 OK\r\nCache-Control: no-cache, no-store\r\n"
                                         "\r\n");
    if (!console->head) {
        http_reply_header(request, "Sec-WebSocket-Version", WEBSOCKET_VERSION);
        refuse(console, 400, why);
        return;
    }
    if (websocket && is_foreign_page(request)) {
        refuse(console, 403, "a page of another site may not use this session");
        return;
    }
    if (!console_find(api, request, caller, console->action,
                      websocket ? HOST_CONSOLE_WS : HOST_CONSOLE, &console->found)) {
        console_free(console);
        return;
    }
    g_autofree char *protocol = model_get_string(api->model, console->found.row, "protocol");
    g_autofree char *uuid = model_get_string(api->model, console->found.vm, "uuid");
    if (!has_room(console)) {
        refuse(console, 503, "too many consoles are open");
        return;
    }
    if (!service->timer)
        service->timer = g_timeout_add_seconds(CONSOLE_LOOK_SECONDS, look, service);
    domains_console(api->vm->domains, uuid, g_str_equal(protocol, "rfb") ? "screen" : "text",
                    opened, console);
}

static void
serve_connect(struct http_request *request, void *data)
{
    struct console_service *service = data;

    admit_hold(service->api, request, service->connect, admitted, service);
}

static void
serve_get(struct http_request *request, void *data)
{
    struct console_service *service = data;

    admit_hold(service->api, request, service->get, admitted, service);
}

struct console_service *
consoles_serve(struct http_server *server, struct api *api)
{
    struct console_service *service = g_new0(struct console_service, 1);

    service->api = api;
    service->connect = admit_action("connect_console");
    service->get = admit_action("connect_console_ws");
    http_server_route_stream(server, service->connect->method, service->connect->path,
                             serve_connect, service);
    http_server_route_stream(server, service->get->method, service->get->path, serve_get, service);
    return service;
}

void
console_service_free(struct console_service *service)
{
    g_clear_handle_id(&service->timer, g_source_remove);
    g_free(service);
}
