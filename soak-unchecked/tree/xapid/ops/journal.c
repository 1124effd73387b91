/* The journal of operations: what a restart needs to finish or undo them, and that restart. */
#include "config.h"

#include <string.h>

#include "lib/error.h"
#include "lib/log.h"
#include "xapid/ops/internal.h"
#include "xapid/ops/task.h"

#define JOURNAL_PREFIX "op/"
/* Order of submission, task or "", to be cancelled, the error that is being undone, the step to go
 * on from, plan. */
#define JOURNAL_TYPE "(tsbasu" PLAN_TYPE ")"

char *
op_journal_key(const struct op *op)
{
    return g_strconcat(JOURNAL_PREFIX, op->id, NULL);
}

static void
write_entry(struct op *op, struct txn *txn, bool cancelled)
{
    g_autofree char *key = op_journal_key(op);
    GVariant *error = op->error ? api_error_to_variant(op->error) : g_variant_new_strv(NULL, 0);

    txn_journal(txn, key,
                g_variant_new("(tsb@asu@" PLAN_TYPE ")", op->order, op->task ? op->task : "",
                              cancelled, error, op->resume, plan_to_variant(op->plan)));
}

void
op_journal(struct op *op, struct txn *txn)
{
    write_entry(op, txn, op->cancelled);
}

void
op_journal_cancelled(struct op *op, struct txn *txn)
{
    write_entry(op, txn, true);
}

/* ---- after a restart ---- */

static bool
plan_is_known(const struct ops *ops, const struct plan *plan)
{
    for (guint i = 0; i < plan->steps->len; i++)
        if (!ops_kind(ops, ((struct step *)plan->steps->pdata[i])->kind, NULL))
            return false;
    return true;
}

/* An entry that is read, its texts borrowed from the journal. */
struct entry {
    const char *id;
    guint64 order;
    const char *task;
    gboolean cancelled;
    GVariant *error;
    guint resume;
    struct plan *plan;
};

static void
entry_clear(void *data)
{
    struct entry *entry = data;

    g_clear_pointer(&entry->error, g_variant_unref);
    g_clear_pointer(&entry->plan, plan_free);
}

static bool
entry_read(const struct ops *ops, const char *key, GVariant *value, struct entry *ret_entry)
{
    g_autoptr(GVariant) plan = NULL;
    struct entry entry = {.id = key + strlen(JOURNAL_PREFIX)};

    if (!g_variant_is_of_type(value, G_VARIANT_TYPE(JOURNAL_TYPE)))
        return false;
    g_variant_get(value, "(t&sb@asu@" PLAN_TYPE ")", &entry.order, &entry.task, &entry.cancelled,
                  &entry.error, &entry.resume, &plan);
    entry.plan = plan_from_variant(plan);
    if (!entry.plan || entry.resume >= MAX(entry.plan->steps->len, 1) ||
        !plan_is_known(ops, entry.plan)) {
        entry_clear(&entry);
        return false;
    }
    *ret_entry = entry;
    return true;
}

static int
entry_compare(const void *a, const void *b)
{
    const struct entry *first = a, *second = b;

    return first->order < second->order ? -1 : first->order > second->order;
}

static bool
task_is(const struct model *model, const char *task, const char *wanted)
{
    if (!model_has(model, dm_class_find("task", false), task))
        return false;
    g_autofree char *status = model_get_string(model, task, "status");
    return g_str_equal(status, wanted);
}

/* What is shown of a running operation is not in the database. */
static void
show_running(struct op *op)
{
    struct txn *txn = model_begin_volatile(op->ops->model);
    g_autoptr(GError) error = NULL;

    op_mark(op, txn, true);
    if (op->task && task_is(op->ops->model, op->task, "pending"))
        task_set_cancellable(txn, op->task, true);
    if (!txn_commit(txn, &error))
        log_warning("%s of %s is not shown: %s", op->plan->operation, op->plan->object,
                    error->message);
}

/* Takes the plan out of the entry. */
static struct op *
take_up(struct ops *ops, struct entry *entry)
{
    const struct ops_room *room = ops_room_of(ops, model_class(ops->model, entry->plan->object));
    struct op *op = op_new(ops, entry->order, entry->id, g_steal_pointer(&entry->plan), room,
                           *entry->task ? entry->task : NULL);

    if (g_variant_n_children(entry->error))
        op->error = api_error_from_variant(entry->error);
    op->resume = entry->resume;
    /* What task.cancel promised is in the task. */
    op->cancelled = entry->cancelled || (op->task && task_is(ops->model, op->task, "cancelling"));
    op->state = OP_QUEUED;
    ops->last_order = MAX(ops->last_order, op->order);
    log_info("taking up %s of %s again%s", op->plan->operation, op->plan->object,
             op->error       ? ", to undo it"
             : op->cancelled ? ", to cancel it"
                             : "");
    return op;
}

/* A call whose task was made and whose plan was not: nobody else will end it. */
static void
end_orphans(struct ops *ops)
{
    g_autoptr(GHashTable) ours = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GPtrArray) tasks = model_all(ops->model, dm_class_find("task", false));
    g_autoptr(GError) error = NULL;
    GHashTableIter iter;
    struct op *op;

    g_hash_table_iter_init(&iter, ops->all);
    while (g_hash_table_iter_next(&iter, NULL, (void **)&op))
        if (op->task)
            g_hash_table_add(ours, op->task);
    struct txn *txn = model_begin(ops->model, &error);
    for (guint i = 0; txn && i < tasks->len; i++)
        if (!g_hash_table_contains(ours, tasks->pdata[i]))
            task_abandon(txn, ops->model, tasks->pdata[i]);
    if (!txn || !txn_commit(txn, &error))
        log_error("tasks of calls that a restart ended stay open: %s", error->message);
}

void
ops_recover(struct ops *ops)
{
    g_autoptr(GArray) entries = g_array_new(FALSE, FALSE, sizeof(struct entry));
    g_autoptr(GPtrArray) recovered = g_ptr_array_new();
    GHashTableIter iter;
    const char *key;
    GVariant *value;

    g_array_set_clear_func(entries, entry_clear);
    g_hash_table_iter_init(&iter, model_journal(ops->model));
    while (g_hash_table_iter_next(&iter, (void **)&key, (void **)&value)) {
        struct entry entry;
        if (!g_str_has_prefix(key, JOURNAL_PREFIX))
            continue;
        if (entry_read(ops, key, value, &entry))
            g_array_append_val(entries, entry);
        else /* of another version: left in the journal for it */
            log_error("journal entry %s is not understood; left alone", key);
    }
    g_array_sort(entries, entry_compare);
    for (guint i = 0; i < entries->len; i++)
        g_ptr_array_add(recovered, take_up(ops, &g_array_index(entries, struct entry, i)));
    end_orphans(ops);
    for (guint i = 0; i < recovered->len; i++) {
        show_running(recovered->pdata[i]);
        op_advance(recovered->pdata[i]);
    }
}
