#include "config.h"

#include "xapid/http/rpc.h"

#include <string.h>

#include "lib/error.h"
#include "lib/wire/jsonrpc.h"
#include "lib/wire/xmlrpc.h"
#include "xapid/calls/rows.h"
#include "xapid/http/admit.h"
#include "xapid/http/aside.h"

#define SLICE_BYTES (64 * 1024) /* of a long reply; the next when the socket has drained */
#define LARGE_BODY (256 * 1024) /* is decoded aside */

/* An HTTP action of the model that is not there yet. */
struct unserved {
    struct api *api;
    const struct dm_http_action *action;
};

struct rpc_service {
    struct api *api;
    struct aside *decoders;
    struct unserved *unserved; /* dm_n_http_actions */
    bool closing;
};

/* One request on its way through the API. */
struct rpc {
    struct rpc_service *service;
    struct http_request *http;
    struct rpc_request request;
    bool json;
    bool gone;       /* the client hung up */
    GError *garbled; /* why there is no request */
    struct exchange *exchange;
    struct rows *rows; /* of a reply in slices */
    GString *first;    /* its first slice, until that is asked for */
};

static void
rpc_free(void *data)
{
    struct rpc *rpc = data;

    rpc_request_clear(&rpc->request);
    g_clear_error(&rpc->garbled);
    rows_free(rpc->rows);
    if (rpc->first)
        g_string_free(rpc->first, TRUE);
    g_free(rpc);
}

static const char *
content_type(const struct rpc *rpc)
{
    /* To the letter: with a charset behind it, xen-api takes the other protocol for good. */
    return rpc->request.dialect == RPC_XML ? "text/xml" : "application/json";
}

static void
allow_origins(struct rpc *rpc)
{
    http_reply_header(rpc->http, "Access-Control-Allow-Origin", "*");
    http_reply_header(rpc->http, "Access-Control-Allow-Headers", "X-Requested-With");
}

/* Takes both. */
static void
send_body(struct rpc *rpc, GString *body)
{
    g_autoptr(GBytes) bytes = g_string_free_to_bytes(body);

    allow_origins(rpc);
    http_reply(rpc->http, 200, content_type(rpc), bytes);
    rpc_free(rpc);
}

static bool
next_slice(GString *out, void *data)
{
    struct rpc *rpc = data;

    if (!rpc->first)
        return rows_encode(rpc->rows, &rpc->request, out, SLICE_BYTES);
    g_string_append_len(out, rpc->first->str, (gssize)rpc->first->len);
    g_string_free(g_steal_pointer(&rpc->first), TRUE);
    return true;
}

/* Takes both.  What fits one slice leaves with its length. */
static void
send_rows(struct rpc *rpc, struct rows *rows)
{
    GString *body = g_string_sized_new(4096);

    rpc->rows = rows;
    if (!rows_encode(rows, &rpc->request, body, SLICE_BYTES)) {
        send_body(rpc, body);
        return;
    }
    rpc->first = body;
    g_clear_pointer(&rpc->request.params, g_variant_unref);
    allow_origins(rpc);
    http_reply_slices(rpc->http, 200, content_type(rpc), next_slice, rpc, rpc_free);
}

static void
answered(const struct call_answer *answer, void *data)
{
    struct rpc *rpc = data;

    if (answer->rows) {
        send_rows(rpc, answer->rows);
        return;
    }
    GString *body = g_string_sized_new(4096);
    if (rpc->request.dialect == RPC_XML && answer->error)
        xmlrpc_reply_failure(body, answer->error);
    else if (rpc->request.dialect == RPC_XML)
        xmlrpc_reply_success(body, answer->type, answer->value, answer->bare);
    else if (answer->error)
        jsonrpc_reply_failure(body, &rpc->request, answer->error);
    else
        jsonrpc_reply_success(body, &rpc->request, answer->type, answer->value);
    send_body(rpc, body);
}

static void
gone(void *data)
{
    struct rpc *rpc = data;

    rpc->gone = true;
    if (rpc->exchange)
        call_gone(rpc->exchange);
}

static void
decode(struct rpc *rpc)
{
    gsize length;
    const char *body = g_bytes_get_data(http_request_body(rpc->http), &length);

    if (rpc->json)
        jsonrpc_request_parse(body, length, &rpc->request, &rpc->garbled);
    else
        xmlrpc_request_parse(body, length, &rpc->request, &rpc->garbled);
}

/* In a thread: nothing else knows this rpc, and its request waits for the answer. */
static void
decode_aside(void *job)
{
    struct rpc *rpc = job;

    decode(rpc);
    if (rpc->garbled)
        return;
    api_convert(&rpc->request);
    /* One block of memory, which is quickly let go. */
    g_variant_get_data(rpc->request.params);
}

static void
run(struct rpc *rpc)
{
    const struct call_origin origin = {.local_root =
                                           http_request_transport(rpc->http) == HTTP_UNIX &&
                                           http_request_peer_uid(rpc->http) == 0,
                                       .address = http_request_origin(rpc->http),
                                       .local_address = http_request_local(rpc->http)};
    bool left = rpc->gone;

    if (rpc->garbled) {
        answered(&(struct call_answer){.error = rpc->garbled}, rpc);
        return;
    }
    struct exchange *exchange = api_call(rpc->service->api, &rpc->request, &origin, answered, rpc);
    if (!exchange) /* it was answered, and rpc is no more */
        return;
    rpc->exchange = exchange;
    if (left)
        call_gone(exchange);
}

static void
decoded(void *job)
{
    struct rpc *rpc = job;

    if (!rpc->service->closing) {
        run(rpc);
        return;
    }
    http_reply_error(rpc->http, 503, NULL);
    rpc_free(rpc);
}

static void
serve(struct http_request *http, struct rpc_service *service, bool json)
{
    struct rpc *rpc = g_new0(struct rpc, 1);

    rpc->service = service;
    rpc->http = http;
    rpc->json = json;
    http_request_on_gone(http, gone, rpc);
    if (g_bytes_get_size(http_request_body(http)) > LARGE_BODY) {
        aside_push(service->decoders, rpc);
        return;
    }
    decode(rpc);
    run(rpc);
}

static void
serve_xml(struct http_request *http, void *data)
{
    serve(http, data, false);
}

static void
serve_json(struct http_request *http, void *data)
{
    serve(http, data, true);
}

static void
serve_options(struct http_request *http, void *data)
{
    const char *asked = http_request_header(http, "Access-Control-Request-Headers");
    g_autofree char *allowed =
        asked ? g_strconcat(asked, ", X-Requested-With", NULL) : g_strdup("X-Requested-With");

    (void)data;
    http_reply_header(http, "Access-Control-Allow-Origin", "*");
    http_reply_header(http, "Access-Control-Allow-Headers", allowed);
    http_reply_header(http, "Access-Control-Allow-Methods", "PUT");
    http_reply(http, 200, "text/plain", NULL);
}

static void
not_implemented(struct http_request *http, const struct caller *caller, void *data)
{
    const struct unserved *unserved = data;
    g_autofree char *text = g_strdup_printf("%s is not implemented\n", unserved->action->name);

    (void)caller;
    http_reply_error(http, 501, text);
}

/* What a host can do is told to those who might do it. */
static void
refuse_unserved(struct http_request *http, void *data)
{
    const struct unserved *unserved = data;

    if (unserved->action->role_check)
        admit(unserved->api, http, unserved->action, not_implemented, data);
    else
        not_implemented(http, NULL, data);
}

struct rpc_service *
rpc_serve(struct http_server *server, struct api *api)
{
    struct rpc_service *service = g_new0(struct rpc_service, 1);

    service->api = api;
    service->decoders = aside_new(decode_aside, decoded);
    service->unserved = g_new0(struct unserved, dm_n_http_actions);
    for (unsigned i = 0; i < dm_n_http_actions; i++) {
        const struct dm_http_action *action = &dm_http_actions[i];
        service->unserved[i] = (struct unserved){api, action};
        if (!g_str_equal(action->path, "/"))
            http_server_route(server, action->method, action->path, refuse_unserved,
                              &service->unserved[i]);
    }
    /* "/" catches every other path: clients post to /RPC2, /xmlrpc and others. */
    http_server_route(server, "POST", "/", serve_xml, service);
    http_server_route(server, "POST", "/RPC2", serve_xml, service);
    http_server_route(server, "POST", "/json", serve_xml, service);
    http_server_route(server, "POST", "/jsonrpc", serve_json, service);
    http_server_route(server, "OPTIONS", "/", serve_options, NULL);
    http_server_route(server, "OPTIONS", "/json", serve_options, NULL);
    http_server_route(server, "OPTIONS", "/jsonrpc", serve_options, NULL);
    return service;
}

void
rpc_service_free(struct rpc_service *service)
{
    if (!service)
        return;
    service->closing = true;
    aside_free(service->decoders);
    g_free(service->unserved);
    g_free(service);
}
