#include "config.h"

#include "lib/peer/client.h"

#include "lib/error.h"
#include "lib/faults.h"
#include "lib/log.h"
#include "lib/peer/bulk.h"
#include "lib/peer/peer.h"

/* An operation without an end for so long is started again, which is no-op at the other side. */
#define ASK_AGAIN_SECONDS 5
#define OPERATIONS_TYPE "a(ssss)"

/* An operation that was started and has not ended. */
struct pending {
    GVariant *params;
    peer_done_fn done;
    void *data;
    gint64 asked; /* monotonic */
};

/* A question that waits for a connection or an answer. */
struct question {
    struct peer_client *client;
    const char *method;
    GVariant *params;
    const char *type;
    int timeout_ms; /* -1: of any call */
    peer_done_fn done;
    void *data;
};

struct listener {
    const char *signal;
    void (*handler)(GVariant *parameters, void *data);
    void *data;
};

struct peer_client {
    const char *object_path, *interface;
    GDBusProxy *proxy;    /* NULL between connections */
    GHashTable *pending;  /* op_id -> struct pending */
    GPtrArray *questions; /* waiting to be sent */
    GArray *listeners;    /* of struct listener */
    GCancellable *freed;  /* calls that are under way then no longer know the client */
    guint ask_again;
};

static void
pending_free(void *data)
{
    struct pending *pending = data;

    g_variant_unref(pending->params);
    g_free(pending);
}

/* Without an answer that matters. */
static void
tell(GDBusProxy *proxy, const char *method, const char *op_id)
{
    if (FAULT_POINT("peer.tell.before", NULL))
        g_dbus_proxy_call(proxy, method, g_variant_new("(s)", op_id), G_DBUS_CALL_FLAGS_NONE, -1,
                          NULL, NULL, NULL);
    (void)FAULT_POINT("peer.tell.after", NULL);
}

static GError *
refused(GError *error)
{
    g_dbus_error_strip_remote_error(error);
    return api_error_new("INTERNAL_ERROR", error->message, NULL);
}

/* ---- operations ---- */

/* Ends an operation: error is borrowed. */
static void
pending_end(struct peer_client *client, const char *op_id, const GError *error, GVariant *result)
{
    g_autofree char *key = NULL;
    struct pending *pending = NULL;

    if (!g_hash_table_steal_extended(client->pending, op_id, (void **)&key, (void **)&pending))
        return;
    if (client->proxy)
        tell(client->proxy, "Forget", op_id);
    pending->done(error, error ? NULL : result, pending->data);
    pending_free(pending);
}

static void
on_done(struct peer_client *client, GVariant *parameters)
{
    g_autofree const char **description = NULL;
    g_autoptr(GVariant) result = NULL;
    g_autoptr(GError) error = NULL;
    const char *op_id;

    if (!g_variant_is_of_type(parameters, G_VARIANT_TYPE("(sasa{sv})"))) {
        log_warning("%s ends an operation in a way that is not known", client->interface);
        return;
    }
    g_variant_get(parameters, "(&s^a&s@a{sv})", &op_id, &description, &result);
    if (description[0])
        error = api_error_newv(description[0], description + 1);
    pending_end(client, op_id, error, result);
}

struct start_call {
    struct peer_client *client;
    char *op_id;
};

static void
start_answered(GObject *source, GAsyncResult *result, void *data)
{
    struct start_call *call = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = g_dbus_proxy_call_finish(G_DBUS_PROXY(source), result, &error);

    /* A lost connection is no answer: it is started again on the next one. */
    if (FAULT_POINT("peer.start.after", NULL) && !answer && g_dbus_error_is_remote_error(error)) {
        g_autoptr(GError) api = refused(error);
        pending_end(call->client, call->op_id, api, NULL);
    }
    g_free(call->op_id);
    g_free(call);
}

static void
send_start(struct peer_client *client, const char *op_id, struct pending *pending)
{
    struct start_call *call;

    pending->asked = g_get_monotonic_time();
    if (!FAULT_POINT("peer.start.before", NULL))
        return; /* as if it were lost: it is asked again */
    call = g_new0(struct start_call, 1);
    call->client = client;
    call->op_id = g_strdup(op_id);
    g_dbus_proxy_call(client->proxy, "Start", pending->params, G_DBUS_CALL_FLAGS_NONE, -1,
                      client->freed, start_answered, call);
}

void
peer_client_start(struct peer_client *client, const char *op_id, GVariant *params,
                  peer_done_fn done, void *data)
{
    struct pending *pending = g_new0(struct pending, 1);

    pending->params = g_variant_ref_sink(params);
    pending->done = done;
    pending->data = data;
    g_hash_table_insert(client->pending, g_strdup(op_id), pending);
    if (client->proxy)
        send_start(client, op_id, pending);
}

void
peer_client_abort(struct peer_client *client, const char *op_id)
{
    if (client->proxy && g_hash_table_contains(client->pending, op_id))
        tell(client->proxy, "Abort", op_id);
}

static void send_questions(struct peer_client *client);

/* Should an end ever not be told: its Done is sent again, and asking costs nothing. */
static gboolean
ask_again(void *data)
{
    struct peer_client *client = data;
    gint64 now = g_get_monotonic_time();
    GHashTableIter iter;
    const char *op_id;
    struct pending *pending;

    if (client->proxy)
        send_questions(client);
    g_hash_table_iter_init(&iter, client->pending);
    while (client->proxy && g_hash_table_iter_next(&iter, (void **)&op_id, (void **)&pending))
        if (now - pending->asked >= ASK_AGAIN_SECONDS * (gint64)G_USEC_PER_SEC)
            send_start(client, op_id, pending);
    return G_SOURCE_CONTINUE;
}

/* The other side ended operations whose end an earlier process of ours did not hear; it keeps them
 * until they are forgotten.  Those that run are left to those who will ask for them again. */
static void
leftovers_known(const GError *error, GVariant *operations, void *data)
{
    struct peer_client *client = data;
    const char *op_id, *state;
    GVariantIter iter;

    if (error) {
        log_debug("asking for operations: %s", error->message);
        return;
    }
    g_variant_iter_init(&iter, operations);
    while (g_variant_iter_next(&iter, "(&s&s&s&s)", &op_id, NULL, NULL, &state))
        if (client->proxy && g_str_equal(state, "done") &&
            !g_hash_table_contains(client->pending, op_id))
            tell(client->proxy, "Forget", op_id);
}

/* ---- questions ---- */

static void question_send(struct question *question);

static void
question_free(void *data)
{
    struct question *question = data;

    g_clear_pointer(&question->params, g_variant_unref);
    g_free(question);
}

/* Asked again on the next connection (we may be closing: then never), which may be there already.
 */
static void
question_again(struct question *question, const GDBusProxy *lost)
{
    struct peer_client *client = question->client;

    if (client->proxy && client->proxy != lost)
        question_send(question);
    else
        g_ptr_array_add(client->questions, question);
}

static GVariant *
question_unpack(const struct question *question, GVariant *answer, GUnixFDList *fds, GError **error)
{
    g_autoptr(GVariant) value =
        g_variant_n_children(answer) == 1 ? g_variant_get_child_value(answer, 0) : NULL;

    if (value && g_variant_is_of_type(value, G_VARIANT_TYPE_HANDLE))
        return bulk_unpack(value, fds, question->type, error);
    if (value && g_variant_is_of_type(value, G_VARIANT_TYPE(question->type)))
        return g_steal_pointer(&value);
    api_error_set(error, "INTERNAL_ERROR", "an answer of an unknown form", question->method, NULL);
    return NULL;
}

static void
question_answered(GObject *source, GAsyncResult *result, void *data)
{
    struct question *question = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) unfit = NULL;
    g_autoptr(GUnixFDList) fds = NULL;
    g_autoptr(GVariant) answer =
        g_dbus_proxy_call_with_unix_fd_list_finish(G_DBUS_PROXY(source), &fds, result, &error);

    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED)) {
        question_free(question);
        return;
    }
    if (!FAULT_POINT("peer.ask.after", NULL) ||
        (error && !g_dbus_error_is_remote_error(error) &&
         !g_error_matches(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))) {
        question_again(question, G_DBUS_PROXY(source));
        return;
    }
    if (error) {
        g_autoptr(GError) api = refused(error);
        question->done(api, NULL, question->data);
    } else {
        g_autoptr(GVariant) value = question_unpack(question, answer, fds, &unfit);
        question->done(unfit, value, question->data);
    }
    question_free(question);
}

static void
question_send(struct question *question)
{
    if (!FAULT_POINT("peer.ask.before", NULL)) {
        g_ptr_array_add(question->client->questions, question);
        return;
    }
    g_dbus_proxy_call_with_unix_fd_list(question->client->proxy, question->method, question->params,
                                        G_DBUS_CALL_FLAGS_NONE, question->timeout_ms, NULL,
                                        question->client->freed, question_answered, question);
}

void
peer_client_ask(struct peer_client *client, const char *method, GVariant *params, const char *type,
                peer_done_fn done, void *data)
{
    peer_client_ask_long(client, method, params, type, /* timeout_ms: of any call */ -1, done,
                         data);
}

void
peer_client_ask_long(struct peer_client *client, const char *method, GVariant *params,
                     const char *type, int timeout_ms, peer_done_fn done, void *data)
{
    struct question *question = g_new0(struct question, 1);

    question->client = client;
    question->method = method;
    question->params = params ? g_variant_ref_sink(params) : NULL;
    question->type = type;
    question->timeout_ms = timeout_ms;
    question->done = done;
    question->data = data;
    if (client->proxy)
        question_send(question);
    else
        g_ptr_array_add(client->questions, question);
}

static void
send_questions(struct peer_client *client)
{
    g_autoptr(GPtrArray) questions = client->questions;

    client->questions = g_ptr_array_new_with_free_func(question_free);
    g_ptr_array_set_free_func(questions, NULL);
    for (guint i = 0; i < questions->len; i++)
        question_send(questions->pdata[i]);
}

/* ---- connection ---- */

static void
on_signal(GDBusProxy *proxy, const char *sender, const char *signal, GVariant *parameters,
          void *data)
{
    struct peer_client *client = data;

    (void)proxy;
    (void)sender;
    if (g_str_equal(signal, "Done"))
        on_done(client, parameters);
    for (guint i = 0; i < client->listeners->len; i++) {
        const struct listener *listener = &g_array_index(client->listeners, struct listener, i);
        if (g_str_equal(listener->signal, signal))
            listener->handler(parameters, listener->data);
    }
}

static void
disconnect(struct peer_client *client)
{
    if (client->proxy)
        g_signal_handlers_disconnect_by_data(client->proxy, client);
    g_clear_object(&client->proxy);
}

static void
send_all(struct peer_client *client)
{
    GHashTableIter iter;
    const char *op_id;
    struct pending *pending;

    g_hash_table_iter_init(&iter, client->pending);
    while (g_hash_table_iter_next(&iter, (void **)&op_id, (void **)&pending))
        send_start(client, op_id, pending);
    send_questions(client);
    peer_client_ask(client, "Operations", NULL, OPERATIONS_TYPE, leftovers_known, client);
}

void
peer_client_set_connection(struct peer_client *client, GDBusConnection *connection)
{
    g_autoptr(GError) error = NULL;

    disconnect(client);
    if (!connection)
        return;
    client->proxy =
        g_dbus_proxy_new_sync(connection, G_DBUS_PROXY_FLAGS_DO_NOT_LOAD_PROPERTIES, NULL, NULL,
                              client->object_path, client->interface, NULL, &error);
    if (!client->proxy) {
        /* It has gone again; the next one will come. */
        log_warning("connecting to %s: %s", client->interface, error->message);
        return;
    }
    g_dbus_proxy_set_default_timeout(client->proxy, PEER_CALL_TIMEOUT_MS);
    g_signal_connect(client->proxy, "g-signal", G_CALLBACK(on_signal), client);
    send_all(client);
}

void
peer_client_on_signal(struct peer_client *client, const char *signal,
                      void (*handler)(GVariant *parameters, void *data), void *data)
{
    const struct listener listener = {signal, handler, data};

    g_array_append_val(client->listeners, listener);
}

GDBusProxy *
peer_client_proxy(const struct peer_client *client)
{
    return client->proxy;
}

/* ---- life ---- */

struct peer_client *
peer_client_new(const char *object_path, const char *interface)
{
    struct peer_client *client = g_new0(struct peer_client, 1);

    client->object_path = object_path;
    client->interface = interface;
    client->pending = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, pending_free);
    client->questions = g_ptr_array_new_with_free_func(question_free);
    client->listeners = g_array_new(FALSE, FALSE, sizeof(struct listener));
    client->freed = g_cancellable_new();
    client->ask_again = g_timeout_add_seconds(ASK_AGAIN_SECONDS, ask_again, client);
    return client;
}

void
peer_client_free(struct peer_client *client)
{
    if (!client)
        return;
    g_cancellable_cancel(client->freed);
    g_object_unref(client->freed);
    disconnect(client);
    g_source_remove(client->ask_again);
    g_hash_table_unref(client->pending);
    g_ptr_array_unref(client->questions);
    g_array_unref(client->listeners);
    g_free(client);
}
