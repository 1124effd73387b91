/* Appliances: what they may do, and their plans.  How one goes through its VMs is
 * appliance-run.c's. */
#include "config.h"

#include "lib/error.h"
#include "xapid/vm/appliance.h"

/* An operation makes sense when at least one of its VMs is in one of these states. */
static const struct {
    const char *operation;
    const char *states[4];
    const char *lacking; /* why not, else */
} operations[] = {
    {"start", {"Halted"}, "There are no halted VMs in this appliance."},
    {"clean_shutdown", {"Running"}, "There are no running VMs in this appliance."},
    {"hard_shutdown", {"Running", "Paused", "Suspended"}, "All VMs in this appliance are halted."},
    {"shutdown", {"Running", "Paused", "Suspended"}, "All VMs in this appliance are halted."},
};

const struct dm_class *
appliance_class(void)
{
    static const struct dm_class *cls;

    if (!cls)
        cls = dm_class_find("VM_appliance", false);
    return cls;
}

static bool
is_one_of(const char *state, const char *const states[4])
{
    for (unsigned i = 0; i < 4 && states[i]; i++)
        if (g_str_equal(states[i], state))
            return true;
    return false;
}

void
appliance_refresh_allowed(struct txn *txn, const char *appliance)
{
    g_autoptr(GVariant) current =
        txn_get(txn, appliance, dm_field_find(appliance_class(), "current_operations"));
    g_autoptr(GVariant) vms = txn_get(txn, appliance, dm_field_find(appliance_class(), "VMs"));
    const struct dm_field *power_state = dm_field_find(vm_class(), "power_state");
    bool makes_sense[G_N_ELEMENTS(operations)] = {false};
    GVariantBuilder allowed;
    GVariantIter iter;
    const char *vm;

    g_variant_iter_init(&iter, vms);
    while (g_variant_iter_next(&iter, "&s", &vm)) {
        g_autoptr(GVariant) state = txn_get(txn, vm, power_state);
        for (unsigned i = 0; i < G_N_ELEMENTS(operations); i++)
            makes_sense[i] |= is_one_of(g_variant_get_string(state, NULL), operations[i].states);
    }
    g_variant_builder_init(&allowed, G_VARIANT_TYPE("as"));
    for (unsigned i = 0; i < G_N_ELEMENTS(operations); i++)
        if (makes_sense[i] && !g_variant_n_children(current))
            g_variant_builder_add(&allowed, "s", operations[i].operation);
    txn_set_value(txn, appliance, "allowed_operations", g_variant_builder_end(&allowed));
}

void
appliance_refresh_of(struct txn *txn, const char *vm)
{
    g_autoptr(GVariant) appliance = txn_get(txn, vm, dm_field_find(vm_class(), "appliance"));
    const char *ref = g_variant_get_string(appliance, NULL);

    if (txn_has(txn, appliance_class(), ref))
        appliance_refresh_allowed(txn, ref);
}

void
appliance_set(struct txn *txn, const char *vm, const char *appliance)
{
    g_autofree char *before = model_get_string(txn_model(txn), vm, "appliance");

    txn_set_string(txn, vm, "appliance", appliance);
    appliance_refresh_of(txn, vm);
    if (txn_has(txn, appliance_class(), before))
        appliance_refresh_allowed(txn, before);
}

static bool
may(const struct model *model, const char *appliance, const char *operation, GError **error)
{
    g_autoptr(GPtrArray) vms =
        model_referrers(model, appliance, dm_field_find(vm_class(), "appliance"));
    unsigned i = 0;

    while (i < G_N_ELEMENTS(operations) && !g_str_equal(operations[i].operation, operation))
        i++;
    g_assert(i < G_N_ELEMENTS(operations));
    if (!ops_none_shown(model, appliance, error))
        return false;
    for (guint j = 0; j < vms->len; j++) {
        g_autofree char *state = model_get_string(model, vms->pdata[j], "power_state");
        if (is_one_of(state, operations[i].states))
            return true;
    }
    api_error_set(error, "OPERATION_NOT_ALLOWED",
                  vms->len ? operations[i].lacking : "The appliance has no VMs.", NULL);
    return false;
}

struct plan *
appliance_plan(const struct vm_world *world, const char *appliance, const char *operation,
               bool paused, GError **error)
{
    GVariantDict args;

    if (!may(world->model, appliance, operation, error))
        return NULL;
    struct plan *plan = plan_new(operation, appliance);
    g_variant_dict_init(&args, NULL);
    g_variant_dict_insert(&args, "paused", "b", paused);
    plan_add(plan, "appliance.run", g_variant_dict_end(&args));
    return plan;
}

void
appliance_mark(struct txn *txn, const char *appliance, const char *operation, const char *key,
               bool running, void *data)
{
    (void)data;
    if (!txn_has(txn, appliance_class(), appliance))
        return; /* destroyed meanwhile */
    txn_set_map_value(txn, appliance, "current_operations", key, running ? operation : NULL);
    appliance_refresh_allowed(txn, appliance);
}

/* Each VM's own operation has written what became of it. */
void
appliance_finish(struct op *op, struct txn *txn, const GError *error)
{
    (void)op;
    (void)txn;
    (void)error;
}
