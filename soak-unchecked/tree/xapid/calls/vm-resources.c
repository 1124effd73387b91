/* Class VM: memory and virtual CPUs, of halted VMs and of those that run. */
#include "config.h"

#include "lib/error.h"
#include "xapid/calls/call.h"

#define TARGET_TOLERANCE (1 << 20) /* bytes between a guest's memory and its target */
#define TARGET_WAIT_SECONDS 256

static gint64
vm_int(struct call *call, const char *field)
{
    return model_get_int(call->api->model, call_ref(call, 0), field);
}

static struct vm_memory
memory_of(struct call *call)
{
    const struct vm_memory memory = {
        vm_int(call, "memory_static_min"), vm_int(call, "memory_dynamic_min"),
        vm_int(call, "memory_dynamic_max"), vm_int(call, "memory_static_max")};
    return memory;
}

/* All limits together, of a VM without a domain. */
static void
write_memory(struct call *call, struct vm_memory memory)
{
    const char *vm = call_ref(call, 0);
    GError *error = NULL;
    struct txn *txn;

    if (!vm_must_be_halted(call->api->model, vm, &error) || !vm_check_memory(&memory, &error)) {
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
    const struct vm_memory memory = {.static_min = call_int(call, 1),
                                     .static_max = call_int(call, 2),
                                     .dynamic_min = call_int(call, 3),
                                     .dynamic_max = call_int(call, 4)};
    write_memory(call, memory);
}

static void
set_memory(struct call *call)
{
    struct vm_memory memory = memory_of(call);

    memory.dynamic_min = memory.dynamic_max = memory.static_max = call_int(call, 1);
    write_memory(call, memory);
}

static void
set_memory_static_range(struct call *call)
{
    struct vm_memory memory = memory_of(call);

    memory.static_min = call_int(call, 1);
    memory.static_max = call_int(call, 2);
    write_memory(call, memory);
}

/* Of a VM with a domain: what the balloon is to reach, and what the record says then. */
static void
balloon(struct call *call, const char *operation, const struct vm_memory *memory)
{
    GError *error = NULL;
    struct plan *plan = NULL;

    if (vm_check_memory(memory, &error))
        plan = vm_plan_balloon(call->api->vm, call_ref(call, 0), operation, memory, &error);
    call_run_plan(call, plan, error);
}

static void
set_memory_dynamic_range(struct call *call)
{
    struct vm_memory memory = memory_of(call);
    g_autofree char *state = model_get_string(call->api->model, call_ref(call, 0), "power_state");

    memory.dynamic_min = call_int(call, 1);
    memory.dynamic_max = call_int(call, 2);
    if (vm_state_has_domain(state))
        balloon(call, "changing_dynamic_range", &memory);
    else
        write_memory(call, memory);
}

static void
set_memory_target_live(struct call *call)
{
    struct vm_memory memory = memory_of(call);

    memory.dynamic_min = memory.dynamic_max = call_int(call, 1);
    balloon(call, "changing_memory_live", &memory);
}

/* ---- waiting for a guest's balloon ---- */

struct memory_wait {
    struct call *call;
    guint seconds;
};

static gboolean wait_look(void *data);

static void
wait_end(struct memory_wait *wait, GError *error)
{
    struct call *call = wait->call;

    g_free(wait);
    if (error)
        call_fail(call, error);
    else
        call_return(call, NULL);
}

static void
wait_looked(const GError *failed, GVariant *domains, void *data)
{
    struct memory_wait *wait = data;
    struct call *call = wait->call;
    GError *error = NULL;
    gint64 actual;

    if (failed) {
        wait_end(wait, g_error_copy(failed));
    } else if (!model_has(call->api->model, vm_class(), call_ref(call, 0))) {
        wait_end(wait, api_error_new("HANDLE_INVALID", "VM", call_ref(call, 0), NULL));
    } else if (!vm_memory_actual(call->api->vm, call_ref(call, 0), domains, &actual, &error)) {
        wait_end(wait, error);
    } else if (ABS(actual - vm_int(call, "memory_target")) <= TARGET_TOLERANCE) {
        wait_end(wait, NULL);
    } else if (call->gone || ++wait->seconds > TARGET_WAIT_SECONDS) {
        wait_end(wait, api_error_new("VM_MEMORY_TARGET_WAIT_TIMEOUT", NULL));
    } else {
        g_timeout_add_seconds(1, wait_look, wait);
    }
}

static gboolean
wait_look(void *data)
{
    struct memory_wait *wait = data;

    vm_list_domain(wait->call->api->vm, call_ref(wait->call, 0), wait_looked, wait);
    return G_SOURCE_REMOVE;
}

static void
wait_memory_target_live(struct call *call)
{
    struct memory_wait *wait = g_new0(struct memory_wait, 1);

    wait->call = call;
    wait_look(wait);
}

static void
set_one_memory(struct call *call)
{
    struct vm_memory memory = memory_of(call);
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

    if (!vm_must_be_halted(call->api->model, vm, &error) ||
        !vm_check_vcpus(at_startup, max, &error)) {
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

/* libxl asks a QEMU for more processors, never for fewer, and would call that a success. */
static bool
may_have_vcpus(struct call *call, gint64 number, GError **error)
{
    const struct model *model = call->api->model;
    const char *vm = call_ref(call, 0);

    if (!vm_may(model, vm, "changing_VCPUs_live", error))
        return false;
    if (!vm_is_machine(model, vm) || number >= vm_int(call, "VCPUs_at_startup"))
        return true;
    api_error_set(error, "OPERATION_NOT_ALLOWED",
                  "no VCPU can be taken from an HVM guest while it runs", NULL);
    return false;
}

static void
set_vcpus_number_live(struct call *call)
{
    gint64 number = call_int(call, 1), max = vm_int(call, "VCPUs_max");
    GVariantDict change, record;
    GError *error = NULL;
    struct plan *plan = NULL;

    if (vm_check_vcpus(number, max, &error) && may_have_vcpus(call, number, &error)) {
        g_variant_dict_init(&change, NULL);
        g_variant_dict_insert(&change, "vcpus", "i", (gint32)number);
        g_variant_dict_init(&record, NULL);
        g_variant_dict_insert(&record, "VCPUs_at_startup", "x", number);
        plan = vm_plan_adjust(call->api->vm, call_ref(call, 0), "changing_VCPUs_live",
                              g_variant_dict_end(&change), g_variant_dict_end(&record), &error);
    }
    call_run_plan(call, plan, error);
}

/* The key is set, also when it was there. */
static void
add_to_vcpus_params_live(struct call *call)
{
    const char *vm = call_ref(call, 0), *key = call_string(call, 1), *value = call_string(call, 2);
    GVariantDict change, record;
    GError *error = NULL;
    struct plan *plan = NULL;

    g_variant_dict_init(&change, NULL);
    if (!vm_sched_key(key)) {
        api_error_set(&error, "INVALID_VALUE", "key", key, NULL);
    } else if (vm_sched_add(&change, key, value, &error)) {
        g_autoptr(GVariant) old =
            model_get(call->api->model, vm, dm_field_find(vm_class(), "VCPUs_params"));
        g_variant_dict_init(&record, NULL);
        g_variant_dict_insert_value(&record, "VCPUs_params", vm_map_with(old, key, value));
        plan = vm_plan_adjust(call->api->vm, vm, "changing_VCPUs_live", g_variant_dict_end(&change),
                              g_variant_dict_end(&record), &error);
    }
    g_variant_dict_clear(&change);
    call_run_plan(call, plan, error);
}

const struct call_impl calls_vm_resources[] = {
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
    {"VM.set_memory_target_live", set_memory_target_live},
    {"VM.wait_memory_target_live", wait_memory_target_live},
    {"VM.set_VCPUs_number_live", set_vcpus_number_live},
    {"VM.add_to_VCPUs_params_live", add_to_vcpus_params_live},
    {NULL, NULL},
};
