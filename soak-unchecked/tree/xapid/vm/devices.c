/* Drives and network cards of a VM that runs: what operations with them have in common; see vm.h.
 * They wait in the VM's queue, so that nothing ends or builds its domain meanwhile, and the device
 * shows them. */
#include "config.h"

#include "lib/error.h"
#include "xapid/vm/vm.h"

bool
vm_devices_are_idle(const struct model *model, const char *vm, GError **error)
{
    const struct dm_class *const classes[] = {vbd_class(), vif_class()};

    for (unsigned i = 0; i < G_N_ELEMENTS(classes); i++) {
        g_autoptr(GPtrArray) rows = model_referrers(model, vm, dm_field_find(classes[i], "VM"));
        for (guint j = 0; j < rows->len; j++)
            if (!ops_none_shown(model, rows->pdata[j], error))
                return false;
    }
    return true;
}

bool
vm_device_is_idle(const struct model *model, const char *device, GError **error)
{
    g_autofree char *vm = model_get_string(model, device, "VM");

    return (!model_has(model, vm_class(), vm) || ops_none_shown(model, vm, error)) &&
           ops_none_shown(model, device, error);
}

bool
vm_device_may_begin(const struct model *model, const char *device, bool may_be_paused,
                    char **ret_vm, GError **error)
{
    g_autofree char *vm = model_get_string(model, device, "VM");
    g_autofree char *state = model_get_string(model, vm, "power_state");

    if (!vm_device_is_idle(model, device, error))
        return false;
    if (!(may_be_paused ? vm_state_has_domain(state) : g_str_equal(state, "Running"))) {
        g_autofree char *actual = g_ascii_strdown(state, -1);
        api_error_set(error, "VM_BAD_POWER_STATE", vm, "running", actual, NULL);
        return false;
    }
    *ret_vm = g_steal_pointer(&vm);
    return true;
}

struct plan *
vm_device_plan(const char *operation, const char *vm, const char *device)
{
    struct plan *plan = plan_new(operation, vm);

    plan_show_by(plan, device);
    return plan;
}
