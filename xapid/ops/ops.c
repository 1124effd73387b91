/* The operation engine; see ops.h.  Called by calls/ (submit, cancel) and by steps (op_step_done).
 */
#include "config.h"

#include "xapid/ops/internal.h"

#include "lib/error.h"
#include "lib/faults.h"
#include "lib/log.h"
#include "xapid/ops/task.h"

#define RETRY_SECONDS 1 /* an undo that failed, an end that could not be written */
#define UNDO_TRIES 3    /* then what is left stays for a look at the real state */

/* ---- small parts ---- */

static void
queue_free(void *data)
{
    g_queue_free(data);
}

const struct step_kind *
ops_kind(const struct ops *ops, const char *name, const struct ops_room **ret_room)
{
    for (const struct ops_room *room = ops->rooms; room->cls; room++)
        for (const struct step_kind *const *kind = room->kinds; *kind; kind++) {
            if (!g_str_equal((*kind)->name, name))
                continue;
            if (ret_room)
                *ret_room = room;
            return *kind;
        }
    return NULL;
}

const struct ops_room *
ops_room_of(const struct ops *ops, const struct dm_class *cls)
{
    for (const struct ops_room *room = ops->rooms; cls && room->cls; room++)
        if (g_str_equal(room->cls, cls->name))
            return room;
    return NULL;
}

/* The object may be new in the transaction. */
static const struct ops_room *
room_within(const struct ops *ops, const struct txn *txn, const char *object)
{
    const struct ops_room *room = ops->rooms;

    while (room->cls && !txn_has(txn, dm_class_find(room->cls, false), object))
        room++;
    g_assert(room->cls);
    return room;
}

static const struct step *
op_step(const struct op *op, guint position)
{
    return op->plan->steps->pdata[position];
}

static const struct step_kind *
op_kind(const struct op *op, guint position)
{
    return ops_kind(op->ops, op_step(op, position)->kind, NULL);
}

/* Takes an operation out of its queue, wakes the next one, and frees it. */
static void
op_remove(struct op *op)
{
    struct ops *ops = op->ops;
    GQueue *queue = g_hash_table_lookup(ops->queues, op->plan->object);
    const struct ops_room *room = op->room;
    g_autofree char *object = g_strdup(op->plan->object);

    g_queue_remove(queue, op);
    g_hash_table_remove(ops->all, op->id);
    if (g_queue_is_empty(queue)) {
        g_hash_table_remove(ops->queues, object);
        if (room && room->idle)
            room->idle(object, room->data);
    } else {
        op_advance(g_queue_peek_head(queue));
    }
}

/* ---- submission ---- */

/* What it interrupts will not run to its end after a restart either. */
static void
note_interrupted(struct op *op, struct txn *txn)
{
    GQueue *queue = g_hash_table_lookup(op->ops->queues, op->plan->object);

    for (GList *l = queue->head; l && l->data != op; l = l->next)
        op_journal_cancelled(l->data, txn);
}

/* False: it is ending anyhow. */
static bool
op_cancel(struct op *op)
{
    if (op->state >= OP_UNDOING)
        return false;
    bool first = !op->cancelled;
    op->cancelled = true;
    if (first && op->in_step && op_kind(op, op->position)->cancel)
        op_kind(op, op->position)->cancel(op);
    return true;
}

struct op *
ops_submit(struct ops *ops, struct txn *txn, struct plan *plan, const char *task, GError **error)
{
    GQueue *queue = g_hash_table_lookup(ops->queues, plan->object);

    for (guint i = 0; i < plan->steps->len; i++)
        g_assert(ops_kind(ops, ((struct step *)plan->steps->pdata[i])->kind, NULL));
    if (g_hash_table_size(ops->all) >= OPS_MAX_PENDING ||
        (queue && g_queue_get_length(queue) >= OPS_MAX_QUEUED)) {
        api_error_set(error, "TOO_MANY_PENDING_TASKS", NULL);
        plan_free(plan);
        return NULL;
    }
    g_autofree char *id = g_uuid_string_random();
    struct op *op =
        op_new(ops, ++ops->last_order, id, plan, room_within(ops, txn, plan->object), task);
    if (plan->interrupts)
        note_interrupted(op, txn);
    op_journal(op, txn);
    op_mark(op, txn, true);
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
            done(copy, NULL, done_data);
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
    if (op->plan->interrupts) {
        GQueue *queue = g_hash_table_lookup(op->ops->queues, op->plan->object);
        for (GList *l = queue->head; l && l->data != op; l = l->next)
            op_cancel(l->data);
    }
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

/* Writes the journal entry anew; nothing else happens until it is on disk. */
static void
note(struct op *op, void (*durable)(const GError *error, void *data))
{
    g_autoptr(GError) error = NULL;
    struct txn *txn = model_begin(op->ops->model, &error);
    guint64 generation = 0;

    op->noting = true;
    if (txn) {
        op_journal(op, txn);
        generation = txn_commit(txn, &error);
    }
    if (generation)
        model_when_durable(op->ops->model, generation, durable, op);
    else
        durable(error, op);
}

static GError *
cancelled_error(const struct op *op)
{
    return api_error_new("TASK_CANCELLED", op->task ? op->task : "", NULL);
}

static void
undo_durable(const GError *error, void *data)
{
    struct op *op = data;

    /* Going back is right all the same; a restart would go forth again and come here. */
    if (error)
        log_warning("%s of %s: going back is not in the journal: %s", op->plan->operation,
                    op->plan->object, error->message);
    op->noting = false;
    advance_later(op, 0);
}

/* Notes in the journal, before it begins, that the operation is going back: so does a restart.
 * Takes the error. */
static void
begin_undo(struct op *op, GError *error)
{
    op->error = error;
    op->state = OP_UNDOING;
    note(op, undo_durable);
}

static void
run_step(struct op *op)
{
    GError *error = NULL;

    if (op->cancelled) {
        begin_undo(op, cancelled_error(op));
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

/* NULL: none. */
static const char *
op_value(const struct op *op)
{
    GVariant *value = op->error ? NULL : op_result(op, "value");

    return value ? g_variant_get_string(value, NULL) : NULL;
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
    g_autoptr(GError) failed = g_steal_pointer(&op->error);
    g_autofree char *value = g_strdup(op_value(op));
    op_remove(op);
    if (done)
        done(failed, value, done_data);
}

static void
write_end(struct op *op)
{
    struct ops *ops = op->ops;
    g_autoptr(GError) failed = NULL;
    g_autofree char *key = op_journal_key(op);
    guint64 generation = 0;

    struct txn *txn = NULL;
    if (FAULT_POINT("ops.end.before", &failed))
        txn = model_begin(ops->model, &failed);
    if (txn) {
        op_mark(op, txn, false);
        if (op->room)
            op->room->finish(op, txn, op->error);
        txn_journal(txn, key, NULL);
        if (op->task && op->error)
            task_fail(txn, op->task, op->error);
        else if (op->task)
            task_succeed_string(txn, op->task, op_value(op));
        generation = txn_commit(txn, &failed);
    }
    if (!generation) {
        end_durable(failed, op);
        return;
    }
    model_when_durable(ops->model, generation, end_durable, op);
}

void
op_advance(struct op *op)
{
    struct ops *ops = op->ops;

    if (op->in_step || op->noting || op->idle)
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
    case OP_SURVEYING:
        op->in_step = true;
        if (op->room && op->room->survey)
            op->room->survey(op);
        else
            op_step_done(op, NULL);
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

    op->noting = false;
    if (error) {
        begin_undo(op, g_error_copy(error));
        return;
    }
    op_step_progress(op, 0);
    advance_later(op, 0);
}

static void
step_ended(struct op *op, GError *error)
{
    if (!error && !FAULT_POINT("ops.step.after", &error))
        g_assert(error);
    if (error) {
        begin_undo(op, error);
        return;
    }
    bool once = op_kind(op, op->position)->once;
    if (++op->position == op->plan->steps->len) {
        op->state = OP_ENDING;
    } else if (once) {
        op->resume = op->position;
        note(op, resume_durable);
        return;
    } else {
        op_step_progress(op, 0);
    }
    advance_later(op, 0);
}

static void
undo_ended(struct op *op, GError *error)
{
    g_autoptr(GError) owned = error;
    /* Then nothing was there to do it on, and nothing is there to undo. */
    bool alike = owned && g_str_equal(owned->message, op->error->message);

    if (owned)
        log_warning("undoing %s of %s (%s): %s", op_step(op, op->position)->kind,
                    op->plan->operation, op->plan->object, owned->message);
    if (owned && !alike && ++op->undo_tries < UNDO_TRIES) {
        advance_later(op, RETRY_SECONDS);
        return;
    }
    op->undo_tries = 0;
    if (op->position == 0)
        op->state = OP_SURVEYING;
    else
        op->position--;
    advance_later(op, 0);
}

static void
survey_ended(struct op *op, GError *error)
{
    g_autoptr(GError) owned = error;

    if (owned)
        log_warning("%s of %s failed, and what is there is not known: %s", op->plan->operation,
                    op->plan->object, owned->message);
    op->state = OP_ENDING;
    advance_later(op, 0);
}

void
op_step_done(struct op *op, GError *error)
{
    g_assert(op->in_step);
    op->in_step = false;
    switch (op->state) {
    case OP_RUNNING:
        step_ended(op, error);
        return;
    case OP_UNDOING:
        undo_ended(op, error);
        return;
    default:
        g_assert(op->state == OP_SURVEYING);
        survey_ended(op, error);
    }
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
ops_new(struct model *model, const struct ops_room *rooms)
{
    struct ops *ops = g_new0(struct ops, 1);

    for (const struct ops_room *room = rooms; room->cls; room++) {
        g_assert(room->kinds && room->finish && room->mark);
        for (const struct step_kind *const *kind = room->kinds; *kind; kind++)
            g_assert((*kind)->run);
    }
    ops->model = model;
    ops->rooms = rooms;
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
ops_has_task(const struct ops *ops, const char *task)
{
    GHashTableIter iter;
    struct op *op;

    g_hash_table_iter_init(&iter, ops->all);
    while (g_hash_table_iter_next(&iter, NULL, (void **)&op))
        if (g_strcmp0(op->task, task) == 0)
            return true;
    return false;
}

bool
ops_cancel(struct ops *ops, const char *task)
{
    GHashTableIter iter;
    struct op *op;

    g_hash_table_iter_init(&iter, ops->all);
    while (g_hash_table_iter_next(&iter, NULL, (void **)&op))
        if (g_strcmp0(op->task, task) == 0 && op_cancel(op))
            return true;
    return false;
}
