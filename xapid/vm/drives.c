/* Drives of a VM that runs: plugged and unplugged, and CDs changed; see vm.h.  They wait in the
 * VM's queue, so that nothing ends or builds its domain meanwhile, and the drive shows them. */
#include "config.h"

#include "lib/error.h"
#include "xapid/vm/vm.h"

bool
vm_drives_are_idle(const struct model *model, const char *vm, GError **error)
{
    g_autoptr(GPtrArray) drives = model_referrers(model, vm, dm_field_find(vbd_class(), "VM"));

    for (guint i = 0; i < drives->len; i++)
        if (!ops_none_shown(model, drives->pdata[i], error))
            return false;
    return true;
}

/* Nothing else is done to the drive or its VM, which has a domain; *ret_vm is the caller's. */
static bool
may_begin(const struct model *model, const char *vbd, bool may_be_paused, char **ret_vm,
          GError **error)
{
    g_autofree char *vm = model_get_string(model, vbd, "VM");
    g_autofree char *state = model_get_string(model, vm, "power_state");

    if (!ops_none_shown(model, vm, error) || !ops_none_shown(model, vbd, error))
        return false;
    if (!(may_be_paused ? vm_state_has_domain(state) : g_str_equal(state, "Running"))) {
        g_autofree char *actual = g_ascii_strdown(state, -1);
        api_error_set(error, "VM_BAD_POWER_STATE", vm, "running", actual, NULL);
        return false;
    }
    *ret_vm = g_steal_pointer(&vm);
    return true;
}

static struct plan *
plan_for(const char *operation, const char *vm, const char *vbd)
{
    struct plan *plan = plan_new(operation, vm);

    plan_show_by(plan, vbd);
    return plan;
}

/* A step of that verb, with its arguments (taken); vdi may be NULL. */
static void
add_verb(struct plan *plan, const char *verb, const char *vbd, const char *vdi, GVariant *args)
{
    g_autofree char *kind = g_strconcat("domain.", verb, NULL);
    GVariantDict step;

    g_variant_dict_init(&step, NULL);
    g_variant_dict_insert(&step, "vbd", "s", vbd);
    if (vdi)
        g_variant_dict_insert(&step, "vdi", "s", vdi);
    g_variant_dict_insert_value(&step, verb, args);
    plan_add(plan, kind, g_variant_dict_end(&step));
}

static bool
cds_stay(const struct model *model, const char *vm, const char *vbd, GError **error)
{
    g_autofree char *type = model_get_string(model, vbd, "type");

    if (!g_str_equal(type, "CD") || !vm_is_machine(model, vm))
        return true;
    api_error_set(error, "OPERATION_NOT_ALLOWED",
                  "CD drives of an HVM guest stay while it runs: insert or eject a disc", NULL);
    return false;
}

struct plan *
vbd_plan_plug(const struct vm_world *world, const char *vbd, GError **error)
{
    const struct model *model = world->model;
    g_autofree char *vm = NULL;
    g_autofree char *vdi = model_get_string(model, vbd, "VDI");

    if (!may_begin(model, vbd, true, &vm, error) || !cds_stay(model, vm, vbd, error))
        return NULL;
    if (model_get_bool(model, vbd, "currently_attached")) {
        g_autofree char *device = model_get_string(model, vbd, "device");
        api_error_set(error, "DEVICE_ALREADY_ATTACHED", device, NULL);
        return NULL;
    }
    if (model_get_bool(model, vbd, "empty")) {
        api_error_set(error, "VBD_IS_EMPTY", vbd, NULL);
        return NULL;
    }
    if (!vbd_check_disk(world, vbd, vdi, error))
        return NULL;
    struct plan *plan = plan_for("plug", vm, vbd);
    vbd_add_disk_step(plan, "vdi.attach", model, vbd, vdi, false);
    add_verb(plan, "plug", vbd, NULL, vbd_config(model, vbd, true));
    return plan;
}

static bool
may_unplug(const struct model *model, const char *vm, const char *vbd, GError **error)
{
    if (!cds_stay(model, vm, vbd, error))
        return false;
    if (!model_get_bool(model, vbd, "currently_attached"))
        api_error_set(error, "DEVICE_ALREADY_DETACHED", vbd, NULL);
    else if (!model_get_bool(model, vbd, "unpluggable"))
        api_error_set(error, "VBD_NOT_UNPLUGGABLE", vbd, NULL);
    else if (vbd_is_emulated(model, vbd))
        api_error_set(error, "DEVICE_DETACH_REJECTED", "VBD", vbd,
                      "an emulated disk stays while the VM runs", NULL);
    else
        return true;
    return false;
}

struct plan *
vbd_plan_unplug(const struct vm_world *world, const char *vbd, bool force, GError **error)
{
    const struct model *model = world->model;
    g_autofree char *vm = NULL;
    g_autofree char *vdi = model_get_string(model, vbd, "VDI");
    g_autofree char *device = model_get_string(model, vbd, "device");
    GVariantDict args;

    /* A paused guest lets nothing go. */
    if (!may_begin(model, vbd, force, &vm, error) || !may_unplug(model, vm, vbd, error))
        return NULL;
    struct plan *plan = plan_for(force ? "unplug_force" : "unplug", vm, vbd);
    g_variant_dict_init(&args, NULL);
    g_variant_dict_insert(&args, "vdev", "s", device);
    g_variant_dict_insert(&args, "force", "b", force);
    add_verb(plan, "unplug", vbd, NULL, g_variant_dict_end(&args));
    vbd_add_disk_step(plan, "vdi.detach", model, vbd, vdi, false);
    return plan;
}

struct plan *
vbd_plan_insert(const struct vm_world *world, const char *vbd, const char *vdi, GError **error)
{
    g_autofree char *vm = NULL;

    if (!may_begin(world->model, vbd, true, &vm, error) || !vbd_check_disk(world, vbd, vdi, error))
        return NULL;
    struct plan *plan = plan_for("insert", vm, vbd);
    vbd_add_disk_step(plan, "vdi.attach", world->model, vbd, vdi, false);
    add_verb(plan, "medium", vbd, vdi, vbd_config(world->model, vbd, true));
    return plan;
}

struct plan *
vbd_plan_eject(const struct vm_world *world, const char *vbd, GError **error)
{
    const struct model *model = world->model;
    g_autofree char *vm = NULL;
    g_autofree char *vdi = model_get_string(model, vbd, "VDI");

    if (!may_begin(model, vbd, true, &vm, error))
        return NULL;
    struct plan *plan = plan_for("eject", vm, vbd);
    add_verb(plan, "medium", vbd, REF_NULL, vbd_config(model, vbd, false));
    vbd_add_disk_step(plan, "vdi.detach", model, vbd, vdi, false);
    return plan;
}
