#include "config.h"

#include "xapid/ops/task.h"

#include "lib/error.h"
#include "lib/log.h"
#include "xapid/ops/ops.h"

static const struct dm_class *
task_class(void)
{
    return dm_class_find("task", false);
}

static GVariant *
strings(const char *const *values, gssize n)
{
    return g_variant_new_strv(values, n);
}

static bool
is_open(const struct model *model, const char *task)
{
    g_autofree char *status = model_get_string(model, task, "status");

    return g_str_equal(status, "pending") || g_str_equal(status, "cancelling");
}

static gint64
time_of(const struct model *model, const char *task, const char *name)
{
    g_autoptr(GVariant) time = model_get(model, task, dm_field_find(task_class(), name));

    return g_variant_get_int64(time);
}

bool
task_make_room(struct txn *txn, const struct model *model, guint max, GError **error)
{
    const gint64 now = g_get_real_time();

    if (model_count(model, task_class()) < max)
        return true;
    g_autoptr(GPtrArray) all = model_all(model, task_class());
    for (guint i = 0; i < all->len; i++) {
        if (is_open(model, all->pdata[i]))
            continue;
        gint64 age = now - time_of(model, all->pdata[i], "finished");
        if (age < 0 || age >= TASK_SEEN_SECONDS * G_USEC_PER_SEC) /* < 0: the clock was set back */
            return txn_destroy(txn, all->pdata[i], error);
    }
    api_error_set(error, "TOO_MANY_PENDING_TASKS", NULL);
    return false;
}

const char *
task_create(struct txn *txn, const char *label, const char *description, const char *session,
            const char *host, GError **error)
{
    GVariantBuilder fields;

    g_variant_builder_init(&fields, G_VARIANT_TYPE("a{sv}"));
    g_variant_builder_add(&fields, "{sv}", "name_label", g_variant_new_string(label));
    g_variant_builder_add(&fields, "{sv}", "name_description", g_variant_new_string(description));
    g_variant_builder_add(&fields, "{sv}", "status", g_variant_new_string("pending"));
    g_variant_builder_add(&fields, "{sv}", "created", g_variant_new_int64(g_get_real_time()));
    g_variant_builder_add(&fields, "{sv}", "type", g_variant_new_string("<none/>"));
    g_variant_builder_add(&fields, "{sv}", "backtrace", g_variant_new_string("()"));
    if (session)
        g_variant_builder_add(&fields, "{sv}", "session", g_variant_new_string(session));
    if (host)
        g_variant_builder_add(&fields, "{sv}", "resident_on", g_variant_new_string(host));
    return txn_create(txn, task_class(), NULL, g_variant_builder_end(&fields), error);
}

static bool
task_is_open(struct txn *txn, const char *task)
{
    const struct dm_field *status_field = dm_field_find(task_class(), "status");

    if (!txn_has(txn, task_class(), task))
        return false;
    g_autoptr(GVariant) status = txn_get(txn, task, status_field);
    const char *text = g_variant_get_string(status, NULL);
    return g_str_equal(text, "pending") || g_str_equal(text, "cancelling");
}

static void
task_end(struct txn *txn, const char *task, const char *status)
{
    txn_set_string(txn, task, "status", status);
    txn_set_value(txn, task, "finished", g_variant_new_int64(g_get_real_time()));
    txn_set_value(txn, task, "allowed_operations", strings(NULL, 0));
    txn_set_value(txn, task, "current_operations",
                  g_variant_new_array(G_VARIANT_TYPE("{ss}"), NULL, 0));
}

void
task_succeed(struct txn *txn, const char *task, const char *result_xml)
{
    if (!task_is_open(txn, task))
        return;
    task_end(txn, task, "success");
    txn_set_string(txn, task, "result", result_xml);
    txn_set_value(txn, task, "progress", g_variant_new_double(1.0));
}

void
task_succeed_string(struct txn *txn, const char *task, const char *result)
{
    g_autofree char *text = g_markup_escape_text(result ? result : "", -1);
    g_autofree char *xml = g_strdup_printf("<value>%s</value>", text);

    task_succeed(txn, task, xml);
}

void
task_succeed_strings(struct txn *txn, const char *task, GVariant *results)
{
    g_autoptr(GString) xml = g_string_new("<value><array><data>");
    GVariantIter iter;
    const char *result;

    g_variant_iter_init(&iter, results);
    while (g_variant_iter_next(&iter, "&s", &result)) {
        g_autofree char *text = g_markup_escape_text(result, -1);
        g_string_append_printf(xml, "<value>%s</value>", text);
    }
    g_string_append(xml, "</data></array></value>");
    task_succeed(txn, task, xml->str);
}

void
task_fail(struct txn *txn, const char *task, const GError *error)
{
    if (!task_is_open(txn, task))
        return;
    if (api_error_is(error, "TASK_CANCELLED")) {
        task_end(txn, task, "cancelled");
        const char *const info[] = {"TASK_CANCELLED", task};
        txn_set_value(txn, task, "error_info", strings(info, G_N_ELEMENTS(info)));
        return;
    }
    task_end(txn, task, "failure");
    txn_set_value(txn, task, "error_info", api_error_to_variant(error));
}

void
task_abandon(struct txn *txn, struct model *model, const char *task)
{
    g_autofree char *label = model_get_string(model, task, "name_label");
    g_autoptr(GError) error = NULL;

    if (!task_is_open(txn, task) || !dm_method_find(label))
        return;
    log_info("%s had not begun when the daemon ended", label);
    api_error_set(&error, "INTERNAL_ERROR", "the daemon was restarted before the call began", label,
                  NULL);
    task_fail(txn, task, error);
}

void
task_progress(struct model *model, const char *task, double progress)
{
    static const struct dm_field *field;
    g_autoptr(GError) error = NULL;

    if (!field)
        field = dm_field_find(task_class(), "progress");
    if (!model_has(model, task_class(), task))
        return;
    g_autoptr(GVariant) old = model_get(model, task, field);
    if (progress - g_variant_get_double(old) < 0.01)
        return;
    struct txn *txn = model_begin_volatile(model);
    txn_set_value(txn, task, "progress", g_variant_new_double(MIN(progress, 1.0)));
    if (!txn_commit(txn, &error))
        log_debug("progress of %s: %s", task, error->message);
}

void
task_set_cancellable(struct txn *txn, const char *task, bool cancellable)
{
    static const char *const cancel[] = {"cancel"};

    txn_set_value(txn, task, "allowed_operations", strings(cancel, cancellable ? 1 : 0));
}

/* Since when an open task is as it is, as far as this process saw. */
struct standing {
    guint64 modified; /* generation */
    gint64 since_usec;
};

/* Notes it in `standing` (task -> struct standing), from what the last time noted in `before`. */
static gint64
stands_since(GHashTable *standing, GHashTable *before, const struct model *model, const char *task,
             gint64 now_usec)
{
    const struct standing *old = before ? g_hash_table_lookup(before, task) : NULL;
    struct standing *new = g_new(struct standing, 1);

    new->modified = model_modified(model, task);
    new->since_usec = old && old->modified == new->modified ? old->since_usec : now_usec;
    g_hash_table_insert(standing, g_strdup(task), new);
    return new->since_usec;
}

static bool
is_over(const struct model *model, const struct ops *ops, const char *task, GHashTable *standing,
        GHashTable *before, gint64 now_usec)
{
    if (!is_open(model, task))
        return now_usec - time_of(model, task, "finished") >=
               TASK_FINISHED_SECONDS * (gint64)G_USEC_PER_SEC;
    return !ops_has_task(ops, task) &&
           now_usec - stands_since(standing, before, model, task, now_usec) >=
               TASK_STANDING_SECONDS * (gint64)G_USEC_PER_SEC;
}

void
task_collect(struct model *model, const struct ops *ops, gint64 now_usec)
{
    static GHashTable *before;
    g_autoptr(GHashTable) standing = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(GPtrArray) all = model_all(model, task_class());
    g_autoptr(GError) error = NULL;
    struct txn *txn = NULL;

    for (guint i = 0; i < all->len; i++) {
        const char *task = all->pdata[i];
        if (!is_over(model, ops, task, standing, before, now_usec))
            continue;
        if (!txn && !(txn = model_begin(model, &error)))
            return;
        if (!txn_destroy(txn, task, &error)) {
            log_warning("collecting %s: %s", task, error->message);
            g_clear_error(&error);
        }
    }
    if (before)
        g_hash_table_unref(before);
    before = g_steal_pointer(&standing);
    if (txn && !txn_commit(txn, &error))
        log_warning("collecting tasks: %s", error->message);
}
