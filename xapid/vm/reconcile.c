/* Records follow the hypervisor: "this VM needs a look" is noted, and the look reads the real state
 * and plans from it.  A VM with an operation under way is looked at when that ends. */
#include "config.h"

#include "lib/error.h"
#include "lib/log.h"
#include "xapid/vm/vm.h"

#define RETRY_MS 1000

static gboolean look_now(void *data);

/* The domain of `uuid` in aa{sv}, one that is not dying before one that is; NULL: none. */
static GVariant *
find_domain(GVariant *domains, const char *uuid)
{
    GVariantIter iter;
    GVariant *domain, *found = NULL;

    g_variant_iter_init(&iter, domains);
    while ((domain = g_variant_iter_next_value(&iter))) {
        const char *its_uuid, *state;
        if (!g_variant_lookup(domain, "uuid", "&s", &its_uuid) || !g_str_equal(its_uuid, uuid) ||
            !g_variant_lookup(domain, "state", "&s", &state) ||
            (found && g_str_equal(state, "dying"))) {
            g_variant_unref(domain);
            continue;
        }
        if (found)
            g_variant_unref(found);
        found = domain;
    }
    return found;
}

static bool
submit_plan(struct vm_world *world, const char *vm, struct plan *plan, GError **error)
{
    struct txn *txn = model_begin(world->model, error);

    if (!txn) {
        plan_free(plan);
        return false;
    }
    log_info("%s needs %s", vm, plan->operation);
    struct op *op = ops_submit(world->ops, txn, plan, NULL, error);
    if (!op) {
        txn_abort(txn);
        return false;
    }
    guint64 generation = txn_commit(txn, error);
    if (!generation) {
        op_drop(op);
        return false;
    }
    op_start(op, generation, NULL, NULL);
    return true;
}

static bool
record_observed(struct vm_world *world, const char *vm, const char *power_state, gint64 domid,
                GError **error)
{
    g_autofree char *before = model_get_string(world->model, vm, "power_state");

    if (g_str_equal(before, power_state) &&
        (domid < 0 || model_get_int(world->model, vm, "domid") == domid))
        return true;
    log_info("%s is %s, not %s", vm, power_state, before);
    struct txn *txn = model_begin(world->model, error);
    if (!txn)
        return false;
    vm_record_state(world, txn, vm, power_state, domid, false);
    return txn_commit(txn, error) != 0;
}

static void
look_at(struct vm_world *world, const char *vm, GVariant *domains)
{
    g_autofree char *uuid = model_get_string(world->model, vm, "uuid");
    g_autoptr(GVariant) domain = find_domain(domains, uuid);
    g_autoptr(GError) error = NULL;
    const char *power_state;
    gint32 domid = -1;
    bool ok = true;

    if (domain)
        g_variant_lookup(domain, "domid", "i", &domid);
    struct plan *plan = vm_plan_reconcile(world, vm, domain, &power_state);
    if (plan)
        ok = submit_plan(world, vm, plan, &error);
    else if (power_state)
        ok = record_observed(world, vm, power_state, domid, &error);
    if (!ok) {
        log_warning("looking at %s, again soon: %s", vm, error->message);
        g_hash_table_add(world->look, g_steal_pointer(&uuid));
        if (!world->look_source)
            world->look_source = g_timeout_add(RETRY_MS, look_now, world);
    }
}

struct look {
    struct vm_world *world;
    GHashTable *uuids;
};

static void
listed(const GError *error, GVariant *domains, void *data)
{
    struct look *look = data;
    struct vm_world *world = look->world;
    bool all = g_hash_table_contains(look->uuids, "");
    g_autoptr(GPtrArray) vms = model_all(world->model, vm_class());

    if (error) {
        log_warning("listing the domains, again soon: %s", error->message);
        vm_look(world, "");
    }
    for (guint i = 0; !error && i < vms->len; i++) {
        const char *vm = vms->pdata[i];
        g_autofree char *uuid = model_get_string(world->model, vm, "uuid");
        if ((!all && !g_hash_table_contains(look->uuids, uuid)) ||
            model_get_bool(world->model, vm, "is_control_domain"))
            continue;
        if (ops_busy(world->ops, vm))
            g_hash_table_add(world->look, g_steal_pointer(&uuid)); /* vm_idle looks again */
        else
            look_at(world, vm, domains);
    }
    g_hash_table_unref(look->uuids);
    g_free(look);
}

static gboolean
look_now(void *data)
{
    struct vm_world *world = data;
    struct look *look = g_new0(struct look, 1);

    world->look_source = 0;
    look->world = world;
    look->uuids = world->look;
    world->look = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    domains_list(world->domains, listed, look);
    return G_SOURCE_REMOVE;
}

void
vm_look(struct vm_world *world, const char *uuid)
{
    g_hash_table_add(world->look, g_strdup(uuid));
    if (!world->look_source)
        world->look_source = g_idle_add(look_now, world);
}

void
vm_idle(const char *vm, void *data)
{
    struct vm_world *world = data;

    if (!model_has(world->model, vm_class(), vm))
        return;
    g_autofree char *uuid = model_get_string(world->model, vm, "uuid");
    if (g_hash_table_contains(world->look, uuid))
        vm_look(world, uuid);
}
