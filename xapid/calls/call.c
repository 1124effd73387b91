/* The life of a call: its answer, its task, and the plan it may run; see call.h. */
#include "config.h"

#include <stdarg.h>

#include "lib/error.h"
#include "lib/log.h"
#include "lib/wire/xmlrpc.h"
#include "xapid/calls/exchange.h"
#include "xapid/calls/rows.h"
#include "xapid/ops/task.h"

/* ---- answers ---- */

void
exchange_free(struct exchange *exchange)
{
    g_clear_error(&exchange->error);
    if (exchange->value)
        g_variant_unref(exchange->value);
    rows_free(exchange->rows);
    g_free(exchange);
}

/* Everything that the answer shows is durable, or is known not to be. */
static void
answer_durable(const GError *failed, void *data)
{
    struct exchange *exchange = data;
    struct call_answer answer = {.error = exchange->error ? exchange->error : failed};

    if (!answer.error) {
        answer.type = exchange->type;
        answer.value = exchange->value;
        answer.rows = g_steal_pointer(&exchange->rows);
    }
    exchange->replied = true;
    exchange->reply(&answer, exchange->reply_data);
    if (!exchange->entering)
        exchange_free(exchange);
}

void
exchange_answer(struct exchange *exchange, const struct dm_type *type, GError *error,
                GVariant *value)
{
    struct model *model = exchange->api->model;

    exchange->call = NULL;
    exchange->type = type;
    exchange->error = error;
    exchange->value = value;
    model_when_durable(model, model_head(model), answer_durable, exchange);
}

static void
call_free(struct call *call)
{
    if (call->args)
        for (unsigned i = 0; i < call->message->n_params; i++)
            if (call->args[i])
                g_variant_unref(call->args[i]);
    g_free(call->args);
    caller_clear(&call->caller);
    g_free(call->task);
    call->api->parked--;
    g_free(call);
}

void
call_gone(struct exchange *exchange)
{
    struct call *call = exchange->call;

    if (!call)
        return;
    call->gone = true;
    if (call->on_gone)
        call->on_gone(call);
}

static GVariant *
void_value(void)
{
    return g_variant_new_tuple(NULL, 0);
}

static void
end_task(struct call *call, const GError *error, GVariant *value)
{
    struct model *model = call->api->model;
    g_autoptr(GError) failed = NULL;
    struct txn *txn = model_begin(model, &failed);

    if (txn) {
        if (error) {
            task_fail(txn, call->task, error);
        } else {
            g_autoptr(GString) xml = g_string_new(NULL);
            xmlrpc_value_encode(xml, call->message->result, value);
            task_succeed(txn, call->task, xml->str);
        }
        txn_commit(txn, &failed);
    }
    if (failed)
        log_error("the end of task %s could not be written: %s", call->task, failed->message);
}

/* The task of a call that was waited for goes when the answer is given. */
static void
drop_task(struct call *call)
{
    g_autoptr(GError) failed = NULL;
    struct txn *txn = model_begin(call->api->model, &failed);

    if (txn && txn_destroy(txn, call->task, &failed))
        txn_commit(txn, &failed);
    else if (txn)
        txn_abort(txn);
    if (failed)
        log_debug("task %s: %s", call->task, failed->message);
}

/* Takes error; value is sunk. */
static void
call_end(struct call *call, GError *error, GVariant *value)
{
    g_autoptr(GVariant) sunk = g_variant_ref_sink(value ? value : void_value());

    call->on_gone = NULL;
    if (!call->exchange) {
        end_task(call, error, sunk);
        g_clear_error(&error);
        call_free(call);
        return;
    }
    exchange_answer(call->exchange, call->message->result, error, g_steal_pointer(&sunk));
    call_free(call);
}

void
call_return(struct call *call, GVariant *value)
{
    call_end(call, NULL, value);
}

bool
call_return_rows(struct call *call, struct rows *rows)
{
    GError *error = NULL;

    g_assert(call->exchange);
    if (!rows_hold(rows, &error)) {
        rows_free(rows);
        call_fail(call, error);
        return false;
    }
    call->exchange->rows = rows;
    call->on_gone = NULL;
    exchange_answer(call->exchange, call->message->result, NULL, NULL);
    call_free(call);
    return true;
}

void
call_return_string(struct call *call, const char *value)
{
    call_end(call, NULL, g_variant_new_string(value));
}

void
call_return_ref(struct call *call, const char *ref)
{
    call_end(call, NULL, g_variant_new_string(ref));
}

void
call_return_bool(struct call *call, bool value)
{
    call_end(call, NULL, g_variant_new_boolean(value));
}

void
call_fail(struct call *call, GError *error)
{
    call_end(call, error, NULL);
}

void
call_fail_code(struct call *call, const char *code, ...)
{
    g_autoptr(GPtrArray) params = g_ptr_array_new();
    va_list ap;
    char *param;

    va_start(ap, code);
    while ((param = va_arg(ap, char *)))
        g_ptr_array_add(params, param);
    va_end(ap);
    g_ptr_array_add(params, NULL);
    call_fail(call, api_error_newv(code, (const char *const *)params->pdata));
}

struct txn *
call_begin(struct call *call)
{
    GError *error = NULL;
    struct txn *txn = model_begin(call->api->model, &error);

    if (!txn)
        call_fail(call, error);
    return txn;
}

void
call_commit(struct call *call, struct txn *txn, GVariant *value)
{
    GError *error = NULL;
    g_autoptr(GVariant) sunk = value ? g_variant_ref_sink(value) : NULL;

    if (!txn_commit(txn, &error))
        call_fail(call, error);
    else
        call_return(call, sunk);
}

void
call_abort(struct call *call, struct txn *txn, GError *error)
{
    txn_abort(txn);
    call_fail(call, error);
}

const char *
call_string(const struct call *call, unsigned arg)
{
    return g_variant_get_string(call->args[arg], NULL);
}

gint64
call_int(const struct call *call, unsigned arg)
{
    return g_variant_get_int64(call->args[arg]);
}

bool
call_bool(const struct call *call, unsigned arg)
{
    return g_variant_get_boolean(call->args[arg]);
}

double
call_double(const struct call *call, unsigned arg)
{
    return g_variant_get_double(call->args[arg]);
}

bool
call_has_row(struct call *call, const struct dm_class *cls, const char *ref)
{
    bool has = model_has(call->api->model, cls, ref);

    if (!has)
        call_fail_code(call, "HANDLE_INVALID", cls->name, ref, NULL);
    return has;
}

bool
call_is_here(struct call *call, unsigned arg)
{
    bool is = g_str_equal(call_ref(call, arg), call->api->host);

    if (!is)
        call_fail_code(call, "HANDLE_INVALID", "host", call_ref(call, arg), NULL);
    return is;
}

bool
call_may_wait(const struct call *call, GError **error)
{
    if (call->api->parked <= call->api->limits->max_parked_calls)
        return true;
    api_error_set(error, "TOO_BUSY", NULL);
    return false;
}

/* ---- calls that are operations ---- */

const char *
call_new_task(struct call *call, struct txn *txn, const char *label, const char *description,
              GError **error)
{
    struct api *api = call->api;

    if (!task_make_room(txn, api->model, api->limits->max_tasks, error))
        return NULL;
    return task_create(txn, label, description, call->caller.session, api->host, error);
}

const char *
call_task(struct call *call, struct txn *txn, GError **error)
{
    if (!call->task) {
        const char *task = call_new_task(call, txn, call->message->full_name, "", error);
        if (!task)
            return NULL;
        call->task = g_strdup(task);
    }
    return call->task;
}

static void
plan_ended(const GError *error, const char *value, void *data)
{
    struct call *call = data;

    if (!call->exchange) { /* ops ended the task */
        call_free(call);
        return;
    }
    drop_task(call);
    if (error)
        call_fail(call, g_error_copy(error));
    else
        call_return(call, value ? g_variant_new_string(value) : NULL);
}

void
call_submit(struct call *call, struct txn *txn, struct plan *plan)
{
    bool own_task = !call->task;
    GError *error = NULL;

    if (call_task(call, txn, &error)) {
        task_set_cancellable(txn, call->task, true);
        if (ops_run(call->api->ops, txn, plan, call->task, plan_ended, call, &error))
            return;
    } else {
        plan_free(plan);
        txn_abort(txn);
    }
    if (own_task)
        g_clear_pointer(&call->task, g_free);
    call_fail(call, error);
}

struct txn *
call_begin_plan(struct call *call)
{
    GError *error = NULL;

    if (call_may_wait(call, &error))
        return call_begin(call);
    call_fail(call, error);
    return NULL;
}

void
call_run_plan(struct call *call, struct plan *plan, GError *error)
{
    struct txn *txn;

    g_assert(!plan == !!error);
    if (!plan)
        call_fail(call, error);
    else if ((txn = call_begin_plan(call)))
        call_submit(call, txn, plan);
    else
        plan_free(plan);
}
