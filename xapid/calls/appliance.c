/* Class VM_appliance, and which VMs are in one. */
#include "config.h"

#include "lib/error.h"
#include "xapid/calls/call.h"
#include "xapid/vm/appliance.h"

static void
run(struct call *call, bool paused)
{
    GError *error = NULL;
    struct plan *plan =
        appliance_plan(call->api->vm, call_ref(call, 0), call->message->name, paused, &error);

    call_run_plan(call, plan, error);
}

/* (appliance, paused) */
static void
start(struct call *call)
{
    run(call, call_bool(call, 1));
}

static void
end(struct call *call)
{
    run(call, false);
}

/* Its VMs stay, and are in none. */
static void
destroy(struct call *call)
{
    GError *error = NULL;
    struct txn *txn;

    if (!ops_none_shown(call->api->model, call_ref(call, 0), &error)) {
        call_fail(call, error);
        return;
    }
    if (!(txn = call_begin(call)))
        return;
    if (!txn_destroy(txn, call_ref(call, 0), &error))
        call_abort(call, txn, error);
    else
        call_commit(call, txn, NULL);
}

/* (vm, appliance): a null reference takes it out of the one that it is in. */
static void
set_appliance(struct call *call)
{
    const struct model *model = call->api->model;
    const char *vm = call_ref(call, 0), *appliance = call_ref(call, 1);
    GError *error = NULL;
    struct txn *txn;

    if (!vm_is_ours(model, vm, &error)) {
        call_fail(call, error);
        return;
    }
    if (model_get_bool(model, vm, "is_a_snapshot")) {
        call_fail_code(call, "VM_IS_SNAPSHOT", vm, call->message->name, NULL);
        return;
    }
    if (model_get_bool(model, vm, "is_a_template")) {
        call_fail_code(call, "VM_IS_TEMPLATE", vm, NULL);
        return;
    }
    if (!(txn = call_begin(call)))
        return;
    appliance_set(txn, vm, appliance);
    call_commit(call, txn, NULL);
}

const struct call_impl calls_appliance[] = {
    {"VM_appliance.destroy", destroy},
    {"VM_appliance.start", start},
    {"VM_appliance.clean_shutdown", end},
    {"VM_appliance.hard_shutdown", end},
    {"VM_appliance.shutdown", end},
    {"VM.set_appliance", set_appliance},
    {NULL, NULL},
};
