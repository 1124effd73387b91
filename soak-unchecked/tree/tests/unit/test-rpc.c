/* The RPC paths: large bodies are decoded aside and are answered as small ones are; long replies
 * leave in slices; idle sessions end. */
#include "config.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/settings.h"
#include "tests/unit/fake-store.h"
#include "tests/unit/http-fixture.h"
#include "xapid/calls/rows.h"
#include "xapid/calls/texts.h"
#include "xapid/http/rpc.h"

#define SECRET "OpaqueRef:00000000-0000-4000-8000-000000000000"
#define LARGE (300 * 1024) /* beyond what is decoded on the main loop */

struct world {
    struct settings *settings;
    struct api api;
    struct http_server *http;
    struct rpc_service *rpc;
    int port;
    char *network;
    gint done; /* the client's thread */
};

static int
listen_on_loopback(int *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpint(bind(fd, (struct sockaddr *)&address, size), ==, 0);
    g_assert_cmpint(listen(fd, 64), ==, 0);
    g_assert_cmpint(getsockname(fd, (struct sockaddr *)&address, &size), ==, 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static void
setup(struct world *w, const void *data)
{
    GVariantDict fields;

    (void)data;
    w->api.model = model_new();
    api_init(&w->api);
    api_register(&w->api, calls_event);
    w->settings = settings_parse("defaults", "", NULL);
    w->api.limits = &w->settings->limits;
    w->api.events = events_new(&w->api);
    w->api.texts = texts_new();
    g_autofree char *session = session_public_ref(SECRET);
    g_variant_dict_init(&fields, NULL);
    g_variant_dict_insert(&fields, "is_local_superuser", "b", TRUE);
    g_variant_dict_insert(&fields, "last_active", "x", g_get_real_time());
    struct txn *txn = model_begin(w->api.model, NULL);
    txn_create(txn, cls("session"), session, g_variant_dict_end(&fields), NULL);
    g_assert_cmpuint(txn_commit(txn, NULL), >, 0);
    w->network = row_create(w->api.model, "network", fields_of("name_label", "net", NULL));
    w->http = http_server_new(NULL, NULL);
    w->rpc = rpc_serve(w->http, &w->api);
    int listener = listen_on_loopback(&w->port);
    g_assert_true(http_server_listen(w->http, listener, HTTP_CLEAR, NULL));
}

static void
teardown(struct world *w, const void *data)
{
    (void)data;
    http_server_free(w->http);
    rpc_service_free(w->rpc);
    while (g_main_context_iteration(NULL, FALSE))
        continue;
    g_assert_cmpuint(w->api.parked, ==, 0);
    g_assert_cmpuint(w->api.rows_held, ==, 0);
    events_free(w->api.events);
    texts_free(w->api.texts);
    g_hash_table_unref(w->api.impls);
    settings_free(w->settings);
    model_free(w->api.model);
    g_free(w->network);
}

/* ---- clients, in threads of their own ---- */

static char *
post(const char *path, const char *body, const char *padding)
{
    return g_strdup_printf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s%s", path,
                           strlen(body) + strlen(padding), body, padding);
}

static char *
json(const char *method, const char *params)
{
    g_autofree char *body = g_strdup_printf(
        "{\"method\":\"%s\",\"params\":[\"" SECRET "\"%s],\"id\":1}", method, params);

    return post("/jsonrpc", body, "");
}

struct errand {
    void (*run)(struct world *w);
    struct world *w;
};

static void *
run_errand(void *data)
{
    struct errand *errand = data;

    errand->run(errand->w);
    g_atomic_int_set(&errand->w->done, 1);
    g_main_context_wakeup(NULL);
    return NULL;
}

/* Serves until the client has done what it wants. */
static void
serve_while(struct world *w, void (*client)(struct world *w))
{
    struct errand errand = {client, w};

    w->done = 0;
    GThread *thread = g_thread_new("client", run_errand, &errand);
    while (!g_atomic_int_get(&w->done))
        g_main_context_iteration(NULL, TRUE);
    g_thread_join(thread);
}

static char *
body_of(char *reply)
{
    char *body = strstr(reply, "\r\n\r\n");
    char *copy = g_strdup(body ? body + 4 : reply);

    g_free(reply);
    return copy;
}

/* ---- large requests ---- */

static void
ask_both_ways(struct world *w)
{
    static const struct {
        const char *path, *body, *answer;
    } cases[] = {
        {"/jsonrpc", "{\"method\":\"network.get_all\",\"params\":[\"" SECRET "\"],\"id\":1}",
         "OpaqueRef:"},
        {"/jsonrpc", "{\"method\":\"network.get_all\",\"params\":[\"x\"],\"id\":\"a\"}",
         "SESSION_INVALID"},
        {"/jsonrpc", "{\"method\":\"network.get_all\",\"params\":[],\"id\":\"a\"}", "error"},
        {"/jsonrpc", "{\"method\":\"no.such\",\"params\":[],\"id\":1}", "MESSAGE_METHOD_UNKNOWN"},
        {"/jsonrpc", "{\"method\":\"event.from\",\"params\":[\"x\",7],\"id\":1}",
         "SESSION_INVALID"},
        {"/jsonrpc", "{\"method\":\"event.from\",\"params\":[\"" SECRET "\",7],\"id\":1}",
         "MESSAGE_PARAMETER_COUNT_MISMATCH"},
        {"/jsonrpc",
         "{\"jsonrpc\":\"2.0\",\"method\":\"event.from\",\"params\":[\"" SECRET
         "\",[\"vm\",[]],\"\",0.5],\"id\":1}",
         "INVALID_VALUE"},
        {"/jsonrpc",
         "{\"method\":\"event.from\",\"params\":[\"" SECRET "\",[],\"\",\"never\"],\"id\":1}",
         "INVALID_VALUE"},
        {"/jsonrpc",
         "{\"method\":\"event.from\",\"params\":[\"" SECRET "\",[\"vm\"],\"\",0.0],\"id\":1}",
         "valid_ref_counts"},
        {"/jsonrpc", "{\"method\":\"network.get_all\",\"params\":[\"", "UNMARSHAL"},
        {"/",
         "<methodCall><methodName>network.get_all</methodName><params><param><value>" SECRET
         "</value></param></params></methodCall>",
         "OpaqueRef:"},
        {"/", "<methodCall><methodName>system.listMethods</methodName></methodCall>", "VM.start"},
        {"/", "<methodCall><methodName>network.get_all</methodName><params>", "UNMARSHAL"},
        {"/",
         "<methodCall><methodName>network.get_record</methodName><params><param><value>" SECRET
         "</value></param><param><value>x</value></param></params></methodCall>",
         "HANDLE_INVALID"},
    };
    g_autofree char *padding = g_strnfill(LARGE, ' ');
    int fd = client_connect(w->port);

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *small = post(cases[i].path, cases[i].body, "");
        g_autofree char *large = post(cases[i].path, cases[i].body, padding);

        client_send(fd, small);
        g_autofree char *to_small = body_of(client_reply(fd));
        client_send(fd, large);
        g_autofree char *to_large = body_of(client_reply(fd));
        g_assert_nonnull(strstr(to_small, cases[i].answer));
        g_assert_cmpstr(to_large, ==, to_small);
    }
    close(fd);
}

static void
test_same_answers(struct world *w, const void *data)
{
    (void)data;
    serve_while(w, ask_both_ways);
}

/* Half a million values, ten megabytes; a call that is refused when they have been understood. */
static char *
huge_request(void)
{
    GString *body = g_string_new("{\"method\":\"event.from\",\"params\":[\"" SECRET "\",[\"\"");

    for (int i = 0; i < 500000; i++)
        g_string_append_printf(body, ",\"a-class-no-%09d\"", i);
    g_string_append(body, "],\"\",0.0],\"id\":1}");
    char *text = post("/jsonrpc", body->str, "");
    g_string_free(body, TRUE);
    return text;
}

static void
ping_beside(struct world *w)
{
    g_autofree char *huge = huge_request(), *ping = json("network.get_all", "");
    int slow = client_connect(w->port), quick = client_connect(w->port);
    int pings = 0;
    char byte;

    g_assert_cmpuint(strlen(huge), >, 10 * 1000 * 1000);
    client_send(slow, huge);
    while (recv(slow, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0) {
        client_send(quick, ping);
        g_autofree char *reply = client_reply(quick);
        g_assert_nonnull(strstr(reply, "OpaqueRef:"));
        pings++;
    }
    g_autofree char *reply = client_reply(slow);
    g_assert_nonnull(strstr(reply, "too many subscriptions"));
    g_test_message("%d pings", pings);
    g_assert_cmpint(pings, >=, 10);
    close(slow);
    close(quick);
}

static void
test_pings(struct world *w, const void *data)
{
    (void)data;
    serve_while(w, ping_beside);
}

static char *
set_label(struct world *w, const char *label)
{
    g_autofree char *spaces = g_strnfill(LARGE, ' ');
    g_autofree char *params = g_strdup_printf(",\"%s\",%s\"%s\"", w->network, spaces, label);

    return json("network.set_name_label", params);
}

/* What came whole is done, as for small requests, whoever may still be there. */
static void
leave_early(struct world *w)
{
    g_autofree char *gone = set_label(w, "gone"), *half = set_label(w, "half");
    g_autofree char *parked = json("network.get_all", "");
    g_autofree char *spaces = g_strnfill(LARGE, ' ');
    g_autofree char *params = g_strdup_printf(",[\"vm\"],\"%020d,0\",%s1000.0", 1, spaces);
    g_autofree char *waits = json("event.from", params);
    int fd = client_connect(w->port);

    client_send(fd, gone);
    close(fd);
    fd = client_connect(w->port);
    client_send(fd, waits); /* parks; nobody would ever end it */
    close(fd);
    fd = client_connect(w->port);
    client_send(fd, half);
    shutdown(fd, SHUT_WR);
    g_autofree char *reply = client_rest(fd);
    g_assert_nonnull(strstr(reply, "\"result\":\"\""));
    close(fd);
}

static void
test_gone(struct world *w, const void *data)
{
    struct http_stats stats;
    guint64 head = model_head(w->api.model);

    (void)data;
    serve_while(w, leave_early);
    do { /* the parked one too finds out that its client has gone */
        g_main_context_iteration(NULL, TRUE);
        http_server_stats(w->http, &stats);
    } while (stats.requests_active || stats.requests < 3 || w->api.parked);
    g_assert_cmpuint(stats.body_bytes, ==, 0);
    g_assert_cmpuint(model_head(w->api.model), ==, head + 2);
}

static void
send_huge(struct world *w)
{
    g_autofree char *huge = huge_request();
    int fd = client_connect(w->port);

    client_send(fd, huge);
    g_autofree char *reply = client_rest(fd);
    if (*reply)
        g_assert_nonnull(strstr(reply, " 503 "));
    close(fd);
}

static void
until_taken(struct world *w)
{
    struct http_stats stats;

    do {
        g_main_context_iteration(NULL, TRUE);
        http_server_stats(w->http, &stats);
    } while (!stats.requests);
}

static void
test_closing(struct world *w, const void *server_first)
{
    struct errand errand = {send_huge, w};
    GThread *thread = g_thread_new("client", run_errand, &errand);
    guint64 calls = w->api.calls;

    until_taken(w);
    if (server_first)
        http_server_free(g_steal_pointer(&w->http));
    rpc_service_free(g_steal_pointer(&w->rpc));
    g_assert_cmpuint(w->api.calls, ==, calls);
    while (g_main_context_iteration(NULL, FALSE))
        continue;
    http_server_free(g_steal_pointer(&w->http));
    g_thread_join(thread);
}

/* ---- long replies ---- */

static void
read_networks(struct world *w)
{
    g_autofree char *ask = json("network.get_all_records", "");
    g_autofree char *old = g_strconcat("POST /jsonrpc HTTP/1.0\r\n", strchr(ask, '\n') + 1, NULL);
    int fd = client_connect(w->port);

    client_send(fd, old);
    g_autofree char *head = client_reply(fd); /* up to the body: it has no length */
    g_assert_nonnull(strstr(head, "HTTP/1.0 200"));
    g_assert_null(strstr(head, "Content-Length"));
    /* The rest is not encoded yet: that this is the moment before must be seen. */
    g_autofree char *change = g_strdup_printf(",\"%s\",\"changed\"", w->network);
    g_autofree char *set = json("network.set_name_label", change);
    int other = client_connect(w->port);
    client_send(other, set);
    g_autofree char *set_reply = client_reply(other);
    g_assert_nonnull(strstr(set_reply, "\"result\":\"\""));
    g_autofree char *rest = client_rest(fd);
    g_assert_true(g_str_has_suffix(rest, ",\"error\":null,\"id\":1}"));
    g_assert_nonnull(strstr(rest, "\"net\""));
    g_assert_null(strstr(rest, "\"changed\""));
    close(fd);

    client_send(other, ask);
    g_autofree char *chunked = client_reply(other);
    g_assert_nonnull(strstr(chunked, "Transfer-Encoding: chunked"));
    shutdown(other, SHUT_WR);
    g_autofree char *chunks = client_rest(other);
    g_assert_nonnull(strstr(chunks, "\"changed\""));
    g_assert_true(g_str_has_suffix(chunks, "\r\n0\r\n\r\n"));
    close(other);

    fd = client_connect(w->port);
    client_send(fd, ask);
    g_free(client_reply(fd));
    close(fd); /* without the rest */
}

static void
test_slices(struct world *w, const void *data)
{
    g_autofree char *text = g_strnfill(100 * 1024, 'x');
    struct http_stats stats;

    (void)data;
    /* Far more than sockets hold; the first row comes last: an answer is in order of creation. */
    row_destroy(w->api.model, w->network);
    g_free(w->network);
    for (int i = 0; i < 200; i++)
        g_free(row_create(w->api.model, "network", fields_of("name_description", text, NULL)));
    w->network = row_create(w->api.model, "network", fields_of("name_label", "net", NULL));
    serve_while(w, read_networks);
    for (http_server_stats(w->http, &stats); stats.connections || w->api.rows_held;
         http_server_stats(w->http, &stats))
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpuint(w->api.rows_held, ==, 0);
}

/* A day of microseconds is more than 32 bits hold. */
static void
test_idle_session(struct world *w, const void *data)
{
    gint64 now = g_get_real_time(), day = G_TIME_SPAN_DAY;
    g_autofree char *session = session_public_ref(SECRET);

    (void)data;
    g_assert_cmpuint(w->api.limits->session_idle_seconds, ==, 86400);
    session_collect(&w->api, now + day - G_TIME_SPAN_MINUTE);
    g_assert_true(model_has(w->api.model, cls("session"), session));
    session_collect(&w->api, now + day + G_TIME_SPAN_MINUTE);
    g_assert_false(model_has(w->api.model, cls("session"), session));
}

#define ADD(name, data, test)                                                                      \
    g_test_add("/rpc/" name, struct world, GINT_TO_POINTER(data), setup, test, teardown)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("large/same-answers", 0, test_same_answers);
    ADD("large/pings-go-on", 0, test_pings);
    ADD("large/client-gone", 0, test_gone);
    ADD("large/server-gone", 1, test_closing);
    ADD("large/service-gone", 0, test_closing);
    ADD("slices", 0, test_slices);
    ADD("idle-session", 0, test_idle_session);
    return g_test_run();
}
