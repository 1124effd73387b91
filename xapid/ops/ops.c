/* The operation engine; see ops.h.  Called by calls/ (submit, cancel) and by steps (op_step_done).
 */
#include "config.h"

#include "xapid/ops/ops.h"

#include <string.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "lib/log.h"
#include "xapid/ops/task.h"

#define JOURNAL_PREFIX "op/"
/* Task or "", the error that is being undone, the step to go on from, plan. */
#define JOURNAL_TYPE "(sasu" PLAN_TYPE ")"
#define RETRY_SECONDS 1 /* an end that could not be written is tried again */

enum op_state {
    OP_SUBMITTED, /* the first transaction is not durable yet */
    OP_QUEUED,
    OP_RUNNING,
    OP_UNDOING,
    OP_ENDING, /* the last transaction is being written */
};

struct op {
    struct ops *ops;
    char *id;
    char *task; /* or NULL */
    struct plan *plan;
    enum op_state state;
    guint position; /* the step that runs, or that is being undone */
    guint resume;   /* the step that a restart goes on from */
    char *step_id;
    bool in_step; /* between run () or undo () and op_step_done () */
    bool cancelled;
    GError *error; /* why it is being undone */
    GHashTable *results;
    op_done_fn done;
    void *done_data;
    guint idle; /* source of the next move or retry; 0 none */
};

struct ops {
    struct model *model;
    struct ops_world world;
    GHashTable *all;    /* id -> struct op, owned */
    GHashTable *queues; /* object -> GQueue of struct op; the head runs */
};

static void op_advance(struct op *op);

/* ---- small parts ---- */

static void
op_free(void *data)
{
    struct op *op = data;

    if (op->idle)
        g_source_remove(op->idle);
    g_free(op->id);
    g_free(op->task);
    plan_free(op->plan);
    g_free(op->step_id);
    g_clear_error(&op->error);
    g_hash_table_unref(op->results);
    g_free(op);
}

static void
queue_free(void *data)
{
    g_queue_free(data);
}

static const struct step_kind *
kind_find(const struct ops *ops, const char *name)
{
    for (const struct step_kind *const *kind = ops->world.kinds; *kind; kind++)
        if (g_str_equal((*kind)->name, name))
            return *kind;
    return NULL;
}

static const struct step *
op_step(const struct op *op, guint position)
{
    return op->plan->steps->pdata[position];
}

static const struct step_kind *
op_kind(const struct op *op, guint position)
{
    return kind_find(op->ops, op_step(op, position)->kind);
}

static struct op *
op_new(struct ops *ops, const char *id, struct plan *plan, const char *task)
{
    struct op *op = g_new0(struct op, 1);

    op->ops = ops;
    op->id = g_strdup(id);
    op->task = g_strdup(task);
    op->plan = plan;
    op->results =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_variant_unref);
    g_hash_table_insert(ops->all, op->id, op);
    GQueue *queue = g_hash_table_lookup(ops->queues, plan->object);
    if (!queue) {
        queue = g_queue_new();
        g_hash_table_insert(ops->queues, g_strdup(plan->object), queue);
    }
    g_queue_push_tail(queue, op);
    return op;
}

/* Takes an operation out of its queue, wakes the next one, and frees it. */
static void
op_remove(struct op *op)
{
    struct ops *ops = op->ops;
    GQueue *queue = g_hash_table_lookup(ops->queues, op->plan->object);
    g_autofree char *object = g_strdup(op->plan->object);

    g_queue_remove(queue, op);
    g_hash_table_remove(ops->all, op->id);
    if (g_queue_is_empty(queue)) {
        g_hash_table_remove(ops->queues, object);
        ops->world.idle(object, ops->world.data);
    } else {
        op_advance(g_queue_peek_head(queue));
    }
}

static void
journal_write(struct op *op, struct txn *txn)
{
    g_autofree char *key = g_strconcat(JOURNAL_PREFIX, op->id, NULL);
    GVariant *error = op->error ? api_error_to_variant(op->error) : g_variant_new_strv(NULL, 0);

    txn_journal(txn, key,
                g_variant_new("(s@asu@" PLAN_TYPE ")", op->task ? op->task : "", error, op->resume,
                              plan_to_variant(op->plan)));
}

/* The key under which current_operations shows it. */
static const char *
op_key(const struct op *op)
{
    return op->task ? op->task : op->id;
}

/* ---- submission ---- */

struct op *
ops_submit(struct ops *ops, struct txn *txn, struct plan *plan, const char *task, GError **error)
{
    GQueue *queue = g_hash_table_lookup(ops->queues, plan->object);

    for (guint i = 0; i < plan->steps->len; i++)
        g_assert(kind_find(ops, ((struct step *)plan->steps->pdata[i])->kind));
    if (g_hash_table_size(ops->all) >= OPS_MAX_PENDING ||
        (queue && g_queue_get_length(queue) >= OPS_MAX_QUEUED)) {
        g_autofree char *limit = g_strdup_printf("%d", queue ? OPS_MAX_QUEUED : OPS_MAX_PENDING);
        api_error_set(error, "TOO_MANY_PENDING_TASKS", limit, NULL);
        plan_free(plan);
        return NULL;
    }
    g_autofree char *id = g_uuid_string_random();
    struct op *op = op_new(ops, id, plan, task);
    journal_write(op, txn);
    ops->world.mark(txn, plan->object, plan->operation, op_key(op), true);
    return op;
}

void
op_drop(struct op *op)
{
    g_assert(op->state == OP_SUBMITTED);
    op_remove(op);
}

static void
submission_durable(const GError *error, void *data)
{
    struct op *op = data;

    if (error) {
        /* The store undid the submission, journal and all: nothing was begun. */
        op_done_fn done = op->done;
        void *done_data = op->done_data;
        g_autoptr(GError) copy = g_error_copy(error);
        op_remove(op);
        if (done)
            done(copy, done_data);
        return;
    }
    op->state = OP_QUEUED;
    op_advance(op);
}

void
op_start(struct op *op, guint64 generation, op_done_fn done, void *data)
{
    g_assert(op->state == OP_SUBMITTED);
    op->done = done;
    op->done_data = data;
    model_when_durable(op->ops->model, generation, submission_durable, op);
}

/* ---- running ---- */

static gboolean
advance_now(void *data)
{
    struct op *op = data;

    op->idle = 0;
    op_advance(op);
    return G_SOURCE_REMOVE;
}

/* From the loop, never from inside a step: a step that ends at once must not nest. */
static void
advance_later(struct op *op, guint seconds)
{
    if (op->idle)
        return;
    op->idle = seconds ? g_timeout_add_seconds(seconds, advance_now, op)
                       : g_idle_add_full(G_PRIORITY_DEFAULT, advance_now, op, NULL);
}

static void
step_enter(struct op *op, const char *suffix)
{
    g_free(op->step_id);
    op->step_id = g_strdup_printf("%s.%u%s", op->id, op->position, suffix);
    op->in_step = true;
}

static GError *
cancelled_error(const struct op *op)
{
    return api_error_new("TASK_CANCELLED", op->task ? op->task : "", NULL);
}

/* Notes in the journal that the operation is going back, so that a restart goes back too. */
static void
begin_undo(struct op *op, GError *error)
{
    g_autoptr(GError) failed = NULL;

    op->error = error;
    op->state = OP_UNDOING;
    struct txn *txn = model_begin(op->ops->model, &failed);
    if (txn) {
        journal_write(op, txn);
        txn_commit(txn, &failed);
    }
    if (failed)
        log_warning("%s of %s: going back is not in the journal: %s", op->plan->operation,
                    op->plan->object, failed->message);
}

static void
run_step(struct op *op)
{
    GError *error = NULL;

    if (op->cancelled) {
        begin_undo(op, cancelled_error(op));
        advance_later(op, 0);
        return;
    }
    step_enter(op, "");
    if (!FAULT_POINT("ops.step.before", &error)) {
        op_step_done(op, error);
        return;
    }
    op_kind(op, op->position)->run(op, op_step(op, op->position)->args);
}

/* The present step, which may be half done, is undone too. */
static void
undo_step(struct op *op)
{
    const struct step_kind *kind = op_kind(op, op->position);
    GError *error = NULL;

    step_enter(op, ".undo");
    if (!kind->undo) {
        op_step_done(op, NULL);
        return;
    }
    if (!FAULT_POINT("ops.undo.before", &error)) {
        op_step_done(op, error);
        return;
    }
    kind->undo(op, op_step(op, op->position)->args);
}

static void
end_durable(const GError *error, void *data)
{
    struct op *op = data;

    if (error) {
        log_warning("the end of %s of %s could not be written, trying again: %s",
                    op->plan->operation, op->plan->object, error->message);
        advance_later(op, RETRY_SECONDS);
        return;
    }
    op_done_fn done = op->done;
    void *done_data = op->done_data;
    g_autoptr(GError) result = g_steal_pointer(&op->error);
    op_remove(op);
    if (done)
        done(result, done_data);
}

static void
write_end(struct op *op)
{
    struct ops *ops = op->ops;
    g_autoptr(GError) failed = NULL;
    g_autofree char *key = g_strconcat(JOURNAL_PREFIX, op->id, NULL);
    guint64 generation = 0;

    struct txn *txn = NULL;
    if (FAULT_POINT("ops.end.before", &failed))
        txn = model_begin(ops->model, &failed);
    if (txn) {
        ops->world.mark(txn, op->plan->object, op->plan->operation, op_key(op), false);
        ops->world.finish(op, txn, op->error);
        txn_journal(txn, key, NULL);
        if (op->task && op->error)
            task_fail(txn, op->task, op->error);
        else if (op->task)
            task_succeed(txn, op->task, "<value></value>");
        generation = txn_commit(txn, &failed);
    }
    if (!generation) {
        end_durable(failed, op);
        return;
    }
    model_when_durable(ops->model, generation, end_durable, op);
}

static void
op_advance(struct op *op)
{
    struct ops *ops = op->ops;

    if (op->in_step || op->idle)
        return;
    switch (op->state) {
    case OP_SUBMITTED:
        return;
    case OP_QUEUED:
        if (g_queue_peek_head(g_hash_table_lookup(ops->queues, op->plan->object)) != op)
            return;
        op->position = op->resume;
        op->state = op->error ? OP_UNDOING : OP_RUNNING;
        if (op->error) /* recovered while it was going back: how far it had come is not known */
            op->position = op->plan->steps->len ? op->plan->steps->len - 1 : 0;
        if (!op->plan->steps->len)
            op->state = OP_ENDING;
        advance_later(op, 0);
        return;
    case OP_RUNNING:
        run_step(op);
        return;
    case OP_UNDOING:
        undo_step(op);
        return;
    case OP_ENDING:
        write_end(op);
        return;
    }
}

static void
resume_durable(const GError *error, void *data)
{
    struct op *op = data;

    if (error)
        begin_undo(op, g_error_copy(error));
    advance_later(op, 0);
}

/* The next step begins when the journal says on disk that this one is done. */
static void
note_resume(struct op *op)
{
    g_autoptr(GError) error = NULL;
    struct txn *txn = model_begin(op->ops->model, &error);
    guint64 generation = 0;

    op->resume = op->position;
    if (txn) {
        journal_write(op, txn);
        generation = txn_commit(txn, &error);
    }
    if (generation)
        model_when_durable(op->ops->model, generation, resume_durable, op);
    else
        resume_durable(error, op);
}

void
op_step_done(struct op *op, GError *error)
{
    g_assert(op->in_step);
    op->in_step = false;
    if (op->state == OP_RUNNING) {
        if (!error && !FAULT_POINT("ops.step.after", &error))
            g_assert(error);
        if (error) {
            begin_undo(op, error);
        } else if (++op->position == op->plan->steps->len) {
            op->state = OP_ENDING;
        } else if (op_kind(op, op->position - 1)->once) {
            note_resume(op);
            return;
        } else {
            op_step_progress(op, 0);
        }
    } else {
        if (error) {
            log_warning("undoing %s of %s (%s): %s", op_step(op, op->position)->kind,
                        op->plan->operation, op->plan->object, error->message);
            g_error_free(error);
        }
        if (op->position-- == 0)
            op->state = OP_ENDING;
    }
    advance_later(op, 0);
}

void
op_step_progress(struct op *op, double fraction)
{
    double total = 0, done = 0;

    if (!op->task || op->state != OP_RUNNING)
        return;
    for (guint i = 0; i < op->plan->steps->len; i++) {
        double weight = op_kind(op, i)->weight;
        total += weight;
        done += i < op->position ? weight : i == op->position ? weight * fraction : 0;
    }
    if (total > 0)
        task_progress(op->ops->model, op->task, done / total);
}

/* ---- the rest of the interface ---- */

struct ops *
ops_new(struct model *model, const struct ops_world *world)
{
    struct ops *ops = g_new0(struct ops, 1);

    g_assert(world->kinds && world->finish && world->mark && world->idle);
    for (const struct step_kind *const *kind = world->kinds; *kind; kind++)
        g_assert((*kind)->run);
    ops->model = model;
    ops->world = *world;
    ops->all = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, op_free);
    ops->queues = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, queue_free);
    return ops;
}

void
ops_free(struct ops *ops)
{
    if (!ops)
        return;
    g_hash_table_unref(ops->queues);
    g_hash_table_unref(ops->all);
    g_free(ops);
}

/* current_operations is not in the database. */
static void
show_running(struct op *op)
{
    struct txn *txn = model_begin_volatile(op->ops->model);
    g_autoptr(GError) error = NULL;

    op->ops->world.mark(txn, op->plan->object, op->plan->operation, op_key(op), true);
    if (!txn_commit(txn, &error))
        log_warning("%s of %s is not shown: %s", op->plan->operation, op->plan->object,
                    error->message);
}

void
ops_recover(struct ops *ops)
{
    GHashTableIter iter;
    const char *key;
    GVariant *value;
    g_autoptr(GPtrArray) recovered = g_ptr_array_new();

    g_hash_table_iter_init(&iter, model_journal(ops->model));
    while (g_hash_table_iter_next(&iter, (void **)&key, (void **)&value)) {
        if (!g_str_has_prefix(key, JOURNAL_PREFIX))
            continue;
        g_autoptr(GVariant) plan_variant = NULL;
        g_autoptr(GVariant) error = NULL;
        const char *task = "";
        guint resume = 0;
        struct plan *plan = NULL;
        if (g_variant_is_of_type(value, G_VARIANT_TYPE(JOURNAL_TYPE))) {
            g_variant_get(value, "(&s@asu@" PLAN_TYPE ")", &task, &error, &resume, &plan_variant);
            plan = plan_from_variant(plan_variant);
        }
        bool known = plan && resume < MAX(plan->steps->len, 1);
        for (guint i = 0; known && i < plan->steps->len; i++)
            known = kind_find(ops, ((struct step *)plan->steps->pdata[i])->kind);
        if (!known) {
            /* Of a newer version: left in the journal for it. */
            log_error("journal entry %s is not understood; left alone", key);
            plan_free(plan);
            continue;
        }
        struct op *op = op_new(ops, key + strlen(JOURNAL_PREFIX), plan, *task ? task : NULL);
        if (g_variant_n_children(error))
            op->error = api_error_from_variant(error);
        op->resume = resume;
        op->state = OP_QUEUED;
        g_ptr_array_add(recovered, op);
        log_info("taking up %s of %s again%s", plan->operation, plan->object,
                 op->error ? ", to undo it" : "");
    }
    for (guint i = 0; i < recovered->len; i++) {
        show_running(recovered->pdata[i]);
        op_advance(recovered->pdata[i]);
    }
}

bool
ops_busy(const struct ops *ops, const char *object)
{
    return g_hash_table_contains(ops->queues, object);
}

guint
ops_count(const struct ops *ops)
{
    return g_hash_table_size(ops->all);
}

bool
ops_cancel(struct ops *ops, const char *task)
{
    GHashTableIter iter;
    struct op *op;

    g_hash_table_iter_init(&iter, ops->all);
    while (g_hash_table_iter_next(&iter, NULL, (void **)&op)) {
        if (g_strcmp0(op->task, task) || op->state == OP_UNDOING || op->state == OP_ENDING)
            continue;
        bool first = !op->cancelled;
        op->cancelled = true;
        if (first && op->in_step && op_kind(op, op->position)->cancel)
            op_kind(op, op->position)->cancel(op);
        return true;
    }
    return false;
}

void *
op_world_data(const struct op *op)
{
    return op->ops->world.data;
}

const char *
op_object(const struct op *op)
{
    return op->plan->object;
}

const char *
op_operation(const struct op *op)
{
    return op->plan->operation;
}

const char *
op_task(const struct op *op)
{
    return op->task;
}

const char *
op_step_id(const struct op *op)
{
    return op->step_id;
}

void
op_set_result(struct op *op, const char *key, GVariant *value)
{
    g_hash_table_insert(op->results, g_strdup(key), g_variant_ref_sink(value));
}

GVariant *
op_result(const struct op *op, const char *key)
{
    return g_hash_table_lookup(op->results, key);
}
