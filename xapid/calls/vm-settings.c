/* Class VM: settings with rules of their own, but for memory and VCPUs. */
#include "config.h"

#include "lib/bios-strings.h"
#include "lib/error.h"
#include "xapid/calls/call.h"

static bool
must_be_halted(struct call *call)
{
    GError *error = NULL;

    if (vm_must_be_halted(call->api->model, call_ref(call, 0), &error))
        return true;
    call_fail(call, error);
    return false;
}

static void
set_when_halted(struct call *call)
{
    if (must_be_halted(call))
        generic_write_field(call);
}

/* ---- what firmware tells a guest ---- */

static bool
check_bios_string(const char *key, const char *value, GError **error)
{
    if (!bios_string_key_is_known(key))
        api_error_set(error, "INVALID_VALUE", key, "unknown key", NULL);
    else if (!bios_string_value_is_valid(value))
        api_error_set(error, "INVALID_VALUE", key, value, NULL);
    else
        return true;
    return false;
}

/* Once: guests and their licences hold on to them. */
static bool
may_set_bios_strings(struct call *call)
{
    g_autoptr(GVariant) now =
        model_get(call->api->model, call_ref(call, 0), dm_field_find(vm_class(), "bios_strings"));

    if (!must_be_halted(call))
        return false;
    if (!g_variant_n_children(now))
        return true;
    call_fail_code(call, "VM_BIOS_STRINGS_ALREADY_SET", NULL);
    return false;
}

static void
set_bios_strings(struct call *call)
{
    GError *error = NULL;
    GVariantIter iter;
    const char *key, *value;

    if (!may_set_bios_strings(call))
        return;
    g_variant_iter_init(&iter, call->args[1]);
    while (g_variant_iter_next(&iter, "{&s&s}", &key, &value))
        if (!check_bios_string(key, value, &error)) {
            call_fail(call, error);
            return;
        }
    generic_write_field(call);
}

/* (vm, host): those of the host's that a guest can have.  What depends on them wants that host. */
static void
copy_bios_strings(struct call *call)
{
    GVariantBuilder strings;
    GVariantIter iter;
    const char *key, *value;
    struct txn *txn;

    if (!call_is_here(call, 1) || !may_set_bios_strings(call) || !(txn = call_begin(call)))
        return;
    g_autoptr(GVariant) given = txn_get(
        txn, call_ref(call, 1), dm_field_find(dm_class_find("host", false), "bios_strings"));
    g_variant_builder_init(&strings, G_VARIANT_TYPE("a{ss}"));
    g_variant_iter_init(&iter, given);
    while (g_variant_iter_next(&iter, "{&s&s}", &key, &value))
        if (bios_string_key_is_known(key) && bios_string_value_is_valid(value))
            g_variant_builder_add(&strings, "{ss}", key, value);
    txn_set_value(txn, call_ref(call, 0), "bios_strings", g_variant_builder_end(&strings));
    txn_set_string(txn, call_ref(call, 0), "affinity", call_ref(call, 1));
    call_commit(call, txn, NULL);
}

/* ---- templates ---- */

/* A VM that runs becomes none; what is none any more is not one that came with xapid either. */
static void
set_is_a_template(struct call *call)
{
    const char *vm = call_ref(call, 0);
    bool is_template = call_bool(call, 1);
    struct txn *txn;

    if ((is_template && !must_be_halted(call)) || !(txn = call_begin(call)))
        return;
    if (!is_template) {
        txn_set_value(txn, vm, "is_default_template", g_variant_new_boolean(FALSE));
        if (model_get_bool(call->api->model, vm, "is_a_template"))
            vm_record_installed(txn, vm);
    }
    txn_set_value(txn, vm, "is_a_template", g_variant_new_boolean(is_template));
    vm_refresh_allowed(txn, vm);
    call_commit(call, txn, NULL);
}

/* Clients read it from other_config, too. */
static void
set_is_default_template(struct call *call)
{
    const char *vm = call_ref(call, 0);
    bool value = call_bool(call, 1);
    struct txn *txn;

    if (value && !model_get_bool(call->api->model, vm, "is_a_template")) {
        call_fail_code(call, "INVALID_VALUE", "is_a_template", "false", NULL);
        return;
    }
    if (!(txn = call_begin(call)))
        return;
    txn_set_value(txn, vm, "is_default_template", g_variant_new_boolean(value));
    txn_set_map_value(txn, vm, "other_config", "default_template", value ? "true" : NULL);
    vm_refresh_allowed(txn, vm);
    call_commit(call, txn, NULL);
}

const struct call_impl calls_vm_settings[] = {
    {"VM.set_is_a_template", set_is_a_template},
    {"VM.set_is_default_template", set_is_default_template},
    {"VM.set_domain_type", set_when_halted},
    {"VM.set_HVM_boot_policy", set_when_halted},
    {"VM.set_actions_after_crash", generic_write_field},
    {"VM.set_start_delay", generic_write_field},
    {"VM.set_shutdown_delay", generic_write_field},
    {"VM.set_order", generic_write_field},
    {"VM.set_bios_strings", set_bios_strings},
    {"VM.copy_bios_strings", copy_bios_strings},
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
