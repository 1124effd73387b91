/* Class task: free tasks for clients, cancelling, and what an owner may write. */
#include "config.h"

#include "lib/error.h"
#include "xapid/calls/call.h"
#include "xapid/ops/task.h"

bool
task_may_touch(struct api *api, const struct caller *caller, const char *task, GError **error)
{
    struct model *model = api->model;
    g_autofree char *session = model_get_string(model, task, "session");

    if (g_strcmp0(session, caller->session) == 0)
        return true;
    if (caller->session && model_has(model, dm_class_find("session", false), session)) {
        g_autofree char *owner = model_get_string(model, session, "auth_user_sid");
        g_autofree char *mine = model_get_string(model, caller->session, "auth_user_sid");
        if (*mine && g_str_equal(owner, mine))
            return true;
    }
    return rbac_check(caller, "task.destroy/any", DM_ROLE_POOL_OPERATOR, error);
}

static bool
may_touch(struct call *call, const char *task, GError **error)
{
    return task_may_touch(call->api, &call->caller, task, error);
}

static struct txn *
begin_on_own(struct call *call)
{
    GError *error = NULL;

    if (may_touch(call, call_ref(call, 0), &error))
        return call_begin(call);
    call_fail(call, error);
    return NULL;
}

/* The same for what tells how a task goes: that of an operation is told by the operation. */
static struct txn *
begin_on_free(struct call *call)
{
    GError *error = NULL;

    if (!may_touch(call, call_ref(call, 0), &error)) {
        call_fail(call, error);
        return NULL;
    }
    if (ops_has_task(call->api->ops, call_ref(call, 0))) {
        call_fail_code(call, "OPERATION_NOT_ALLOWED", "The task belongs to an operation", NULL);
        return NULL;
    }
    return call_begin(call);
}

static void
create(struct call *call)
{
    GError *error = NULL;
    struct txn *txn = call_begin(call);

    if (!txn)
        return;
    const char *task = call_new_task(call, txn, call_string(call, 0), call_string(call, 1), &error);
    if (!task) {
        call_abort(call, txn, error);
        return;
    }
    call_commit(call, txn, g_variant_new_string(task));
}

static void
destroy(struct call *call)
{
    GError *error = NULL;
    struct txn *txn = begin_on_own(call);

    if (!txn)
        return;
    if (!txn_destroy(txn, call_ref(call, 0), &error)) {
        call_abort(call, txn, error);
        return;
    }
    call_commit(call, txn, NULL);
}

/* An operation of ours ends when its step has; a free task is its client's to end. */
static void
cancel(struct call *call)
{
    const char *task = call_ref(call, 0);
    g_autofree char *status = model_get_string(call->api->model, task, "status");

    if (g_str_equal(status, "cancelling")) {
        call_return(call, NULL);
        return;
    }
    if (!g_str_equal(status, "pending")) {
        call_fail_code(call, "OPERATION_NOT_ALLOWED", "The task has ended", NULL);
        return;
    }
    struct txn *txn = begin_on_own(call);
    if (!txn)
        return;
    txn_set_string(txn, task, "status", "cancelling");
    txn_set_map_value(txn, task, "current_operations", call->caller.session, "cancel");
    ops_cancel(call->api->ops, task);
    call_commit(call, txn, NULL);
}

static void
set_status(struct call *call)
{
    const char *task = call_ref(call, 0), *status = call_string(call, 1);
    struct txn *txn = begin_on_free(call);

    if (!txn)
        return;
    g_autofree char *now = model_get_string(call->api->model, task, "status");
    if (!g_str_equal(now, "pending") && !g_str_equal(now, "cancelling")) {
        /* A task leaves pending once. */
        txn_abort(txn);
        call_fail_code(call, "INVALID_VALUE", "status", status, NULL);
        return;
    }
    txn_set_string(txn, task, "status", status);
    if (!g_str_equal(status, "pending") && !g_str_equal(status, "cancelling")) {
        txn_set_value(txn, task, "finished", g_variant_new_int64(g_get_real_time()));
        txn_set_value(txn, task, "allowed_operations", g_variant_new_strv(NULL, 0));
    }
    call_commit(call, txn, NULL);
}

static void
set_progress(struct call *call)
{
    double progress = call_double(call, 1);
    struct txn *txn;

    if (!(progress >= 0.0 && progress <= 1.0)) {
        g_autofree char *text = g_strdup_printf("%g", progress);
        call_fail_code(call, "INVALID_VALUE", "value", text, NULL);
        return;
    }
    if (!(txn = begin_on_free(call)))
        return;
    txn_set_value(txn, call_ref(call, 0), "progress", g_variant_new_double(progress));
    call_commit(call, txn, NULL);
}

static void
set_result(struct call *call)
{
    struct txn *txn = begin_on_free(call);

    if (!txn)
        return;
    txn_set_string(txn, call_ref(call, 0), "result", call_string(call, 1));
    call_commit(call, txn, NULL);
}

static void
set_error_info(struct call *call)
{
    struct txn *txn = begin_on_free(call);

    if (!txn)
        return;
    txn_set_value(txn, call_ref(call, 0), "error_info", call->args[1]);
    call_commit(call, txn, NULL);
}

static void
write_other_config(struct call *call)
{
    GError *error = NULL;

    if (may_touch(call, call_ref(call, 0), &error))
        generic_write_field(call);
    else
        call_fail(call, error);
}

const struct call_impl calls_task[] = {
    {"task.create", create},
    {"task.destroy", destroy},
    {"task.cancel", cancel},
    {"task.set_status", set_status},
    {"task.set_progress", set_progress},
    {"task.set_result", set_result},
    {"task.set_error_info", set_error_info},
    {"task.set_other_config", write_other_config},
    {"task.add_to_other_config", write_other_config},
    {"task.remove_from_other_config", write_other_config},
    {NULL, NULL},
};
