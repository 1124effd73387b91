#include "config.h"

#include "xapid/vm/domains.h"

#include "lib/error.h"
#include "lib/log.h"
#include "lib/peer/bulk.h"
#include "lib/peer/domains1.h"
#include "lib/peer/peer.h"

#define OBJECT_PATH "/org/xapid/Domains1"
#define ASK_AGAIN_SECONDS                                                                          \
    5 /* no end of an operation so long: started again, which is no-op there */

/* An operation that was started and has not ended. */
struct pending {
    char *verb;
    char *uuid;
    GVariant *args;
    domains_done_fn done;
    void *data;
    gint64 asked; /* monotonic */
};

/* A question (List, HostInfo) that waits for a connection or an answer; asked again on a new one.
 */
struct question {
    struct domains *domains;
    bool host_info;
    domains_done_fn done;
    void *data;
};

struct domains {
    PeerDomains1 *proxy;  /* NULL between connections */
    GHashTable *pending;  /* op_id -> struct pending */
    GPtrArray *questions; /* waiting for a connection */
    guint ask_again;
    domains_changed_fn changed;
    void *changed_data;
    domains_guests_changed_fn guests_changed; /* may be NULL */
    void *guests_changed_data;
};

static void
pending_free(void *data)
{
    struct pending *pending = data;

    g_free(pending->verb);
    g_free(pending->uuid);
    g_variant_unref(pending->args);
    g_free(pending);
}

static void
disconnect(struct domains *domains)
{
    if (domains->proxy)
        g_signal_handlers_disconnect_by_data(domains->proxy, domains);
    g_clear_object(&domains->proxy);
}

/* ---- operations ---- */

/* Ends an operation: error is borrowed. */
static void
pending_end(struct domains *domains, const char *op_id, const GError *error, GVariant *result)
{
    g_autofree char *key = NULL;
    struct pending *pending = NULL;

    if (!g_hash_table_steal_extended(domains->pending, op_id, (void **)&key, (void **)&pending))
        return;
    if (domains->proxy)
        peer_domains1_call_forget(domains->proxy, op_id, NULL, NULL, NULL);
    pending->done(error, error ? NULL : result, pending->data);
    pending_free(pending);
}

static void
on_done(PeerDomains1 *proxy, const char *op_id, const char *const *description, GVariant *result,
        void *data)
{
    struct domains *domains = data;

    (void)proxy;
    if (!description[0]) {
        pending_end(domains, op_id, NULL, result);
        return;
    }
    g_autoptr(GError) error = api_error_newv(description[0], description + 1);
    pending_end(domains, op_id, error, NULL);
}

struct start_call {
    struct domains *domains;
    char *op_id;
};

static void
start_answered(GObject *source, GAsyncResult *result, void *data)
{
    struct start_call *call = data;
    g_autoptr(GError) error = NULL;

    if (!peer_domains1_call_start_finish(PEER_DOMAINS1(source), result, &error) &&
        g_dbus_error_is_remote_error(error)) {
        /* Refused outright. A lost connection is no answer: it is started again on the next one. */
        g_dbus_error_strip_remote_error(error);
        g_autoptr(GError) api = api_error_new("INTERNAL_ERROR", error->message, NULL);
        pending_end(call->domains, call->op_id, api, NULL);
    }
    g_free(call->op_id);
    g_free(call);
}

static void
send_start(struct domains *domains, const char *op_id, struct pending *pending)
{
    struct start_call *call = g_new0(struct start_call, 1);

    pending->asked = g_get_monotonic_time();
    call->domains = domains;
    call->op_id = g_strdup(op_id);
    peer_domains1_call_start(domains->proxy, op_id, pending->verb, pending->uuid, pending->args,
                             NULL, start_answered, call);
}

void
domains_start(struct domains *domains, const char *op_id, const char *verb, const char *uuid,
              GVariant *args, domains_done_fn done, void *data)
{
    struct pending *pending = g_new0(struct pending, 1);

    pending->verb = g_strdup(verb);
    pending->uuid = g_strdup(uuid);
    pending->args =
        g_variant_ref_sink(args ? args : g_variant_new_array(G_VARIANT_TYPE("{sv}"), NULL, 0));
    pending->done = done;
    pending->data = data;
    g_hash_table_insert(domains->pending, g_strdup(op_id), pending);
    if (domains->proxy)
        send_start(domains, op_id, pending);
}

void
domains_abort(struct domains *domains, const char *op_id)
{
    if (domains->proxy && g_hash_table_contains(domains->pending, op_id))
        peer_domains1_call_abort(domains->proxy, op_id, NULL, NULL, NULL);
}

/* ---- questions ---- */

static void question_send(struct question *question);

static void
question_answered(GObject *source, GAsyncResult *result, void *data)
{
    struct question *question = data;
    struct domains *domains = question->domains;
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) unfit = NULL;
    g_autoptr(GVariant) answer = NULL;
    g_autoptr(GVariant) handle = NULL;
    g_autoptr(GUnixFDList) fds = NULL;

    if (question->host_info)
        peer_domains1_call_host_info_finish(PEER_DOMAINS1(source), &answer, result, &error);
    else if (peer_domains1_call_list_finish(PEER_DOMAINS1(source), &handle, &fds, result, &error))
        answer = bulk_unpack(handle, fds, "aa{sv}", &unfit);
    if (error && !g_dbus_error_is_remote_error(error) &&
        !g_error_matches(error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT)) {
        /* The connection is lost: asked again on the next one (we may be closing: then never),
         * which may be there already. */
        if (domains->proxy && domains->proxy != PEER_DOMAINS1(source))
            question_send(question);
        else
            g_ptr_array_add(domains->questions, question);
        return;
    }
    if (error) {
        g_dbus_error_strip_remote_error(error);
        g_autoptr(GError) api = api_error_new("INTERNAL_ERROR", error->message, NULL);
        question->done(api, NULL, question->data);
    } else {
        question->done(unfit, answer, question->data);
    }
    g_free(question);
}

static void
question_send(struct question *question)
{
    PeerDomains1 *proxy = question->domains->proxy;

    if (question->host_info)
        peer_domains1_call_host_info(proxy, NULL, question_answered, question);
    else
        peer_domains1_call_list(proxy, NULL, NULL, question_answered, question);
}

static void
ask(struct domains *domains, bool host_info, domains_done_fn done, void *data)
{
    struct question *question = g_new0(struct question, 1);

    question->domains = domains;
    question->host_info = host_info;
    question->done = done;
    question->data = data;
    if (domains->proxy)
        question_send(question);
    else
        g_ptr_array_add(domains->questions, question);
}

void
domains_list(struct domains *domains, domains_done_fn done, void *data)
{
    ask(domains, false, done, data);
}

void
domains_host_info(struct domains *domains, domains_done_fn done, void *data)
{
    ask(domains, true, done, data);
}

/* ---- guests ---- */

struct guests_call {
    domains_guests_fn done;
    void *data;
};

static void
guests_answered(GObject *source, GAsyncResult *result, void *data)
{
    g_autofree struct guests_call *call = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) handle = NULL;
    g_autoptr(GVariant) guests = NULL;
    g_autoptr(GUnixFDList) fds = NULL;
    guint64 now = 0;

    if (peer_domains1_call_guests_finish(PEER_DOMAINS1(source), &handle, &now, &fds, result,
                                         &error))
        guests = bulk_unpack(handle, fds, "a(sia{sv})", &error);
    call->done(error, guests, now, call->data);
}

void
domains_guests(struct domains *domains, guint64 since, domains_guests_fn done, void *data)
{
    g_autoptr(GError) error = NULL;
    struct guests_call *call;

    if (!domains->proxy) {
        api_error_set(&error, "INTERNAL_ERROR", "xapid-domains", "is not connected", NULL);
        done(error, NULL, 0, data);
        return;
    }
    call = g_new(struct guests_call, 1);
    call->done = done;
    call->data = data;
    peer_domains1_call_guests(domains->proxy, since, NULL, NULL, guests_answered, call);
}

void
domains_on_guests(struct domains *domains, domains_guests_changed_fn changed, void *data)
{
    domains->guests_changed = changed;
    domains->guests_changed_data = data;
}

static void
on_guests_changed(PeerDomains1 *proxy, void *data)
{
    struct domains *domains = data;

    (void)proxy;
    if (domains->guests_changed)
        domains->guests_changed(false, domains->guests_changed_data);
}

/* ---- connection ---- */

static void
on_changed(PeerDomains1 *proxy, const char *uuid, void *data)
{
    struct domains *domains = data;

    (void)proxy;
    domains->changed(uuid, domains->changed_data);
}

/* The other side ended operations whose end an earlier xapid did not hear; it keeps them until they
 * are forgotten.  Those that run are left to those who will ask for them again. */
static void
leftovers_known(GObject *source, GAsyncResult *result, void *data)
{
    struct domains *domains = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) handle = NULL;
    g_autoptr(GUnixFDList) fds = NULL;
    g_autoptr(GVariant) operations = NULL;
    const char *op_id, *state;
    GVariantIter iter;

    if (peer_domains1_call_operations_finish(PEER_DOMAINS1(source), &handle, &fds, result, &error))
        operations = bulk_unpack(handle, fds, "a(ssss)", &error);
    if (!operations) {
        log_debug("asking for operations: %s", error->message);
        return;
    }
    g_variant_iter_init(&iter, operations);
    while (g_variant_iter_next(&iter, "(&s&s&s&s)", &op_id, NULL, NULL, &state))
        if (g_str_equal(state, "done") && !g_hash_table_contains(domains->pending, op_id))
            peer_domains1_call_forget(PEER_DOMAINS1(source), op_id, NULL, NULL, NULL);
}

/* Should an end ever not be told: its Done is sent again, and asking costs nothing. */
static gboolean
ask_again(void *data)
{
    struct domains *domains = data;
    gint64 now = g_get_monotonic_time();
    GHashTableIter iter;
    const char *op_id;
    struct pending *pending;

    g_hash_table_iter_init(&iter, domains->pending);
    while (domains->proxy && g_hash_table_iter_next(&iter, (void **)&op_id, (void **)&pending))
        if (now - pending->asked >= ASK_AGAIN_SECONDS * (gint64)G_USEC_PER_SEC)
            send_start(domains, op_id, pending);
    return G_SOURCE_CONTINUE;
}

static void
serve(struct domains *domains)
{
    GHashTableIter iter;
    const char *op_id;
    struct pending *pending;

    g_hash_table_iter_init(&iter, domains->pending);
    while (g_hash_table_iter_next(&iter, (void **)&op_id, (void **)&pending))
        send_start(domains, op_id, pending);
    peer_domains1_call_operations(domains->proxy, NULL, NULL, leftovers_known, domains);
    g_autoptr(GPtrArray) questions = g_steal_pointer(&domains->questions);
    domains->questions = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_set_free_func(questions, NULL);
    for (guint i = 0; i < questions->len; i++)
        question_send(questions->pdata[i]);
    domains->changed("", domains->changed_data);
    if (domains->guests_changed)
        domains->guests_changed(true, domains->guests_changed_data);
}

static void
connected(GObject *source, GAsyncResult *result, void *data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDBusConnection) connection = peer_connect_finish(result, &error);
    struct domains *domains = data;

    (void)source;
    if (!connection) {
        /* xapid-launch restarts it and sends the next descriptor. */
        log_warning("connecting to xapid-domains: %s", error->message);
        return;
    }
    disconnect(domains);
    domains->proxy = peer_domains1_proxy_new_sync(
        connection, G_DBUS_PROXY_FLAGS_DO_NOT_LOAD_PROPERTIES, NULL, OBJECT_PATH, NULL, &error);
    if (!domains->proxy) {
        log_warning("connecting to xapid-domains: %s", error->message);
        return;
    }
    g_dbus_proxy_set_default_timeout(G_DBUS_PROXY(domains->proxy), PEER_CALL_TIMEOUT_MS);
    g_signal_connect(domains->proxy, "done", G_CALLBACK(on_done), domains);
    g_signal_connect(domains->proxy, "changed", G_CALLBACK(on_changed), domains);
    g_signal_connect(domains->proxy, "guests-changed", G_CALLBACK(on_guests_changed), domains);
    log_debug("connected to xapid-domains");
    serve(domains);
}

void
domains_attach(struct domains *domains, int fd)
{
    disconnect(domains);
    peer_connect(fd, false, connected, domains);
}

/* ---- life ---- */

struct domains *
domains_new(domains_changed_fn changed, void *data)
{
    struct domains *domains = g_new0(struct domains, 1);

    domains->pending = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, pending_free);
    domains->questions = g_ptr_array_new_with_free_func(g_free);
    domains->changed = changed;
    domains->changed_data = data;
    domains->ask_again = g_timeout_add_seconds(ASK_AGAIN_SECONDS, ask_again, domains);
    return domains;
}

void
domains_free(struct domains *domains)
{
    if (!domains)
        return;
    disconnect(domains);
    g_source_remove(domains->ask_again);
    g_hash_table_unref(domains->pending);
    g_ptr_array_unref(domains->questions);
    g_free(domains);
}
