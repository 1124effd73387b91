/* Class VM: making and removing records, and questions. */
#include "config.h"

#include <string.h>

#include "lib/error.h"
#include "xapid/calls/call.h"
#include "xapid/vm/copies.h"

/* ---- create and destroy ---- */

static void
create(struct call *call)
{
    g_autoptr(GVariant) given = g_variant_ref_sink(generic_constructor(vm_class(), call->args[0]));
    const char *power_state = "Halted";
    GError *error = NULL;
    struct txn *txn;

    g_variant_lookup(given, "power_state", "&s", &power_state);
    if (!g_str_equal(power_state, "Halted")) {
        call_fail_code(call, "INVALID_VALUE", "power_state", power_state, NULL);
        return;
    }
    if (!vm_check_new(given, &error) || !generic_check_maps(call, given, &error)) {
        call_fail(call, error);
        return;
    }
    if (!(txn = call_begin(call)))
        return;
    g_autoptr(GVariant) none =
        g_variant_ref_sink(g_variant_new_array(G_VARIANT_TYPE("{sv}"), NULL, 0));
    const char *metrics = txn_create(txn, dm_class_find("VM_metrics", false), NULL, none, &error);
    const char *vm = NULL;
    if (metrics) {
        g_autoptr(GVariant) fields = g_variant_ref_sink(vm_complete_new(given, metrics));
        vm = txn_create(txn, vm_class(), NULL, fields, &error);
    }
    if (!vm) {
        call_abort(call, txn, error);
        return;
    }
    vm_refresh_allowed(txn, vm);
    call_commit(call, txn, g_variant_new_string(vm));
}

static void
destroy(struct call *call)
{
    const char *vm = call_ref(call, 0);
    GError *error = NULL;
    struct txn *txn;

    if (!vm_may(call->api->model, vm, "destroy", &error)) {
        call_fail(call, error);
        return;
    }
    if (!(txn = call_begin(call)))
        return;
    if (!vm_destroy_rows(call->api->model, txn, vm, &error)) {
        call_abort(call, txn, error);
        return;
    }
    call_commit(call, txn, NULL);
}

/* A template becomes a VM, with the disks that it asks for. */
static void
provision(struct call *call)
{
    const char *vm = call_ref(call, 0);
    GError *error = NULL;
    struct txn *txn;

    if (!vm_may_provision(call->api->storage, vm, &error)) {
        call_fail(call, error);
        return;
    }
    if (!(txn = call_begin_plan(call)))
        return;
    struct plan *plan = vm_begin_provision(call->api->storage, txn, vm, &error);
    if (!plan)
        call_abort(call, txn, error);
    else
        call_submit(call, txn, plan);
}

/* ---- copies ---- */

static void
copy_to(struct call *call, const char *operation, const char *sr, GVariant *ignored)
{
    const char *vm = call_ref(call, 0);
    GError *error = NULL;
    struct txn *txn;

    if (!vm_may_copy(call->api->storage, vm, operation, sr, ignored, &error)) {
        call_fail(call, error);
        return;
    }
    if (!(txn = call_begin_plan(call)))
        return;
    struct plan *plan = vm_begin_copy(call->api->model, txn, vm, operation, call_string(call, 1),
                                      sr, ignored, &error);
    if (!plan)
        call_abort(call, txn, error);
    else
        call_submit(call, txn, plan);
}

/* (vm, new_name) */
static void
clone_vm(struct call *call)
{
    copy_to(call, "clone", REF_NULL, NULL);
}

/* (vm, new_name, sr) */
static void
copy_vm(struct call *call)
{
    copy_to(call, "copy", call_ref(call, 2), NULL);
}

/* ---- snapshots ---- */

/* (vm, new_name, ignore_vdis) */
static void
snapshot(struct call *call)
{
    copy_to(call, "snapshot", REF_NULL, call->args[2]);
}

static void
revert(struct call *call)
{
    GError *error = NULL;
    struct txn *txn;

    if (!vm_may_revert(call->api->storage, call_ref(call, 0), &error)) {
        call_fail(call, error);
        return;
    }
    if (!(txn = call_begin_plan(call)))
        return;
    struct plan *plan = vm_begin_revert(call->api->vm, txn, call_ref(call, 0), &error);
    if (!plan)
        call_abort(call, txn, error);
    else
        call_submit(call, txn, plan);
}

/* ---- questions ---- */

static void
update_allowed_operations(struct call *call)
{
    GError *error = NULL;
    struct txn *txn = call_begin(call);

    if (!txn)
        return;
    vm_refresh_allowed(txn, call_ref(call, 0));
    /* They are kept up to date: whoever asks waits for the event. */
    if (!txn_touch(txn, call_ref(call, 0), &error)) {
        call_abort(call, txn, error);
        return;
    }
    call_commit(call, txn, NULL);
}

static void
get_possible_hosts(struct call *call)
{
    const char *const hosts[] = {call->api->host};
    bool possible = vm_can_boot_here(call->api->vm, call_ref(call, 0), NULL);

    call_return(call, g_variant_new_strv(hosts, possible ? 1 : 0));
}

static void
assert_can_boot_here(struct call *call)
{
    GError *error = NULL;

    if (!vm_can_boot_here(call->api->vm, call_ref(call, 0), &error))
        call_fail(call, error);
    else
        call_return(call, NULL);
}

static void
assert_operation_valid(struct call *call)
{
    GError *error = NULL;
    const char *vm = call_ref(call, 0), *operation = call_string(call, 1);

    if (!vm_knows(operation))
        call_fail_code(call, "NOT_IMPLEMENTED", operation, NULL);
    else if (!vm_may(call->api->model, vm, operation, &error))
        call_fail(call, error);
    else
        call_return(call, NULL);
}

const struct call_impl calls_vm[] = {
    {"VM.create", create},
    {"VM.destroy", destroy},
    {"VM.clone", clone_vm},
    {"VM.copy", copy_vm},
    {"VM.snapshot", snapshot},
    {"VM.revert", revert},
    {"VM.provision", provision},
    {"VM.update_allowed_operations", update_allowed_operations},
    {"VM.get_possible_hosts", get_possible_hosts},
    {"VM.assert_can_boot_here", assert_can_boot_here},
    {"VM.assert_operation_valid", assert_operation_valid},
    {NULL, NULL},
};
