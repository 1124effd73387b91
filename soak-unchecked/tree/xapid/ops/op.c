/* One operation: made, asked by its steps, freed.  What it does next is advance.c's. */
#include "config.h"

#include "xapid/ops/internal.h"

void
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

struct op *
op_new(struct ops *ops, guint64 order, const char *id, struct plan *plan,
       const struct ops_room *room, const char *task)
{
    struct op *op = g_new0(struct op, 1);

    op->ops = ops;
    op->order = order;
    op->id = g_strdup(id);
    op->task = g_strdup(task);
    op->plan = plan;
    op->room = room;
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

const char *
op_key(const struct op *op)
{
    return op->task ? op->task : op->id;
}

void *
op_room_data(const struct op *op)
{
    const struct ops_room *room = op->room;

    if (op->in_step && (op->state == OP_RUNNING || op->state == OP_UNDOING)) {
        const struct step *step = op->plan->steps->pdata[op->position];
        ops_kind(op->ops, step->kind, &room);
    }
    return room->data;
}

void
op_mark(const struct op *op, struct txn *txn, bool running)
{
    for (guint i = 0; op->room && i < op->plan->shown_by->len; i++)
        op->room->mark(txn, op->plan->shown_by->pdata[i], op->plan->operation, op_key(op), running,
                       op->room->data);
}

const struct step *
op_step(const struct op *op, guint position)
{
    return op->plan->steps->pdata[position];
}

const struct step_kind *
op_kind(const struct op *op, guint position)
{
    return ops_kind(op->ops, op_step(op, position)->kind, NULL);
}

guint
op_settled(const struct op *op)
{
    guint i = op->resume;

    while (i > 0 && !op_kind(op, i - 1)->settles)
        i--;
    return i;
}

bool
op_is_settled(const struct op *op)
{
    return op_settled(op) > 0;
}

const struct plan *
op_plan(const struct op *op)
{
    return op->plan;
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
