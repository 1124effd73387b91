/* An operation on its way: from step to step, back over their undos when one fails, a survey of
 * what is there then, and its end.  Nothing begins before the journal that tells of it is on disk.
 */
#include "config.h"

#include "lib/error.h"
#include "lib/faults.h"
#include "lib/log.h"
#include "xapid/ops/internal.h"
#include "xapid/ops/task.h"

#define RETRY_SECONDS 1 /* an undo that failed, an end that could not be written */
#define UNDO_TRIES 3    /* then what is left stays for a look at the real state */

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

    if (op->cancelled && !op_is_settled(op)) {
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

/* NULL: none, or several. */
static const char *
op_value(const struct op *op)
{
    GVariant *value = op->error ? NULL : op_result(op, "value");

    return value && g_variant_is_of_type(value, G_VARIANT_TYPE_STRING)
               ? g_variant_get_string(value, NULL)
               : NULL;
}

static void
succeed(const struct op *op, struct txn *txn)
{
    GVariant *value = op_result(op, "value");

    if (value && g_variant_is_of_type(value, G_VARIANT_TYPE_STRING_ARRAY))
        task_succeed_strings(txn, op->task, value);
    else
        task_succeed_string(txn, op->task, op_value(op));
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
            succeed(op, txn);
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
    if (op->position <= op_settled(op))
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
