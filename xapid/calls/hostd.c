#include "config.h"

#include "xapid/calls/hostd.h"

#include "lib/error.h"
#include "lib/log.h"
#include "lib/peer/host1.h"
#include "lib/peer/peer.h"

#define OBJECT_PATH "/org/xapid/Host1"

struct auth {
    hostd_auth_fn done;
    void *data;
};

struct hostd {
    PeerHost1 *proxy;
    GHashTable *auths; /* id -> struct auth: checks under way on this connection */
    guint64 next_id;
    GPtrArray *facts; /* of struct question, waiting for a connection */
};

enum question_kind { LOOKUP_NAME, LOOKUP_ID, FACTS };

struct question {
    struct hostd *hostd;
    enum question_kind kind;
    hostd_done_fn done;
    void *data;
};

struct hostd *
hostd_new(void)
{
    struct hostd *hostd = g_new0(struct hostd, 1);

    hostd->auths = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
    hostd->facts = g_ptr_array_new();
    return hostd;
}

static void
auth_end(struct hostd *hostd, guint64 id, const struct hostd_auth *result)
{
    struct auth *auth = NULL;
    gint64 *key = NULL;

    if (!g_hash_table_steal_extended(hostd->auths, &id, (void **)&key, (void **)&auth))
        return;
    auth->done(result, auth->data);
    g_free(auth);
    g_free(key);
}

static void
auth_error(struct hostd *hostd, guint64 id, const char *message)
{
    const struct hostd_auth failed = {.outcome = "error", .message = message, .user = ""};

    auth_end(hostd, id, &failed);
}

static void
disconnect(struct hostd *hostd)
{
    if (hostd->proxy)
        g_signal_handlers_disconnect_by_data(hostd->proxy, hostd);
    g_clear_object(&hostd->proxy);
    g_autofree gint64 **ids = (gint64 **)g_hash_table_get_keys_as_array(hostd->auths, NULL);
    for (gint64 **id = ids; *id; id++)
        auth_error(hostd, (guint64) * *id, "xapid-host was restarted");
}

void
hostd_free(struct hostd *hostd)
{
    if (!hostd)
        return;
    disconnect(hostd);
    g_hash_table_unref(hostd->auths);
    g_ptr_array_foreach(hostd->facts, (GFunc)(void (*)(void))g_free, NULL);
    g_ptr_array_unref(hostd->facts);
    g_free(hostd);
}

/* ---- passwords ---- */

static void
on_authenticated(PeerHost1 *proxy, guint64 id, const char *outcome, const char *message,
                 const char *user, guint32 uid, GVariant *groups, void *data)
{
    struct hostd_auth result = {.outcome = outcome, .message = message, .user = user, .uid = uid};

    (void)proxy;
    result.groups = g_variant_get_fixed_array(groups, &result.n_groups, sizeof(guint32));
    auth_end(data, id, &result);
}

struct auth_call {
    struct hostd *hostd;
    guint64 id;
};

/* A method that was refused outright gets no signal. */
static void
auth_answered(GObject *source, GAsyncResult *result, void *data)
{
    g_autofree struct auth_call *call = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = g_dbus_proxy_call_finish(G_DBUS_PROXY(source), result, &error);

    if (!reply)
        auth_error(call->hostd, call->id, error->message);
}

static void
auth_start(struct hostd *hostd, const char *method, const char *user, const char *password,
           hostd_auth_fn done, void *data)
{
    struct auth *auth = g_new0(struct auth, 1);
    guint64 id = ++hostd->next_id;

    auth->done = done;
    auth->data = data;
    g_hash_table_insert(hostd->auths, g_memdup2(&id, sizeof id), auth);
    if (!hostd->proxy) {
        auth_error(hostd, id, "xapid-host is not there yet");
        return;
    }
    struct auth_call *call = g_new0(struct auth_call, 1);
    call->hostd = hostd;
    call->id = id;
    g_dbus_proxy_call(G_DBUS_PROXY(hostd->proxy), method,
                      g_variant_new("(tss)", id, user, password), G_DBUS_CALL_FLAGS_NONE, -1, NULL,
                      auth_answered, call);
}

void
hostd_authenticate(struct hostd *hostd, const char *user, const char *password, hostd_auth_fn done,
                   void *data)
{
    auth_start(hostd, "Authenticate", user, password, done, data);
}

void
hostd_change_password(struct hostd *hostd, const char *user, const char *password,
                      hostd_auth_fn done, void *data)
{
    auth_start(hostd, "ChangePassword", user, password, done, data);
}

/* ---- questions ---- */

static void
question_answered(GObject *source, GAsyncResult *result, void *data)
{
    g_autofree struct question *question = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = g_dbus_proxy_call_finish(G_DBUS_PROXY(source), result, &error);

    if (reply) {
        question->done(NULL, reply, question->data);
        return;
    }
    g_dbus_error_strip_remote_error(error);
    g_autoptr(GError) api = api_error_new("INTERNAL_ERROR", error->message, NULL);
    question->done(api, NULL, question->data);
}

static void
question_send(struct question *question, GVariant *args)
{
    static const char *const methods[] = {"LookupName", "LookupId", "Facts"};

    g_dbus_proxy_call(G_DBUS_PROXY(question->hostd->proxy), methods[question->kind], args,
                      G_DBUS_CALL_FLAGS_NONE, -1, NULL, question_answered, question);
}

static struct question *
question_new(struct hostd *hostd, enum question_kind kind, hostd_done_fn done, void *data)
{
    struct question *question = g_new0(struct question, 1);

    question->hostd = hostd;
    question->kind = kind;
    question->done = done;
    question->data = data;
    return question;
}

static void
ask(struct hostd *hostd, enum question_kind kind, GVariant *args, hostd_done_fn done, void *data)
{
    g_autoptr(GVariant) sunk = g_variant_ref_sink(args);

    if (!hostd->proxy) {
        g_autoptr(GError) error =
            api_error_new("INTERNAL_ERROR", "xapid-host is not there yet", NULL);
        done(error, NULL, data);
        return;
    }
    question_send(question_new(hostd, kind, done, data), sunk);
}

void
hostd_lookup_name(struct hostd *hostd, const char *name, hostd_done_fn done, void *data)
{
    ask(hostd, LOOKUP_NAME, g_variant_new("(s)", name), done, data);
}

void
hostd_lookup_id(struct hostd *hostd, const char *kind, guint32 id, hostd_done_fn done, void *data)
{
    ask(hostd, LOOKUP_ID, g_variant_new("(su)", kind, id), done, data);
}

void
hostd_facts(struct hostd *hostd, hostd_done_fn done, void *data)
{
    struct question *question = question_new(hostd, FACTS, done, data);

    if (hostd->proxy)
        question_send(question, NULL);
    else
        g_ptr_array_add(hostd->facts, question);
}

/* ---- connection ---- */

static void
connected(GObject *source, GAsyncResult *result, void *data)
{
    struct hostd *hostd = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GDBusConnection) connection = peer_connect_finish(result, &error);

    (void)source;
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
    for (guint i = 0; i < hostd->facts->len; i++)
        question_send(hostd->facts->pdata[i], NULL);
    g_ptr_array_set_size(hostd->facts, 0);
}

void
hostd_attach(struct hostd *hostd, int fd)
{
    disconnect(hostd);
    peer_connect(fd, false, connected, hostd);
}
