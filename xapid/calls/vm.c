/* Class VM: making and removing records, the lifecycle, and the settings with rules of their own.
 */
#include "config.h"

#include <string.h>

#include "lib/error.h"
#include "xapid/calls/call.h"

#define MIN_MEMORY (4 * 1024 * 1024ll) /* bytes; less builds no guest */

/* ---- create and destroy ---- */

/* VM.create's record may leave any field out. */
static gint64
get_int(GVariant *fields, const char *name, gint64 otherwise)
{
    gint64 value;

    return g_variant_lookup(fields, name, "x", &value) ? value : otherwise;
}

static bool
check_memory(gint64 static_min, gint64 dynamic_min, gint64 dynamic_max, gint64 static_max,
             GError **error)
{
    if (0 <= static_min && static_min <= dynamic_min && dynamic_min <= dynamic_max &&
        dynamic_max <= static_max)
        return true;
    api_error_set(error, "MEMORY_CONSTRAINT_VIOLATION",
                  "0 <= memory_static_min <= memory_dynamic_min <= memory_dynamic_max <= "
                  "memory_static_max",
                  NULL);
    return false;
}

static bool
check_vcpus(gint64 at_startup, gint64 max, GError **error)
{
    g_autofree char *text = NULL;

    if (1 <= at_startup && at_startup <= max && max <= VM_MAX_VCPUS)
        return true;
    text = g_strdup_printf("%" G_GINT64_FORMAT " of %" G_GINT64_FORMAT, at_startup, max);
    api_error_set(error, "INVALID_VALUE", "VCPUs", text, NULL);
    return false;
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

    if (static_max < MIN_MEMORY) {
        g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, static_max);
        api_error_set(error, "INVALID_VALUE", "memory_static_max", text, NULL);
        return false;
    }
    return check_memory(static_min, dynamic_min, dynamic_max, static_max, error) &&
           check_vcpus(at_startup, max, error);
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
        txn_abort(txn);
        call_fail(call, error);
        return;
    }
    vm_refresh_allowed(txn, vm);
    call_commit(call, txn, g_variant_new_string(vm));
}

/* Rows that live and die with their VM: (class, field that names the VM). */
static const struct {
    const char *cls, *field;
} parts[] = {{"VBD", "VM"},  {"VIF", "VM"},  {"console", "VM"},  {"VGPU", "VM"},
             {"VUSB", "VM"}, {"VTPM", "VM"}, {"crashdump", "VM"}};

static bool
destroy_rows(struct call *call, struct txn *txn, const char *vm, GError **error)
{
    struct model *model = call->api->model;

    for (unsigned i = 0; i < G_N_ELEMENTS(parts); i++) {
        const struct dm_class *cls = dm_class_find(parts[i].cls, false);
        g_autoptr(GPtrArray) rows = model_referrers(model, vm, dm_field_find(cls, parts[i].field));
        for (guint j = 0; j < rows->len; j++)
            if (!txn_destroy(txn, rows->pdata[j], error))
                return false;
    }
    static const char *const owned[] = {"metrics", "guest_metrics"};
    for (unsigned i = 0; i < G_N_ELEMENTS(owned); i++) {
        g_autofree char *ref = model_get_string(model, vm, owned[i]);
        if (model_class(model, ref) && !txn_destroy(txn, ref, error))
            return false;
    }
    return txn_destroy(txn, vm, error);
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
    if (!destroy_rows(call, txn, vm, &error)) {
        txn_abort(txn);
        call_fail(call, error);
        return;
    }
    call_commit(call, txn, NULL);
}

/* ---- the lifecycle ---- */

static void
start(struct call *call)
{
    GError *error = NULL;
    struct plan *plan = vm_plan_start(call->api->vm, call_ref(call, 0), call_bool(call, 1), &error);

    call_run_plan(call, plan, error);
}

static void
start_on(struct call *call)
{
    GError *error = NULL;
    struct plan *plan = NULL;

    if (g_str_equal(call_ref(call, 1), call->api->host))
        plan = vm_plan_start(call->api->vm, call_ref(call, 0), call_bool(call, 2), &error);
    else
        api_error_set(&error, "HANDLE_INVALID", "host", call_ref(call, 1), NULL);
    call_run_plan(call, plan, error);
}

static void
run_plan(struct call *call,
         struct plan *(*make)(const struct vm_world *world, const char *vm, GError **error))
{
    GError *error = NULL;
    struct plan *plan = make(call->api->vm, call_ref(call, 0), &error);

    call_run_plan(call, plan, error);
}

static void
pause_vm(struct call *call)
{
    run_plan(call, vm_plan_pause);
}

static void
unpause_vm(struct call *call)
{
    run_plan(call, vm_plan_unpause);
}

/* A clean shutdown or reboot that is under way gives way to it: the plan interrupts. */
static void
hard(struct call *call,
     struct plan *(*make)(const struct vm_world *world, const char *vm, bool clean, GError **error))
{
    GError *error = NULL;
    struct plan *plan = make(call->api->vm, call_ref(call, 0), false, &error);

    call_run_plan(call, plan, error);
}

static void
hard_shutdown(struct call *call)
{
    hard(call, vm_plan_shutdown);
}

static void
hard_reboot(struct call *call)
{
    hard(call, vm_plan_reboot);
}

static void
clean_shutdown(struct call *call)
{
    GError *error = NULL;
    struct plan *plan = vm_plan_shutdown(call->api->vm, call_ref(call, 0), true, &error);

    call_run_plan(call, plan, error);
}

static void
clean_reboot(struct call *call)
{
    GError *error = NULL;
    struct plan *plan = vm_plan_reboot(call->api->vm, call_ref(call, 0), true, &error);

    call_run_plan(call, plan, error);
}

/* A template becomes a VM.  Disks are made with storage; a template that asks for some waits. */
static void
provision(struct call *call)
{
    const char *vm = call_ref(call, 0);
    GError *error = NULL;
    struct txn *txn;

    if (!vm_may(call->api->model, vm, "provision", &error)) {
        call_fail(call, error);
        return;
    }
    if (vm_asks_for_disks(call->api->model, vm)) {
        call_fail_code(call, "NOT_IMPLEMENTED", "VM.provision with disks", NULL);
        return;
    }
    if (!(txn = call_begin(call)))
        return;
    txn_set_value(txn, vm, "is_a_template", g_variant_new_boolean(FALSE));
    txn_set_map_value(txn, vm, "other_config", "disks", NULL);
    vm_refresh_allowed(txn, vm);
    call_commit(call, txn, NULL);
}

/* ---- questions ---- */

static void
update_allowed_operations(struct call *call)
{
    struct txn *txn = call_begin(call);

    if (!txn)
        return;
    vm_refresh_allowed(txn, call_ref(call, 0));
    call_commit(call, txn, NULL);
}

static void
get_possible_hosts(struct call *call)
{
    const char *const hosts[] = {call->api->host};

    call_return(call, g_variant_new_strv(hosts, 1));
}

static void
assert_can_boot_here(struct call *call)
{
    GError *error = NULL;
    GVariant *config =
        vm_domain_config(call->api->model, call_ref(call, 0), call->api->vm->guest_kernels, &error);

    if (!config) {
        call_fail(call, error);
        return;
    }
    g_variant_unref(g_variant_ref_sink(config));
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

/* ---- settings ---- */

static bool
must_be_halted(struct call *call)
{
    g_autofree char *state = model_get_string(call->api->model, call_ref(call, 0), "power_state");

    if (g_str_equal(state, "Halted"))
        return true;
    g_autofree char *actual = g_ascii_strdown(state, -1);
    call_fail_code(call, "VM_BAD_POWER_STATE", call_ref(call, 0), "halted", actual, NULL);
    return false;
}

static gint64
vm_int(struct call *call, const char *field)
{
    return model_get_int(call->api->model, call_ref(call, 0), field);
}

struct memory {
    gint64 static_min, dynamic_min, dynamic_max, static_max;
};

static struct memory
memory_of(struct call *call)
{
    const struct memory memory = {
        vm_int(call, "memory_static_min"), vm_int(call, "memory_dynamic_min"),
        vm_int(call, "memory_dynamic_max"), vm_int(call, "memory_static_max")};
    return memory;
}

/* All limits together; a live change comes with ballooning, so the VM must be halted. */
static void
write_memory(struct call *call, struct memory memory)
{
    const char *vm = call_ref(call, 0);
    GError *error = NULL;
    struct txn *txn;

    if (!must_be_halted(call))
        return;
    if (!check_memory(memory.static_min, memory.dynamic_min, memory.dynamic_max, memory.static_max,
                      &error)) {
        call_fail(call, error);
        return;
    }
    if (!(txn = call_begin(call)))
        return;
    txn_set_value(txn, vm, "memory_static_min", g_variant_new_int64(memory.static_min));
    txn_set_value(txn, vm, "memory_dynamic_min", g_variant_new_int64(memory.dynamic_min));
    txn_set_value(txn, vm, "memory_dynamic_max", g_variant_new_int64(memory.dynamic_max));
    txn_set_value(txn, vm, "memory_static_max", g_variant_new_int64(memory.static_max));
    call_commit(call, txn, NULL);
}

static void
set_memory_limits(struct call *call)
{
    const struct memory memory = {.static_min = call_int(call, 1),
                                  .static_max = call_int(call, 2),
                                  .dynamic_min = call_int(call, 3),
                                  .dynamic_max = call_int(call, 4)};
    write_memory(call, memory);
}

static void
set_memory(struct call *call)
{
    struct memory memory = memory_of(call);

    memory.dynamic_min = memory.dynamic_max = memory.static_max = call_int(call, 1);
    write_memory(call, memory);
}

static void
set_memory_static_range(struct call *call)
{
    struct memory memory = memory_of(call);

    memory.static_min = call_int(call, 1);
    memory.static_max = call_int(call, 2);
    write_memory(call, memory);
}

static void
set_memory_dynamic_range(struct call *call)
{
    struct memory memory = memory_of(call);

    memory.dynamic_min = call_int(call, 1);
    memory.dynamic_max = call_int(call, 2);
    write_memory(call, memory);
}

static void
set_one_memory(struct call *call)
{
    struct memory memory = memory_of(call);
    gint64 value = call_int(call, 1);

    if (g_str_equal(call->message->name, "set_memory_static_min"))
        memory.static_min = value;
    else if (g_str_equal(call->message->name, "set_memory_static_max"))
        memory.static_max = value;
    else if (g_str_equal(call->message->name, "set_memory_dynamic_min"))
        memory.dynamic_min = value;
    else
        memory.dynamic_max = value;
    write_memory(call, memory);
}

static void
write_vcpus(struct call *call, gint64 at_startup, gint64 max)
{
    const char *vm = call_ref(call, 0);
    GError *error = NULL;
    struct txn *txn;

    if (!must_be_halted(call))
        return;
    if (!check_vcpus(at_startup, max, &error)) {
        call_fail(call, error);
        return;
    }
    if (!(txn = call_begin(call)))
        return;
    txn_set_value(txn, vm, "VCPUs_at_startup", g_variant_new_int64(at_startup));
    txn_set_value(txn, vm, "VCPUs_max", g_variant_new_int64(max));
    call_commit(call, txn, NULL);
}

static void
set_vcpus_max(struct call *call)
{
    write_vcpus(call, vm_int(call, "VCPUs_at_startup"), call_int(call, 1));
}

static void
set_vcpus_at_startup(struct call *call)
{
    write_vcpus(call, call_int(call, 1), vm_int(call, "VCPUs_max"));
}

static void
set_when_halted(struct call *call)
{
    if (must_be_halted(call))
        generic_write_field(call);
}

const struct call_impl calls_vm[] = {
    {"VM.create", create},
    {"VM.destroy", destroy},
    {"VM.start", start},
    {"VM.start_on", start_on},
    {"VM.pause", pause_vm},
    {"VM.unpause", unpause_vm},
    {"VM.clean_shutdown", clean_shutdown},
    {"VM.clean_reboot", clean_reboot},
    {"VM.hard_shutdown", hard_shutdown},
    {"VM.hard_reboot", hard_reboot},
    {"VM.provision", provision},
    {"VM.update_allowed_operations", update_allowed_operations},
    {"VM.get_possible_hosts", get_possible_hosts},
    {"VM.assert_can_boot_here", assert_can_boot_here},
    {"VM.assert_operation_valid", assert_operation_valid},
    {"VM.set_memory_limits", set_memory_limits},
    {"VM.set_memory", set_memory},
    {"VM.set_memory_static_range", set_memory_static_range},
    {"VM.set_memory_dynamic_range", set_memory_dynamic_range},
    {"VM.set_memory_static_min", set_one_memory},
    {"VM.set_memory_static_max", set_one_memory},
    {"VM.set_memory_dynamic_min", set_one_memory},
    {"VM.set_memory_dynamic_max", set_one_memory},
    {"VM.set_VCPUs_max", set_vcpus_max},
    {"VM.set_VCPUs_at_startup", set_vcpus_at_startup},
    {"VM.set_domain_type", set_when_halted},
    {"VM.set_HVM_boot_policy", set_when_halted},
    {"VM.set_actions_after_crash", generic_write_field},
    {"VM.set_start_delay", generic_write_field},
    {"VM.set_shutdown_delay", generic_write_field},
    {"VM.set_order", generic_write_field},
    {"VM.set_bios_strings", set_when_halted},
    {"VM.set_blocked_operations", generic_write_field},
    {"VM.add_to_blocked_operations", generic_write_field},
    {"VM.remove_from_blocked_operations", generic_write_field},
    {"VM.set_other_config", generic_write_field},
    {"VM.add_to_other_config", generic_write_field},
    {"VM.remove_from_other_config", generic_write_field},
    {"VM.set_platform", generic_write_field},
    {"VM.add_to_platform", generic_write_field},
    {"VM.remove_from_platform", generic_write_field},
    {NULL, NULL},
};
