/* Class event: what changed since a token, at once or when something changes.
 *
 * A call that waits is a struct waiter in a set: no thread, no timer but its own time-out.  When
 * the model says that something became durable, one scan serves all of them: at once after a quiet
 * time, else together with what else changes until BATCH_MS have passed since the scan before. */
#include "config.h"

#include <math.h>

#include "lib/error.h"
#include "xapid/calls/rows.h"
#include "xapid/calls/subscription.h"

#define BATCH_MS 50                 /* between two scans */
#define TIMEOUT_MAX_SECONDS 86400.0 /* not finite or larger means this */
#define REGISTERED_MAX 2000         /* sessions that use event.register */

/* ---- tokens: two numbers of 20 digits, the second for messages, which have none yet ---- */

static char *
token_format(guint64 generation)
{
    return g_strdup_printf("%020" G_GUINT64_FORMAT ",%020d", generation, 0);
}

static bool
token_parse(const char *token, guint64 *ret_generation, GError **error)
{
    g_auto(GStrv) halves = g_strsplit(token, ",", 2);
    guint64 first, second;

    if (!*token) {
        *ret_generation = 0;
        return true;
    }
    if (!halves[0] || !halves[1] ||
        !g_ascii_string_to_unsigned(halves[0], 10, 0, G_MAXUINT64, &first, NULL) ||
        !g_ascii_string_to_unsigned(halves[1], 10, 0, G_MAXUINT64, &second, NULL)) {
        api_error_set(error, "EVENT_FROM_TOKEN_PARSE_FAILURE", token, NULL);
        return false;
    }
    *ret_generation = first;
    return true;
}

/* ---- scanning ---- */

struct scan {
    const struct subscription *subscription;
    struct rows *rows;
};

static void
scan_change(enum model_change_kind kind, const struct dm_class *cls, const char *ref,
            guint64 generation, void *data)
{
    struct scan *scan = data;

    if (subscription_wants(scan->subscription, cls, ref))
        rows_add_event(scan->rows, kind, cls, ref, generation);
}

/* The events after `since`. *ret_lost: some deletions are forgotten. */
static struct rows *
scan(struct api *api, const struct subscription *subscription, guint64 since, bool *ret_lost)
{
    struct scan scan = {.subscription = subscription, .rows = rows_new(api, true)};
    bool lost = false;

    for (unsigned i = 0; i < dm_n_classes; i++) {
        const struct dm_class *cls = &dm_classes[i];
        bool class_lost = false;
        if (!cls->in_database || !cls->generates_events ||
            !subscription_wants_class(subscription, cls) ||
            (since && model_class_changed(api->model, cls) <= since))
            continue;
        model_changes_since(api->model, cls, since, scan_change, &scan, &class_lost);
        lost = lost || class_lost;
    }
    *ret_lost = lost;
    return scan.rows;
}

static bool
anything_new(struct api *api, const struct subscription *subscription, guint64 since)
{
    for (unsigned i = 0; i < dm_n_classes; i++)
        if (dm_classes[i].in_database && dm_classes[i].generates_events &&
            model_class_changed(api->model, &dm_classes[i]) > since &&
            subscription_wants_class(subscription, &dm_classes[i]))
            return true;
    return false;
}

/* ---- waiting ---- */

struct waiter {
    struct events *events;
    struct call *call;
    struct subscription *subscription; /* owned; NULL: the session's registration */
    bool tasks_only;
    guint64 since;
    guint timeout;
};

/* What event.register keeps for a session. */
struct registration {
    struct subscription *subscription;
    guint64 since;
};

struct events {
    struct api *api;
    GHashTable *waiters;       /* set of struct waiter */
    GHashTable *registrations; /* session -> struct registration */
    guint observer;
    guint batch;       /* source of the next scan; 0 none */
    gint64 scanned_at; /* of the monotonic clock */
    GVariant *counts;  /* of rows, as replies have them; NULL: none yet */
    guint64 counted;   /* the head that they are of */
};

/* The number of rows of each class: many waiters ask for it at once.  Borrowed. */
static GVariant *
valid_ref_counts(struct events *events)
{
    struct model *model = events->api->model;
    GVariantBuilder counts;

    if (events->counts && events->counted == model_head(model))
        return events->counts;
    g_variant_builder_init(&counts, G_VARIANT_TYPE("a{si}"));
    for (unsigned i = 0; i < dm_n_classes; i++)
        if (dm_classes[i].in_database)
            g_variant_builder_add(&counts, "{si}", dm_classes[i].lower_name,
                                  (gint32)model_count(model, &dm_classes[i]));
    g_clear_pointer(&events->counts, g_variant_unref);
    events->counts = g_variant_ref_sink(g_variant_builder_end(&counts));
    events->counted = model_head(model);
    return events->counts;
}

static void
waiter_free(struct waiter *waiter)
{
    if (waiter->timeout)
        g_source_remove(waiter->timeout);
    g_hash_table_remove(waiter->events->waiters, waiter);
    waiter->call->on_gone = NULL;
    subscription_free(waiter->subscription);
    g_free(waiter);
}

static struct registration *
registration_of(struct waiter *waiter)
{
    return g_hash_table_lookup(waiter->events->registrations, waiter->call->caller.session);
}

/* Answers a waiter that has something to hear (or whose time is over); false: it goes on waiting.
 */
static bool
serve(struct waiter *waiter, bool expired)
{
    struct call *call = waiter->call;
    struct api *api = call->api;
    struct registration *registration = waiter->subscription ? NULL : registration_of(waiter);
    const struct subscription *subscription =
        registration ? registration->subscription : waiter->subscription;
    guint64 now = model_durable(api->model);
    bool lost;

    if (!expired && !anything_new(api, subscription, waiter->since))
        return false;
    struct rows *events = scan(api, subscription, waiter->since, &lost);
    if (!rows_count(events) && !expired && !(registration && lost)) {
        rows_free(events);
        waiter->since = now; /* only objects that it did not ask for */
        return false;
    }
    waiter_free(waiter);
    if (!registration) {
        g_autofree char *token = token_format(now);
        rows_set_batch(events, valid_ref_counts(api->events), token);
        call_return_rows(call, events);
    } else if (lost) {
        rows_free(events);
        registration->since = now;
        call_fail_code(call, "EVENTS_LOST", NULL);
    } else if (call_return_rows(call, events)) {
        registration->since = now;
    }
    return true;
}

static gboolean
waiter_expired(void *data)
{
    struct waiter *waiter = data;

    waiter->timeout = 0;
    serve(waiter, true);
    return G_SOURCE_REMOVE;
}

static void
waiter_gone(struct call *call)
{
    waiter_free(call->waiting);
    call_fail_code(call, "TASK_CANCELLED", "", NULL); /* to nobody */
}

static gboolean
serve_all(void *data)
{
    struct events *events = data;
    g_autoptr(GList) waiters = g_hash_table_get_keys(events->waiters);

    events->batch = 0;
    events->scanned_at = g_get_monotonic_time();
    for (GList *item = waiters; item; item = item->next)
        serve(item->data, false);
    return G_SOURCE_REMOVE;
}

static void
model_changed(void *data)
{
    struct events *events = data;
    g_autoptr(GList) waiters = g_hash_table_get_keys(events->waiters);

    for (GList *item = waiters; item; item = item->next) {
        struct waiter *waiter = item->data;
        if (waiter->tasks_only)
            serve(waiter, false);
    }
    if (events->batch || !g_hash_table_size(events->waiters))
        return;
    gint64 passed = (g_get_monotonic_time() - events->scanned_at) / 1000;
    if (passed >= BATCH_MS)
        serve_all(events);
    else
        events->batch = g_timeout_add((guint)(BATCH_MS - passed), serve_all, events);
}

static void
wait(struct call *call, struct subscription *subscription, guint64 since, double seconds)
{
    struct waiter *waiter = g_new0(struct waiter, 1);
    GError *error = NULL;

    waiter->events = call->api->events;
    waiter->call = call;
    waiter->subscription = subscription;
    /* Tasks are what clients wait for: those who watch nothing else are not kept waiting. */
    waiter->tasks_only = subscription && subscription_is_of_tasks(subscription);
    waiter->since = since;
    call->waiting = waiter;
    call->on_gone = waiter_gone;
    g_hash_table_add(waiter->events->waiters, waiter);
    if (serve(waiter, seconds <= 0.0))
        return;
    if (!call_may_wait(call, &error)) {
        waiter_free(waiter);
        call_fail(call, error);
        return;
    }
    if (isfinite(seconds))
        waiter->timeout = g_timeout_add((guint)(seconds * 1000), waiter_expired, waiter);
}

/* ---- the calls ---- */

static void
from(struct call *call)
{
    double seconds = call_double(call, 2);
    guint64 since;
    GError *error = NULL;
    struct subscription *subscription = subscription_parse(call->args[0], &error);

    if (!subscription || !token_parse(call_string(call, 1), &since, &error)) {
        subscription_free(subscription);
        call_fail(call, error);
        return;
    }
    if (!isfinite(seconds) || seconds > TIMEOUT_MAX_SECONDS)
        seconds = TIMEOUT_MAX_SECONDS;
    /* A token of ours is never ahead of us; one that is came from another life: tell everything. */
    if (since > model_head(call->api->model))
        since = 0;
    wait(call, subscription, since, seconds);
}

static void
registration_free(void *data)
{
    struct registration *registration = data;

    subscription_free(registration->subscription);
    g_free(registration);
}

static void
do_register(struct call *call)
{
    struct events *events = call->api->events;
    const char *session = call->caller.session;
    struct registration *registration = g_hash_table_lookup(events->registrations, session);
    GError *error = NULL;

    if (!registration && g_hash_table_size(events->registrations) >= REGISTERED_MAX) {
        call_fail_code(call, "TOO_BUSY", NULL);
        return;
    }
    struct subscription *added = subscription_parse(call->args[0], &error);
    if (!added) {
        call_fail(call, error);
        return;
    }
    subscription_free(added);
    if (!registration) {
        g_autoptr(GVariant) none = g_variant_ref_sink(g_variant_new_strv(NULL, 0));
        registration = g_new0(struct registration, 1);
        registration->subscription = subscription_parse(none, NULL);
        registration->since = model_durable(call->api->model);
        g_hash_table_insert(events->registrations, g_strdup(session), registration);
    }
    for (gsize i = 0; i < g_variant_n_children(call->args[0]); i++) {
        const char *text;
        g_variant_get_child(call->args[0], i, "&s", &text);
        subscription_add(registration->subscription, text, NULL);
    }
    call_return(call, NULL);
}

static void
do_unregister(struct call *call)
{
    struct events *events = call->api->events;
    struct registration *registration =
        g_hash_table_lookup(events->registrations, call->caller.session);

    for (gsize i = 0; registration && i < g_variant_n_children(call->args[0]); i++) {
        const char *text;
        g_variant_get_child(call->args[0], i, "&s", &text);
        subscription_remove(registration->subscription, text);
    }
    call_return(call, NULL);
}

static void
next(struct call *call)
{
    struct registration *registration =
        g_hash_table_lookup(call->api->events->registrations, call->caller.session);

    if (registration)
        wait(call, NULL, registration->since, INFINITY);
    else
        call_fail_code(call, "SESSION_NOT_REGISTERED", call->caller.session, NULL);
}

static void
get_current_id(struct call *call)
{
    call_return(call, g_variant_new_int64((gint64)model_durable(call->api->model)));
}

/* Touches an object; the token is of just before, so that whoever waits from it sees the touch and
 * everything that was changed earlier. */
static void
inject(struct call *call)
{
    const struct dm_class *cls = dm_class_find(call_string(call, 0), true);
    const char *ref = call_string(call, 1);
    g_autofree char *token = token_format(model_head(call->api->model));
    GError *error = NULL;
    struct txn *txn;

    if (!cls || !cls->in_database || !model_has(call->api->model, cls, ref)) {
        call_fail_code(call, "HANDLE_INVALID", call_string(call, 0), ref, NULL);
        return;
    }
    if (!(txn = call_begin(call)))
        return;
    if (!txn_touch(txn, ref, &error)) {
        call_abort(call, txn, error);
        return;
    }
    call_commit(call, txn, g_variant_new_string(token));
}

const struct call_impl calls_event[] = {
    {"event.from", from},
    {"event.register", do_register},
    {"event.unregister", do_unregister},
    {"event.next", next},
    {"event.get_current_id", get_current_id},
    {"event.inject", inject},
    {NULL, NULL},
};

/* ---- the room's own life ---- */

struct events *
events_new(struct api *api)
{
    struct events *events = g_new0(struct events, 1);

    events->api = api;
    events->waiters = g_hash_table_new(NULL, NULL);
    events->registrations =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, registration_free);
    events->observer = model_observe(api->model, model_changed, events);
    return events;
}

void
events_free(struct events *events)
{
    if (!events)
        return;
    model_unobserve(events->api->model, events->observer);
    if (events->batch)
        g_source_remove(events->batch);
    g_hash_table_unref(events->waiters);
    g_hash_table_unref(events->registrations);
    g_clear_pointer(&events->counts, g_variant_unref);
    g_free(events);
}

void
events_session_ended(struct events *events, const char *session)
{
    g_autoptr(GList) waiters = g_hash_table_get_keys(events->waiters);

    for (GList *item = waiters; item; item = item->next) {
        struct waiter *waiter = item->data;
        struct call *call = waiter->call;
        if (g_strcmp0(call->caller.session, session))
            continue;
        waiter_free(waiter);
        call_fail_code(call, "SESSION_INVALID", session, NULL);
    }
    g_hash_table_remove(events->registrations, session);
}
