/* Network cards of VMs that run: plugged, unplugged, and changed; see vm.h.  A step's
 * arguments: vif, what the verb takes, and what undoes that. */
#include "config.h"

#include "lib/error.h"
#include "lib/member.h"
#include "xapid/vm/vm.h"

/* ---- plans ---- */

/* The last two are taken; undo may be NULL. */
static void
add_verb(struct plan *plan, const char *kind, const char *vif, GVariant *args, GVariant *undo)
{
    GVariantDict step;

    g_variant_dict_init(&step, NULL);
    g_variant_dict_insert(&step, "vif", "s", vif);
    g_variant_dict_insert_value(&step, "args", args);
    if (undo)
        g_variant_dict_insert_value(&step, "undo", undo);
    plan_add(plan, kind, g_variant_dict_end(&step));
}

static GVariant *
unplug_args(const struct model *model, const char *vif, bool force)
{
    g_autofree char *device = model_get_string(model, vif, "device");
    GVariantDict args;

    g_variant_dict_init(&args, NULL);
    g_variant_dict_insert(&args, "device", "i", vif_position(device));
    g_variant_dict_insert(&args, "force", "b", force);
    return g_variant_dict_end(&args);
}

struct plan *
vif_plan_plug(const struct vm_world *world, const char *vif, GError **error)
{
    const struct model *model = world->model;
    g_autofree char *vm = NULL;
    g_autofree char *network = model_get_string(model, vif, "network");

    if (!vm_device_may_begin(model, vif, /* may_be_paused= */ true, &vm, error))
        return NULL;
    if (model_get_bool(model, vif, "currently_attached")) {
        g_autofree char *device = model_get_string(model, vif, "device");
        api_error_set(error, "DEVICE_ALREADY_ATTACHED", device, NULL);
        return NULL;
    }
    struct plan *plan = vm_device_plan("plug", vm, vif);
    vif_plan_bridge(plan, model, vif, network);
    add_verb(plan, "vif.plug", vif, vif_config(model, vif, NULL), unplug_args(model, vif, true));
    return plan;
}

struct plan *
vif_plan_unplug(const struct vm_world *world, const char *vif, bool force, GError **error)
{
    const struct model *model = world->model;
    g_autofree char *vm = NULL;

    /* A paused guest lets nothing go. */
    if (!vm_device_may_begin(model, vif, /* may_be_paused= */ force, &vm, error))
        return NULL;
    if (!model_get_bool(model, vif, "currently_attached")) {
        api_error_set(error, "DEVICE_ALREADY_DETACHED", vif, NULL);
        return NULL;
    }
    struct plan *plan = vm_device_plan("unplug", vm, vif);
    add_verb(plan, "vif.unplug", vif, unplug_args(model, vif, force), NULL);
    return plan;
}

struct plan *
vif_plan_change(const struct vm_world *world, const char *vif, GVariant *changes, GError **error)
{
    const struct model *model = world->model;
    g_autoptr(GVariant) network = vif_field(model, vif, "network", changes);
    g_autofree char *vm = NULL;
    GVariantDict step;

    if (!vm_device_may_begin(model, vif, /* may_be_paused= */ true, &vm, error))
        return NULL;
    struct plan *plan = vm_device_plan("attach", vm, vif);
    vif_plan_bridge(plan, model, vif, g_variant_get_string(network, NULL));
    g_variant_dict_init(&step, NULL);
    g_variant_dict_insert(&step, "vif", "s", vif);
    g_variant_dict_insert_value(&step, "changes", changes);
    g_variant_dict_insert_value(&step, "args", vif_config(model, vif, changes));
    g_variant_dict_insert_value(&step, "undo", vif_config(model, vif, NULL));
    plan_add(plan, "vif.set", g_variant_dict_end(&step));
    return plan;
}

bool
network_awaits_none(const struct model *model, GError **error)
{
    const struct dm_field *field = dm_field_find(vif_class(), "current_operations");
    g_autoptr(GPtrArray) all = model_all(model, vif_class());

    for (guint i = 0; i < all->len; i++) {
        g_autoptr(GVariant) current = model_get(model, all->pdata[i], field);
        GVariantIter iter;
        const char *operation;

        g_variant_iter_init(&iter, current);
        while (g_variant_iter_next(&iter, "{&s&s}", NULL, &operation))
            if (g_str_equal(operation, "attach"))
                return ops_none_shown(model, all->pdata[i], error);
    }
    return true;
}

/* ---- steps ---- */

static char *
result_key(const char *vif)
{
    return g_strconcat("card/", vif, NULL);
}

GVariant *
vif_result(const struct op *op, const char *vif)
{
    g_autofree char *key = result_key(vif);

    return op_result(op, key);
}

struct card_call {
    struct op *op;
    GVariant *args; /* of the step; they live as long as the plan */
    GVariant *result;
};

static void
verb_done(const GError *error, GVariant *nothing, void *data)
{
    g_autofree struct card_call *call = data;
    g_autoptr(GVariant) result = call->result;
    const char *vif = member_text(call->args, "vif");
    g_autofree char *key = result_key(vif);

    (void)nothing;
    if (!error)
        op_set_result(call->op, key, result);
    /* The verb knows the card by its place in the guest. */
    if (error && api_error_is(error, "DEVICE_DETACH_REJECTED"))
        op_step_done(call->op, api_error_new("DEVICE_DETACH_REJECTED", "VIF", vif,
                                             "an emulated card stays while the VM runs", NULL));
    else
        op_step_done(call->op, error ? g_error_copy(error) : NULL);
}

/* key: which of the step's arguments the verb takes.  result (taken): what is so when it is done.
 */
static void
start(struct op *op, const char *verb, GVariant *args, const char *key, GVariant *result)
{
    g_autoptr(GVariant) verb_args = g_variant_lookup_value(args, key, G_VARIANT_TYPE_VARDICT);
    const struct card_call call = {op, args, g_variant_take_ref(result)};

    vm_start_verb(op, verb, verb_args, verb_done, g_memdup2(&call, sizeof call));
}

static void
plug_run(struct op *op, GVariant *args)
{
    start(op, "plug_nic", args, "args", g_variant_new_boolean(TRUE));
}

static void
plug_undo(struct op *op, GVariant *args)
{
    start(op, "unplug_nic", args, "undo", g_variant_new_boolean(FALSE));
}

static void
unplug_run(struct op *op, GVariant *args)
{
    start(op, "unplug_nic", args, "args", g_variant_new_boolean(FALSE));
}

static void
set_run(struct op *op, GVariant *args)
{
    start(op, "set_nic", args, "args", g_variant_lookup_value(args, "changes", NULL));
}

static void
set_undo(struct op *op, GVariant *args)
{
    start(op, "set_nic", args, "undo", g_variant_new_array(G_VARIANT_TYPE("{sv}"), NULL, 0));
}

static void
abort_step(struct op *op)
{
    const struct vm_world *world = op_room_data(op);

    domains_abort(world->domains, op_step_id(op));
}

const struct step_kind vif_plug_kind = {
    .name = "vif.plug", .weight = 2, .run = plug_run, .undo = plug_undo, .cancel = abort_step};
const struct step_kind vif_unplug_kind = {.name = "vif.unplug", .weight = 2, .run = unplug_run};
const struct step_kind vif_set_kind = {
    .name = "vif.set", .weight = 2, .run = set_run, .undo = set_undo};
