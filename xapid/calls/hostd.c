#include "config.h"

#include "xapid/calls/hostd.h"

#include "lib/error.h"
#include "lib/faults.h"
#include "lib/log.h"
#include "lib/peer/host1.h"
#include "lib/peer/peer.h"

#define OBJECT_PATH "/org/xapid/Host1"
#define WAIT_SECONDS 10 /* a question waits so long for xapid-host to be there */

/* What was asked, until its end is told. */
struct question {
    struct hostd *hostd;
    guint64 id;
    const char *method;
    GVariant *args;
    /* One of the two: done gets the reply; auth_done the signal Authenticated with this id. */
    hostd_done_fn done;
    hostd_auth_fn auth_done;
    void *data;
    bool repeats;  /* what was lost is asked again */
    guint timeout; /* source, while it waits for a connection; 0: it was sent */
};

struct hostd {
    PeerHost1 *proxy;
    GCancellable *connecting;
    hostd_attached_fn attached;
    void *attached_data;
    GHashTable *questions; /* id -> struct question */
    guint64 last_id;
};

static void
question_free(void *data)
{
    struct question *question = data;

    if (question->timeout)
        g_source_remove(question->timeout);
    if (question->args)
        g_variant_unref(question->args);
    g_free(question);
}

struct hostd *
hostd_new(hostd_attached_fn attached, void *data)
{
    struct hostd *hostd = g_new0(struct hostd, 1);

    hostd->attached = attached;
    hostd->attached_data = data;
    hostd->questions = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, question_free);
    return hostd;
}

/* ---- answers ---- */

/* The question, which is the caller's from now on; NULL when it has ended. */
static struct question *
question_take(struct hostd *hostd, guint64 id)
{
    struct question *question = NULL;

    g_hash_table_steal_extended(hostd->questions, &id, NULL, (void **)&question);
    return question;
}

static void
question_fail(struct hostd *hostd, guint64 id, const char *message)
{
    const struct hostd_auth failed = {.outcome = "error", .message = message, .user = ""};
    g_autoptr(GError) error = api_error_new("INTERNAL_ERROR", message, NULL);
    struct question *question = question_take(hostd, id);

    if (!question)
        return;
    if (question->auth_done)
        question->auth_done(&failed, question->data);
    else
        question->done(error, NULL, question->data);
    question_free(question);
}

static void
on_authenticated(PeerHost1 *proxy, guint64 id, const char *outcome, const char *message,
                 const char *user, guint32 uid, GVariant *groups, void *data)
{
    struct hostd_auth result = {.outcome = outcome, .message = message, .user = user, .uid = uid};
    struct hostd *hostd = data;
    struct question *question = g_hash_table_lookup(hostd->questions, &id);

    (void)proxy;
    if (!question || !question->auth_done)
        return;
    question_take(hostd, id);
    result.groups = g_variant_get_fixed_array(groups, &result.n_groups, sizeof(guint32));
    question->auth_done(&result, question->data);
    question_free(question);
}

/* A question by its name: it may have ended when the reply comes. */
struct sent {
    struct hostd *hostd;
    guint64 id;
    bool auth; /* a reply says no more than that it was taken */
    bool repeats;
};

static void
question_answered(GObject *source, GAsyncResult *result, void *data)
{
    g_autofree struct sent *sent = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = g_dbus_proxy_call_finish(G_DBUS_PROXY(source), result, &error);

    /* disconnect () has it wait, or is about to. */
    if (sent->repeats && g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CLOSED))
        return;
    if (reply && !FAULT_POINT("hostd.ask.after", &error))
        g_clear_pointer(&reply, g_variant_unref);
    if (!reply) {
        g_dbus_error_strip_remote_error(error);
        question_fail(sent->hostd, sent->id, error->message);
        return;
    }
    struct question *question = sent->auth ? NULL : question_take(sent->hostd, sent->id);
    if (!question)
        return;
    question->done(NULL, reply, question->data);
    question_free(question);
}

/* ---- questions ---- */

static gboolean
waited_long(void *data)
{
    struct question *question = data;

    question->timeout = 0;
    question_fail(question->hostd, question->id, "xapid-host is not there");
    return G_SOURCE_REMOVE;
}

static void
question_send(struct question *question)
{
    const struct sent sent = {question->hostd, question->id, question->auth_done != NULL,
                              question->repeats};

    g_clear_handle_id(&question->timeout, g_source_remove);
    if (!FAULT_POINT("hostd.ask.before", NULL)) {
        question->timeout = g_idle_add(waited_long, question);
        return;
    }
    g_dbus_proxy_call(G_DBUS_PROXY(question->hostd->proxy), question->method, question->args,
                      G_DBUS_CALL_FLAGS_NONE, -1, NULL, question_answered,
                      g_memdup2(&sent, sizeof sent));
}

static void
wait_for_host(struct question *question)
{
    question->timeout = g_timeout_add_seconds(WAIT_SECONDS, waited_long, question);
}

static guint64
new_id(struct hostd *hostd)
{
    return ++hostd->last_id;
}

/* Takes args when floating. */
static void
ask(struct hostd *hostd, const char *method, GVariant *args, const struct question *callbacks)
{
    struct question *question = g_memdup2(callbacks, sizeof *callbacks);

    question->hostd = hostd;
    question->method = method;
    question->args = args ? g_variant_ref_sink(args) : NULL;
    if (!question->id)
        question->id = new_id(hostd);
    g_hash_table_insert(hostd->questions, &question->id, question);
    if (hostd->proxy)
        question_send(question);
    else
        wait_for_host(question);
}

static void
ask_auth(struct hostd *hostd, const char *method, const char *user, const char *password,
         hostd_auth_fn done, void *data)
{
    const struct question callbacks = {.id = new_id(hostd), .auth_done = done, .data = data};

    ask(hostd, method, g_variant_new("(tss)", callbacks.id, user, password), &callbacks);
}

void
hostd_authenticate(struct hostd *hostd, const char *user, const char *password, hostd_auth_fn done,
                   void *data)
{
    ask_auth(hostd, "Authenticate", user, password, done, data);
}

void
hostd_change_password(struct hostd *hostd, const char *user, const char *password,
                      hostd_auth_fn done, void *data)
{
    ask_auth(hostd, "ChangePassword", user, password, done, data);
}

void
hostd_lookup_name(struct hostd *hostd, const char *name, hostd_done_fn done, void *data)
{
    ask(hostd, "LookupName", g_variant_new("(s)", name),
        &(struct question){.done = done, .data = data});
}

void
hostd_lookup_id(struct hostd *hostd, const char *kind, guint32 id, hostd_done_fn done, void *data)
{
    ask(hostd, "LookupId", g_variant_new("(su)", kind, id),
        &(struct question){.done = done, .data = data});
}

void
hostd_facts(struct hostd *hostd, hostd_done_fn done, void *data)
{
    ask(hostd, "Facts", NULL, &(struct question){.done = done, .data = data});
}

void
hostd_power(struct hostd *hostd, const char *action, hostd_done_fn done, void *data)
{
    ask(hostd, "Power", g_variant_new("(s)", action),
        &(struct question){.done = done, .data = data});
}

void
hostd_forward_log(struct hostd *hostd, const char *destination, hostd_done_fn done, void *data)
{
    ask(hostd, "ForwardLog", g_variant_new("(s)", destination),
        &(struct question){.done = done, .data = data, .repeats = true});
}

void
hostd_set_iscsi_name(struct hostd *hostd, const char *name, hostd_done_fn done, void *data)
{
    ask(hostd, "SetIscsiName", g_variant_new("(s)", name),
        &(struct question){.done = done, .data = data, .repeats = true});
}

void
hostd_interfaces(struct hostd *hostd, hostd_done_fn done, void *data)
{
    ask(hostd, "Interfaces", NULL, &(struct question){.done = done, .data = data, .repeats = true});
}

void
hostd_ensure_bridge(struct hostd *hostd, GVariant *network, hostd_done_fn done, void *data)
{
    ask(hostd, "EnsureBridge", g_variant_new_tuple(&network, 1),
        &(struct question){.done = done, .data = data, .repeats = true});
}

/* Not again by itself: whoever finds xapid-host there again asks for what is wanted then. */
void
hostd_apply_networks(struct hostd *hostd, GVariant *networks, hostd_done_fn done, void *data)
{
    ask(hostd, "ApplyNetworks", g_variant_new_tuple(&networks, 1),
        &(struct question){.done = done, .data = data});
}

void
hostd_remove_bridge(struct hostd *hostd, const char *name, hostd_done_fn done, void *data)
{
    ask(hostd, "RemoveBridge", g_variant_new("(s)", name),
        &(struct question){.done = done, .data = data, .repeats = true});
}

/* As with networks. */
void
hostd_apply_addresses(struct hostd *hostd, GVariant *wanted, const char *servers,
                      hostd_done_fn done, void *data)
{
    ask(hostd, "ApplyAddresses", g_variant_new("(@a(sssss)s)", wanted, servers),
        &(struct question){.done = done, .data = data});
}

void
hostd_take_interface(struct hostd *hostd, const char *name, hostd_done_fn done, void *data)
{
    ask(hostd, "TakeInterface", g_variant_new("(s)", name),
        &(struct question){.done = done, .data = data, .repeats = true});
}

void
hostd_give_interface(struct hostd *hostd, const char *name, GVariant *addresses, GVariant *gateways,
                     hostd_done_fn done, void *data)
{
    ask(hostd, "GiveInterface", g_variant_new("(s@as@as)", name, addresses, gateways),
        &(struct question){.done = done, .data = data, .repeats = true});
}

/* ---- connection ---- */

/* Calls `each` for every question that was sent, or for every one that waits. */
static void
each_question(struct hostd *hostd, bool waiting, void (*each)(struct question *question))
{
    g_autoptr(GList) questions = g_hash_table_get_values(hostd->questions);

    for (GList *item = questions; item; item = item->next)
        if ((((struct question *)item->data)->timeout != 0) == waiting)
            each(item->data);
}

static void
lost(struct question *question)
{
    if (question->repeats)
        wait_for_host(question);
    else
        question_fail(question->hostd, question->id, "xapid-host was restarted");
}

static void
disconnect(struct hostd *hostd)
{
    if (!hostd->proxy)
        return;
    g_signal_handlers_disconnect_by_data(g_dbus_proxy_get_connection(G_DBUS_PROXY(hostd->proxy)),
                                         hostd);
    g_signal_handlers_disconnect_by_data(hostd->proxy, hostd);
    g_clear_object(&hostd->proxy);
    each_question(hostd, false, lost);
}

void
hostd_free(struct hostd *hostd)
{
    if (!hostd)
        return;
    peer_connect_cancel(&hostd->connecting);
    disconnect(hostd);
    g_hash_table_unref(hostd->questions);
    g_free(hostd);
}

static void
connected(GObject *source, GAsyncResult *result, void *data)
{
    struct hostd *hostd = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GDBusConnection) connection = peer_connect_finish(result, &error);

    (void)source;
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return;
    disconnect(hostd);
    if (connection)
        hostd->proxy = peer_host1_proxy_new_sync(
            connection, G_DBUS_PROXY_FLAGS_DO_NOT_LOAD_PROPERTIES, NULL, OBJECT_PATH, NULL, &error);
    if (!hostd->proxy) {
        log_warning("connecting to xapid-host: %s", error->message);
        return;
    }
    g_dbus_proxy_set_default_timeout(G_DBUS_PROXY(hostd->proxy), PEER_CALL_TIMEOUT_MS);
    g_signal_connect(hostd->proxy, "authenticated", G_CALLBACK(on_authenticated), hostd);
    g_signal_connect_swapped(connection, "closed", G_CALLBACK(disconnect), hostd);
    each_question(hostd, true, question_send);
    hostd->attached(hostd->attached_data);
}

GDBusConnection *
hostd_connection(const struct hostd *hostd)
{
    return hostd->proxy ? g_dbus_proxy_get_connection(G_DBUS_PROXY(hostd->proxy)) : NULL;
}

void
hostd_attach(struct hostd *hostd, int fd)
{
    disconnect(hostd);
    peer_connect(fd, false, &hostd->connecting, connected, hostd);
}
