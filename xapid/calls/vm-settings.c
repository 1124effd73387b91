/* Class VM: settings with rules of their own. */
#include "config.h"

#include <string.h>

#include "lib/error.h"
#include "xapid/calls/call.h"

bool
vm_check_memory(gint64 static_min, gint64 dynamic_min, gint64 dynamic_max, gint64 static_max,
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

bool
vm_check_vcpus(gint64 at_startup, gint64 max, GError **error)
{
    g_autofree char *text = NULL;

    if (1 <= at_startup && at_startup <= max && max <= VM_MAX_VCPUS)
        return true;
    text = g_strdup_printf("%" G_GINT64_FORMAT " of %" G_GINT64_FORMAT, at_startup, max);
    api_error_set(error, "INVALID_VALUE", "VCPUs", text, NULL);
    return false;
}

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
    if (!vm_check_memory(memory.static_min, memory.dynamic_min, memory.dynamic_max,
                         memory.static_max, &error)) {
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
    if (!vm_check_vcpus(at_startup, max, &error)) {
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

/* ---- what firmware tells a guest ---- */

#define BIOS_STRING_MAX 512

static bool
check_bios_string(const char *key, const char *value, GError **error)
{
    static const char *const keys[] = {"bios-vendor",
                                       "bios-version",
                                       "system-manufacturer",
                                       "system-product-name",
                                       "system-version",
                                       "system-serial-number",
                                       "baseboard-manufacturer",
                                       "baseboard-product-name",
                                       "baseboard-version",
                                       "baseboard-serial-number",
                                       "baseboard-asset-tag",
                                       "baseboard-location-in-chassis",
                                       "enclosure-asset-tag",
                                       NULL};
    gsize length = strlen(value);
    bool printable = length >= 1 && length <= BIOS_STRING_MAX;

    if (!g_strv_contains(keys, key)) {
        api_error_set(error, "INVALID_VALUE", key, "unknown key", NULL);
        return false;
    }
    for (gsize i = 0; printable && i < length; i++)
        printable = g_ascii_isprint(value[i]);
    if (!printable)
        api_error_set(error, "INVALID_VALUE", key, value, NULL);
    return printable;
}

/* Once: guests and their licences hold on to them. */
static void
set_bios_strings(struct call *call)
{
    g_autoptr(GVariant) now =
        model_get(call->api->model, call_ref(call, 0), dm_field_find(vm_class(), "bios_strings"));
    GError *error = NULL;
    GVariantIter iter;
    const char *key, *value;

    if (!must_be_halted(call))
        return;
    if (g_variant_n_children(now)) {
        call_fail_code(call, "VM_BIOS_STRINGS_ALREADY_SET", NULL);
        return;
    }
    g_variant_iter_init(&iter, call->args[1]);
    while (g_variant_iter_next(&iter, "{&s&s}", &key, &value))
        if (!check_bios_string(key, value, &error)) {
            call_fail(call, error);
            return;
        }
    generic_write_field(call);
}

const struct call_impl calls_vm_settings[] = {
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
    {"VM.set_bios_strings", set_bios_strings},
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
