/* The engine of operations, for who submits and cancels them: rooms, queues, what waits in them. */
#include "config.h"

#include "xapid/ops/internal.h"

#include "lib/error.h"

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

void
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
    if (op->state >= OP_UNDOING || op_is_settled(op))
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

bool
ops_run(struct ops *ops, struct txn *txn, struct plan *plan, const char *task, op_done_fn done,
        void *data, GError **error)
{
    struct op *op = ops_submit(ops, txn, plan, task, error);

    if (!op) {
        txn_abort(txn);
        return false;
    }
    guint64 generation = txn_commit(txn, error);
    if (!generation) {
        op_drop(op);
        return false;
    }
    op_start(op, generation, done, data);
    return true;
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
