/* Sessions: the secret that clients carry, who they are, and their end; login.c lets them in.
 *
 * A client's session reference is a secret of 256 random bits.  Its row, which others may see, goes
 * by a digest of it, so neither the database nor task.session gives a session away. */
#include "config.h"

#include <stdio.h>
#include <sys/random.h>

#include "lib/error.h"
#include "lib/log.h"
#include "xapid/calls/call.h"

#define SESSION_TOUCH_SECONDS 600 /* threshold_last_active */

/* Journal entry beside a session's row: the numbers of the user and its groups. */
#define IDENTITY_PREFIX "session/"
#define IDENTITY_TYPE "(uau)"

static const struct dm_class *
session_class(void)
{
    static const struct dm_class *cls;

    if (!cls)
        cls = dm_class_find("session", false);
    return cls;
}

static char *
hex(const guint8 *bytes, gsize n)
{
    GString *out = g_string_sized_new(2 * n);

    for (gsize i = 0; i < n; i++)
        g_string_append_printf(out, "%02x", bytes[i]);
    return g_string_free(out, FALSE);
}

static char *
new_secret(void)
{
    guint8 bytes[32];

    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        g_error("getrandom: %m");
    g_autofree char *text = hex(bytes, sizeof bytes);
    return g_strconcat(REF_PREFIX, text, NULL);
}

char *
session_public_ref(const char *secret)
{
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, secret, -1);

    return g_strdup_printf(REF_PREFIX "%.8s-%.4s-%.4s-%.4s-%.12s", digest, digest + 8, digest + 12,
                           digest + 16, digest + 20);
}

void
caller_clear(struct caller *caller)
{
    g_clear_pointer(&caller->session, g_free);
}

/* ---- who a session is ---- */

static bool
identity_has(const char *identifier, guint32 uid, const guint32 *groups, gsize n_groups)
{
    unsigned id;
    char kind, end;

    if (sscanf(identifier, "%c%u%c", &kind, &id, &end) != 2)
        return false;
    if (kind == 'u')
        return id == uid;
    if (kind != 'g')
        return false;
    for (gsize i = 0; i < n_groups; i++)
        if (groups[i] == id)
            return true;
    return false;
}

enum dm_role
session_subject_role(const struct model *model, guint32 uid, const guint32 *groups, gsize n_groups,
                     char **ret_subject)
{
    const struct dm_class *cls = dm_class_find("subject", false);
    g_autoptr(GPtrArray) subjects = model_all(model, cls);
    enum dm_role best = DM_ROLE_NONE;
    const char *subject = NULL;

    for (guint i = 0; i < subjects->len; i++) {
        const char *ref = subjects->pdata[i];
        g_autofree char *identifier = model_get_string(model, ref, "subject_identifier");
        if (!identity_has(identifier, uid, groups, n_groups))
            continue;
        if (!subject || identifier[0] == 'u')
            subject = ref;
        g_autoptr(GVariant) roles = model_get(model, ref, dm_field_find(cls, "roles"));
        for (gsize j = 0; j < g_variant_n_children(roles); j++) {
            const char *role;
            g_variant_get_child(roles, j, "&s", &role);
            best = MAX(best, rbac_role_of(model, role));
        }
    }
    if (ret_subject)
        *ret_subject = g_strdup(subject);
    return best;
}

static void
touch(struct api *api, const char *session)
{
    const struct dm_field *field = dm_field_find(session_class(), "last_active");
    g_autoptr(GVariant) last = model_get(api->model, session, field);
    gint64 now = g_get_real_time();
    gint64 seconds = MIN(SESSION_TOUCH_SECONDS, api->limits->session_idle_seconds / 10);
    g_autoptr(GError) error = NULL;

    if (now - g_variant_get_int64(last) < seconds * G_USEC_PER_SEC)
        return;
    struct txn *txn = model_begin_volatile(api->model);
    txn_set_value(txn, session, "last_active", g_variant_new_int64(now));
    if (!txn_commit(txn, &error))
        log_debug("last_active of a session: %s", error->message);
}

/* As the subjects are now: a role taken away is gone with the next call. */
enum dm_role
session_role(struct api *api, const char *session)
{
    g_autofree char *key = g_strconcat(IDENTITY_PREFIX, session, NULL);
    GVariant *identity = g_hash_table_lookup(model_journal(api->model), key);

    if (model_get_bool(api->model, session, "is_local_superuser"))
        return DM_ROLE_LOCAL_ROOT;
    if (!identity || !g_variant_is_of_type(identity, G_VARIANT_TYPE(IDENTITY_TYPE)))
        return DM_ROLE_NONE;
    g_autofree char *auth = model_get_string(api->model, api->host, "external_auth_type");
    if (!*auth)
        return DM_ROLE_NONE;
    g_autoptr(GVariant) groups = NULL;
    guint32 uid;
    gsize n;
    g_variant_get(identity, "(u@au)", &uid, &groups);
    const guint32 *gids = g_variant_get_fixed_array(groups, &n, sizeof *gids);
    return session_subject_role(api->model, uid, gids, n, NULL);
}

bool
session_authenticate(struct api *api, const char *secret, struct caller *ret_caller, GError **error)
{
    g_autofree char *session = session_public_ref(secret);
    struct caller caller = {0};

    if (!g_str_has_prefix(secret, REF_PREFIX) || !model_has(api->model, session_class(), session)) {
        api_error_set(error, "SESSION_INVALID", secret, NULL);
        return false;
    }
    caller.local_root = model_get_bool(api->model, session, "is_local_superuser");
    caller.pool = model_get_bool(api->model, session, "pool");
    caller.role = session_role(api, session);
    touch(api, session);
    caller.session = g_steal_pointer(&session);
    *ret_caller = caller;
    return true;
}

/* ---- the end of sessions ---- */

static bool
session_end(struct txn *txn, const char *session, GError **error)
{
    g_autofree char *key = g_strconcat(IDENTITY_PREFIX, session, NULL);

    txn_journal(txn, key, NULL);
    return txn_destroy(txn, session, error);
}

/* Ends sessions (borrowed references) in one transaction, and wakes their waiting calls. */
static bool
sessions_end(struct api *api, GPtrArray *sessions, GError **error)
{
    if (!sessions->len)
        return true;
    struct txn *txn = model_begin(api->model, error);
    if (!txn)
        return false;
    g_auto(GStrv) refs = g_new0(char *, sessions->len + 1);
    for (guint i = 0; i < sessions->len; i++) {
        refs[i] = g_strdup(sessions->pdata[i]);
        if (!session_end(txn, refs[i], error)) {
            txn_abort(txn);
            return false;
        }
    }
    if (!txn_commit(txn, error))
        return false;
    for (char **ref = refs; *ref; ref++)
        events_session_ended(api->events, *ref);
    return true;
}

static gint64
last_active(struct api *api, const char *session)
{
    g_autoptr(GVariant) value =
        model_get(api->model, session, dm_field_find(session_class(), "last_active"));

    return g_variant_get_int64(value);
}

static bool
has_open_task(struct api *api, const char *session)
{
    const struct dm_field *field = dm_field_find(dm_class_find("task", false), "session");
    g_autoptr(GPtrArray) tasks = model_referrers(api->model, session, field);

    for (guint i = 0; i < tasks->len; i++) {
        g_autofree char *status = model_get_string(api->model, tasks->pdata[i], "status");
        if (g_str_equal(status, "pending") || g_str_equal(status, "cancelling"))
            return true;
    }
    return false;
}

void
session_begin_all(struct api *api, gint64 now_usec)
{
    g_autoptr(GPtrArray) sessions = model_all(api->model, session_class());
    g_autoptr(GError) error = NULL;

    struct txn *txn = model_begin_volatile(api->model);
    for (guint i = 0; i < sessions->len; i++)
        txn_set_value(txn, sessions->pdata[i], "last_active", g_variant_new_int64(now_usec));
    if (!txn_commit(txn, &error))
        log_warning("last_active of the sessions: %s", error->message);
}

void
session_collect(struct api *api, gint64 now_usec)
{
    g_autoptr(GPtrArray) sessions = model_all(api->model, session_class());
    g_autoptr(GPtrArray) ended = g_ptr_array_new();
    gint64 idle = (gint64)api->limits->session_idle_seconds * G_USEC_PER_SEC;
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < sessions->len; i++)
        if (now_usec - last_active(api, sessions->pdata[i]) > idle &&
            !has_open_task(api, sessions->pdata[i]))
            g_ptr_array_add(ended, sessions->pdata[i]);
    if (!sessions_end(api, ended, &error))
        log_warning("ending idle sessions: %s", error->message);
}

static int
by_last_active(const void *a, const void *b, void *data)
{
    gint64 of_a = last_active(data, *(char *const *)a), of_b = last_active(data, *(char *const *)b);

    return (of_a > of_b) - (of_a < of_b);
}

/* Room for one more session with this value in `field`: at the cap, the least recently active ones
 * go, and are added to `ended`. */
static bool
make_room(struct api *api, struct txn *txn, const char *field, const char *value, guint max,
          GPtrArray *ended, GError **error)
{
    g_autoptr(GPtrArray) sessions = model_all(api->model, session_class());
    g_autoptr(GPtrArray) same = g_ptr_array_new();

    for (guint i = 0; i < sessions->len; i++) {
        g_autofree char *its = model_get_string(api->model, sessions->pdata[i], field);
        if (g_str_equal(its, value) && txn_has(txn, session_class(), sessions->pdata[i]))
            g_ptr_array_add(same, sessions->pdata[i]);
    }
    if (same->len < max)
        return true;
    g_ptr_array_sort_with_data(same, by_last_active, api);
    for (guint i = 0; i <= same->len - max; i++) {
        g_ptr_array_add(ended, g_strdup(same->pdata[i]));
        if (!session_end(txn, same->pdata[i], error))
            return false;
    }
    return true;
}

/* ---- new ones ---- */

void
session_open(struct call *call, const struct session_identity *identity, const char *originator)
{
    struct api *api = call->api;
    g_autofree char *secret = new_secret();
    g_autofree char *ref = session_public_ref(secret);
    g_autofree char *sid = g_strdup_printf("u%u", identity->uid);
    g_autoptr(GPtrArray) ended = g_ptr_array_new_with_free_func(g_free);
    gint64 now = g_get_real_time();
    GError *error = NULL;
    GVariantBuilder fields;

    /* Who is to find out why the database cannot be written must get in: until xapid ends.  Unless
     * not even our own row could be written yet. */
    bool saved = model_is_writable(api->model) ||
                 !model_has(api->model, dm_class_find("host", false), api->host);
    struct txn *txn = saved ? call_begin(call) : model_begin_unsaved(api->model);
    if (!txn)
        return;
    g_variant_builder_init(&fields, G_VARIANT_TYPE("a{sv}"));
    g_variant_builder_add(&fields, "{sv}", "this_host", g_variant_new_string(api->host));
    g_variant_builder_add(&fields, "{sv}", "last_active", g_variant_new_int64(now));
    g_variant_builder_add(&fields, "{sv}", "validation_time", g_variant_new_int64(now));
    g_variant_builder_add(&fields, "{sv}", "pool", g_variant_new_boolean(identity->pool));
    g_variant_builder_add(&fields, "{sv}", "is_local_superuser",
                          g_variant_new_boolean(identity->superuser));
    if (!identity->superuser)
        g_variant_builder_add(&fields, "{sv}", "auth_user_sid", g_variant_new_string(sid));
    g_variant_builder_add(&fields, "{sv}", "auth_user_name", g_variant_new_string(identity->user));
    g_variant_builder_add(&fields, "{sv}", "originator", g_variant_new_string(originator));
    if (identity->subject)
        g_variant_builder_add(&fields, "{sv}", "subject", g_variant_new_string(identity->subject));
    g_autoptr(GVariant) row = g_variant_ref_sink(g_variant_builder_end(&fields));

    if (!make_room(api, txn, "auth_user_name", identity->user, api->limits->max_sessions_per_user,
                   ended, &error) ||
        (*originator && !make_room(api, txn, "originator", originator,
                                   api->limits->max_sessions_per_originator, ended, &error)) ||
        !txn_create(txn, session_class(), ref, row, &error)) {
        call_abort(call, txn, error);
        return;
    }
    if (!identity->superuser) {
        g_autofree char *key = g_strconcat(IDENTITY_PREFIX, ref, NULL);
        GVariant *groups = g_variant_new_fixed_array(G_VARIANT_TYPE_UINT32, identity->groups,
                                                     identity->n_groups, sizeof(guint32));
        txn_journal(txn, key, g_variant_new("(u@au)", identity->uid, groups));
    }
    call_commit(call, txn, g_variant_new_string(secret));
    for (guint i = 0; i < ended->len; i++)
        if (!model_has(api->model, session_class(), ended->pdata[i])) /* else it was not written */
            events_session_ended(api->events, ended->pdata[i]);
}

/* ---- the calls ---- */

static void
logout(struct call *call)
{
    g_autoptr(GPtrArray) one = g_ptr_array_new();
    GError *error = NULL;

    g_ptr_array_add(one, call->caller.session);
    if (sessions_end(call->api, one, &error))
        call_return(call, NULL);
    else
        call_fail(call, error);
}

static void
get_all_subject_identifiers(struct call *call)
{
    g_autoptr(GPtrArray) sessions = model_all(call->api->model, session_class());
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    GVariantBuilder out;

    g_variant_builder_init(&out, G_VARIANT_TYPE("as"));
    for (guint i = 0; i < sessions->len; i++) {
        char *sid = model_get_string(call->api->model, sessions->pdata[i], "auth_user_sid");
        if (*sid && !g_hash_table_contains(seen, sid)) {
            g_variant_builder_add(&out, "s", sid);
            g_hash_table_add(seen, sid);
        } else {
            g_free(sid);
        }
    }
    call_return(call, g_variant_builder_end(&out));
}

static void
logout_subject_identifier(struct call *call)
{
    g_autoptr(GPtrArray) sessions = model_all(call->api->model, session_class());
    g_autoptr(GPtrArray) ended = g_ptr_array_new();
    GError *error = NULL;

    for (guint i = 0; i < sessions->len; i++) {
        g_autofree char *sid =
            model_get_string(call->api->model, sessions->pdata[i], "auth_user_sid");
        if (*sid && g_str_equal(sid, call_string(call, 0)) &&
            !g_str_equal(sessions->pdata[i], call->caller.session))
            g_ptr_array_add(ended, sessions->pdata[i]);
    }
    if (sessions_end(call->api, ended, &error))
        call_return(call, NULL);
    else
        call_fail(call, error);
}

const struct call_impl calls_session[] = {
    {"session.logout", logout},
    {"session.get_all_subject_identifiers", get_all_subject_identifiers},
    {"session.logout_subject_identifier", logout_subject_identifier},
    {"session.local_logout", logout},
    {NULL, NULL},
};
