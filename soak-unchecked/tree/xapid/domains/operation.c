/* Operations and the queues of the domains; see operation.h. */
#include "config.h"

#include "xapid/domains/operation.h"

#include "lib/error.h"
#include "lib/log.h"
#include "xapid/domains/argument.h"
#include "xapid/domains/domains.h"
#include "xapid/domains/outcome.h"
#include "xapid/domains/verb-args.h"

/* Moved by operation_move () alone:
 *   QUEUED → RUNNING → DONE
 *   RUNNING → RECOVERING → DONE      the worker was lost
 *   RUNNING → RECOVERING → RUNNING   so it was, and the operation is run once more
 *   RUNNING → WAITING → DONE         shutdown: the guest has been asked
 *   QUEUED → DONE                    refused, or aborted in time */
enum operation_state {
    OPERATION_QUEUED,
    OPERATION_RUNNING,
    OPERATION_RECOVERING,
    OPERATION_WAITING,
    OPERATION_DONE,
};

static const unsigned operation_moves[] = {
    [OPERATION_QUEUED] = 1u << OPERATION_RUNNING | 1u << OPERATION_DONE,
    [OPERATION_RUNNING] =
        1u << OPERATION_RECOVERING | 1u << OPERATION_WAITING | 1u << OPERATION_DONE,
    [OPERATION_RECOVERING] = 1u << OPERATION_RUNNING | 1u << OPERATION_DONE,
    [OPERATION_WAITING] = 1u << OPERATION_DONE,
    [OPERATION_DONE] = 0,
};

struct operation {
    int refs;
    struct operations *table;
    struct lane *lane;
    char *op_id, *verb, *uuid;
    GVariant *args;
    enum operation_state state;
    struct request *request; /* while a worker has it */
    int recoveries;
    bool aborted, forgotten, again;
    /* WAITING: */
    guint timer;
    int timeout_s, domid;
    bool overdue, looking, look_again;
    /* DONE: */
    GVariant *error, *result;
};

/* The queue of a domain. */
struct lane {
    char *uuid;
    GQueue queued;
    struct operation *running; /* RUNNING or RECOVERING */
    GQueue waiting;            /* shutdowns */
};

struct operations {
    struct pool *pool;
    bool open;
    GHashTable *by_id; /* op_id → struct operation */
    GHashTable *lanes; /* uuid → struct lane */
    operation_done_fn done;
    void *data;
};

static void look(struct operation *op);
static void recover(struct operation *op);
static void lane_next(struct lane *lane, struct operations *table);

static void
operation_unref(struct operation *op)
{
    if (--op->refs > 0)
        return;
    g_clear_handle_id(&op->timer, g_source_remove);
    g_free(op->op_id);
    g_free(op->verb);
    g_free(op->uuid);
    g_clear_pointer(&op->args, g_variant_unref);
    g_clear_pointer(&op->error, g_variant_unref);
    g_clear_pointer(&op->result, g_variant_unref);
    g_free(op);
}

static struct operation *
operation_ref(struct operation *op)
{
    op->refs++;
    return op;
}

static void
operation_move(struct operation *op, enum operation_state state)
{
    g_assert(operation_moves[op->state] & 1u << state);
    op->state = state;
    log_debug("operation %s (%s %s) is in state %d", op->op_id, op->verb, op->uuid, state);
}

static void
lane_free(struct lane *lane)
{
    g_queue_clear(&lane->queued);
    g_queue_clear(&lane->waiting);
    g_free(lane->uuid);
    g_free(lane);
}

/* Ends an operation; error NULL or empty: success. */
static void
finish(struct operation *op, GVariant *error, GVariant *result)
{
    struct operations *table = op->table;
    struct lane *lane = op->lane;

    operation_move(op, OPERATION_DONE);
    g_clear_handle_id(&op->timer, g_source_remove);
    g_clear_pointer(&op->args, g_variant_unref);
    op->error = g_variant_ref_sink(error ? error : g_variant_new("as", NULL));
    op->result = g_variant_ref_sink(result ? result : g_variant_new("a{sv}", NULL));
    op->lane = NULL;
    if (lane) {
        if (lane->running == op)
            lane->running = NULL;
        g_queue_remove(&lane->queued, op);
        g_queue_remove(&lane->waiting, op);
    }
    operation_ref(op);
    table->done(op->op_id, op->error, op->result, table->data);
    if (op->forgotten)
        g_hash_table_remove(table->by_id, op->op_id);
    operation_unref(op);
    if (lane)
        lane_next(lane, table);
}

static void
finish_error(struct operation *op, GError *error)
{
    g_autoptr(GError) owned = error;

    finish(op, api_error_to_variant(owned), NULL);
}

/* What a worker answered; a cancellation is about this operation. */
static void
finish_answer(struct operation *op, GVariant *error, GVariant *result)
{
    const char *code = NULL;

    if (g_variant_n_children(error) > 0)
        g_variant_get_child(error, 0, "&s", &code);
    if (g_strcmp0(code, "TASK_CANCELLED") == 0)
        finish_error(op, api_error_new("TASK_CANCELLED", op->op_id, NULL));
    else
        finish(op, error, code ? NULL : result);
}

static gboolean
shutdown_overdue(gpointer data)
{
    struct operation *op = data;

    op->timer = 0;
    op->overdue = true;
    look(op);
    return G_SOURCE_REMOVE;
}

/* The guest has been asked: wait for what it does without holding anything. */
static void
wait_for_guest(struct operation *op, GVariant *result)
{
    struct lane *lane = op->lane;
    bool reboot;

    operation_move(op, OPERATION_WAITING);
    shutdown_args_parse(op->args, &reboot, &op->timeout_s, NULL);
    g_variant_lookup(result, "domid", "i", &op->domid);
    op->timer = g_timeout_add_seconds((guint)op->timeout_s, shutdown_overdue, op);
    lane->running = NULL;
    g_queue_push_tail(&lane->waiting, op);
    look(op);
    lane_next(lane, op->table);
}

static void
answered(bool lost, GVariant *error, GPtrArray *parts, void *data)
{
    struct operation *op = data;

    op->request = NULL;
    if (lost)
        recover(op);
    else if (g_variant_n_children(error) > 0 || !g_str_equal(op->verb, "shutdown"))
        finish_answer(op, error, parts->pdata[0]);
    else if (op->aborted) /* too late to take the request back, in time not to wait for the guest */
        finish_error(op, api_error_new("TASK_CANCELLED", op->op_id, NULL));
    else
        wait_for_guest(op, parts->pdata[0]);
}

static void
run(struct operation *op)
{
    operation_move(op, OPERATION_RUNNING);
    op->request = pool_submit(op->table->pool, REQUEST_OPERATION, op->verb, op->uuid, op->op_id,
                              op->args, answered, op);
}

static void
recovered(bool lost, GVariant *error, GPtrArray *parts, void *data)
{
    struct operation *op = data;
    g_autoptr(GError) failure = NULL;
    GVariant *result = NULL;

    if (lost)
        recover(op);
    else if (g_variant_n_children(error) > 0)
        finish(op, error, NULL);
    else if (outcome_of(op->verb, op->op_id, parts, &result))
        finish(op, NULL, result);
    else if (op->aborted)
        finish_error(op, api_error_new("TASK_CANCELLED", op->op_id, NULL));
    else if (verb_again(op->verb) && !op->again) {
        /* A guest that reboots is not to stay down because a process of ours died. */
        op->again = true;
        op->recoveries = 0;
        run(op);
    } else {
        finish_error(op, api_error_new("INTERNAL_ERROR", "xapid-domains",
                                       "the worker did not answer in time or ended", op->verb,
                                       op->uuid, NULL));
    }
}

/* A fresh worker looks at the domain, removes what was half built and says what is true now. */
static void
recover(struct operation *op)
{
    if (op->state == OPERATION_RUNNING)
        operation_move(op, OPERATION_RECOVERING);
    if (op->recoveries++ >= RECOVERY_TRIES) {
        log_error("%s of %s: no worker survives looking at it", op->verb, op->uuid);
        finish_error(op, api_error_new("INTERNAL_ERROR", "xapid-domains",
                                       "the domain cannot be looked at", op->uuid, NULL));
        return;
    }
    log_warning("%s of %s lost its worker: looking at the domain", op->verb, op->uuid);
    pool_submit(op->table->pool, REQUEST_RECOVERY, "recover", op->uuid, op->op_id, NULL, recovered,
                op);
}

static void
looked(bool lost, GVariant *error, GPtrArray *parts, void *data)
{
    struct operation *op = data;
    bool failed = lost || g_variant_n_children(error) > 0;

    op->looking = false;
    if (op->state == OPERATION_WAITING) {
        if (!failed && outcome_domain_ended(op->domid, parts)) {
            finish(op, NULL, NULL);
        } else if (op->overdue) {
            g_autofree char *timeout = g_strdup_printf("%d", op->timeout_s);
            finish_error(op, api_error_new("VM_SHUTDOWN_TIMEOUT", op->uuid, timeout, NULL));
        } else if (op->look_again || lost) {
            look(op);
        }
    }
    operation_unref(op);
}

static void
look(struct operation *op)
{
    op->look_again = op->looking;
    if (op->looking)
        return;
    op->looking = true;
    pool_submit(op->table->pool, REQUEST_QUESTION, "list", op->uuid, op->op_id, NULL, looked,
                operation_ref(op));
}

static void
lane_next(struct lane *lane, struct operations *table)
{
    struct operation *op;

    if (!table->open || lane->running)
        return;
    op = g_queue_pop_head(&lane->queued);
    if (!op) {
        if (g_queue_is_empty(&lane->waiting))
            g_hash_table_remove(table->lanes, lane->uuid);
        return;
    }
    lane->running = op;
    run(op);
}

struct operations *
operations_new(struct pool *pool, operation_done_fn done, void *data)
{
    struct operations *table = g_new0(struct operations, 1);

    table->pool = pool;
    table->done = done;
    table->data = data;
    table->by_id =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)operation_unref);
    table->lanes = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)lane_free);
    return table;
}

void
operations_free(struct operations *table)
{
    if (!table)
        return;
    g_hash_table_unref(table->lanes);
    g_hash_table_unref(table->by_id);
    g_free(table);
}

void
operations_open(struct operations *table)
{
    g_autoptr(GList) lanes = g_hash_table_get_values(table->lanes);

    table->open = true;
    for (GList *l = lanes; l; l = l->next)
        lane_next(l->data, table);
}

static struct lane *
lane_get(struct operations *table, const char *uuid)
{
    struct lane *lane = g_hash_table_lookup(table->lanes, uuid);

    if (!lane) {
        lane = g_new0(struct lane, 1);
        lane->uuid = g_strdup(uuid);
        g_queue_init(&lane->queued);
        g_queue_init(&lane->waiting);
        g_hash_table_insert(table->lanes, lane->uuid, lane);
    }
    return lane;
}

bool
operations_start(struct operations *table, const char *op_id, const char *verb, const char *uuid,
                 GVariant *args, GError **error)
{
    struct operation *op = g_hash_table_lookup(table->by_id, op_id);
    g_autoptr(GError) refused = NULL;

    if (op) {
        if (op->state == OPERATION_DONE)
            table->done(op->op_id, op->error, op->result, table->data);
        return true;
    }
    if (g_hash_table_size(table->by_id) >= OPERATIONS_MAX) {
        api_error_set(error, "INTERNAL_ERROR", "xapid-domains", "too many operations", NULL);
        return false;
    }
    op = g_new0(struct operation, 1);
    op->refs = 1;
    op->table = table;
    op->op_id = g_strdup(op_id);
    op->verb = g_strdup(verb);
    op->uuid = g_strdup(uuid);
    op->args = g_variant_ref_sink(args);
    op->domid = -1;
    g_hash_table_insert(table->by_id, op->op_id, op);
    if (!op_id_check(op_id, &refused)) {
        op->forgotten = true; /* nothing that could be asked for again */
        finish_error(op, g_steal_pointer(&refused));
        return true;
    }
    if (!verb_check(verb, uuid, args, &refused)) {
        finish_error(op, g_steal_pointer(&refused));
        return true;
    }
    op->lane = lane_get(table, uuid);
    g_queue_push_tail(&op->lane->queued, op);
    lane_next(op->lane, table);
    return true;
}

void
operations_abort(struct operations *table, const char *op_id)
{
    struct operation *op = g_hash_table_lookup(table->by_id, op_id);

    if (!op || op->state == OPERATION_DONE)
        return;
    op->aborted = true;
    if (op->state == OPERATION_RUNNING)
        pool_abort(table->pool, op->request);
    else if (op->state != OPERATION_RECOVERING)
        finish_error(op, api_error_new("TASK_CANCELLED", op->op_id, NULL));
}

void
operations_forget(struct operations *table, const char *op_id)
{
    struct operation *op = g_hash_table_lookup(table->by_id, op_id);

    if (!op)
        return;
    if (op->state == OPERATION_DONE)
        g_hash_table_remove(table->by_id, op_id);
    else
        op->forgotten = true;
}

GVariant *
operations_list(struct operations *table)
{
    GVariantBuilder builder;
    GHashTableIter iter;
    gpointer value;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("a(ssss)"));
    g_hash_table_iter_init(&iter, table->by_id);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        struct operation *op = value;
        g_variant_builder_add(&builder, "(ssss)", op->op_id, op->uuid, op->verb,
                              op->state == OPERATION_DONE ? "done" : "running");
    }
    return g_variant_builder_end(&builder);
}

static void
lane_changed(struct lane *lane)
{
    for (GList *l = lane->waiting.head; l; l = l->next)
        look(l->data);
}

void
operations_changed(struct operations *table, const char *uuid)
{
    GHashTableIter iter;
    gpointer value;
    struct lane *lane;

    if (*uuid) {
        lane = g_hash_table_lookup(table->lanes, uuid);
        if (lane)
            lane_changed(lane);
        return;
    }
    g_hash_table_iter_init(&iter, table->lanes);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        lane_changed(value);
}
