/* Drives of a VM that runs: plugged and unplugged, and CDs changed; see vm.h. */
#include "config.h"

#include "lib/error.h"
#include "xapid/vm/vm.h"

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

    if (!vm_device_may_begin(model, vbd, true, &vm, error) || !cds_stay(model, vm, vbd, error))
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
    struct plan *plan = vm_device_plan("plug", vm, vbd);
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
    if (!vm_device_may_begin(model, vbd, force, &vm, error) || !may_unplug(model, vm, vbd, error))
        return NULL;
    struct plan *plan = vm_device_plan(force ? "unplug_force" : "unplug", vm, vbd);
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

    if (!vm_device_may_begin(world->model, vbd, true, &vm, error) ||
        !vbd_check_disk(world, vbd, vdi, error))
        return NULL;
    struct plan *plan = vm_device_plan("insert", vm, vbd);
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

    if (!vm_device_may_begin(model, vbd, true, &vm, error))
        return NULL;
    struct plan *plan = vm_device_plan("eject", vm, vbd);
    add_verb(plan, "medium", vbd, REF_NULL, vbd_config(model, vbd, false));
    vbd_add_disk_step(plan, "vdi.detach", model, vbd, vdi, false);
    return plan;
}
