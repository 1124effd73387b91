/* Class VM: making and removing records, and questions. */
#include "config.h"

#include <string.h>

#include "lib/error.h"
#include "xapid/calls/call.h"

/* ---- create and destroy ---- */

/* VM.create's record may leave any field out. */
static gint64
get_int(GVariant *fields, const char *name, gint64 otherwise)
{
    gint64 value;

    return g_variant_lookup(fields, name, "x", &value) ? value : otherwise;
}

static bool
check_new_vm(GVariant *fields, GError **error)
{
    gint64 static_max = get_int(fields, "memory_static_max", 0);
    gint64 static_min = get_int(fields, "memory_static_min", 0);
    gint64 dynamic_max = get_int(fields, "memory_dynamic_max", static_max);
    gint64 dynamic_min = get_int(fields, "memory_dynamic_min", static_min);
    gint64 max = get_int(fields, "VCPUs_max", 1);
    gint64 at_startup = get_int(fields, "VCPUs_at_startup", max);

    const struct vm_memory memory = {.static_min = static_min,
                                     .dynamic_min = dynamic_min,
                                     .dynamic_max = dynamic_max,
                                     .static_max = static_max};
    return vm_check_memory(&memory, error) && vm_check_vcpus(at_startup, max, error);
}

/* MAC addresses are made from other_config's mac_seed; a record that brings none gets its own. */
static GVariant *
with_mac_seed(GVariant *fields)
{
    g_autoptr(GVariant) given =
        g_variant_lookup_value(fields, "other_config", G_VARIANT_TYPE("a{ss}"));
    g_autofree char *seed = g_uuid_string_random();
    const char *its;
    GVariantBuilder map;

    g_variant_builder_init(&map, G_VARIANT_TYPE("a{ss}"));
    for (gsize i = 0; given && i < g_variant_n_children(given); i++) {
        g_autoptr(GVariant) entry = g_variant_get_child_value(given, i);
        g_variant_builder_add_value(&map, entry);
    }
    if (!given || !g_variant_lookup(given, "mac_seed", "&s", &its))
        g_variant_builder_add(&map, "{ss}", "mac_seed", seed);
    return g_variant_builder_end(&map);
}

/* What the caller's record leaves out, and what no caller decides. */
static GVariant *
complete_new_vm(GVariant *fields, const char *metrics)
{
    gint64 static_max = get_int(fields, "memory_static_max", 0);
    gint64 static_min = get_int(fields, "memory_static_min", 0);
    gint64 vcpus = get_int(fields, "VCPUs_max", 1);
    const char *type = "unspecified", *policy = "";
    GVariantDict dict;

    g_variant_dict_init(&dict, fields);
    g_variant_dict_insert(&dict, "memory_dynamic_max", "x",
                          get_int(fields, "memory_dynamic_max", static_max));
    g_variant_dict_insert(&dict, "memory_dynamic_min", "x",
                          get_int(fields, "memory_dynamic_min", static_min));
    g_variant_dict_insert(&dict, "VCPUs_max", "x", vcpus);
    g_variant_dict_insert(&dict, "VCPUs_at_startup", "x",
                          get_int(fields, "VCPUs_at_startup", vcpus));
    g_variant_lookup(fields, "domain_type", "&s", &type);
    g_variant_lookup(fields, "HVM_boot_policy", "&s", &policy);
    if (g_str_equal(type, "unspecified"))
        g_variant_dict_insert(&dict, "domain_type", "s", *policy ? "hvm" : "pv");
    g_variant_dict_insert_value(&dict, "other_config", with_mac_seed(fields));
    g_variant_dict_insert(&dict, "power_state", "s", "Halted");
    g_variant_dict_insert(&dict, "domid", "x", (gint64)-1);
    g_variant_dict_insert(&dict, "metrics", "s", metrics);
    return g_variant_dict_end(&dict);
}

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
    if (!check_new_vm(given, &error) || !generic_check_maps(call, given, &error)) {
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
        g_autoptr(GVariant) fields = g_variant_ref_sink(complete_new_vm(given, metrics));
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
