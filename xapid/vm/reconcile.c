/* Records follow the hypervisor: "this VM needs a look" is noted, and the look reads the real state
 * and plans from it.  A VM with an operation under way is looked at when that ends. */
#include "config.h"

#include "lib/error.h"
#include "lib/log.h"
#include "xapid/vm/appliance.h"

#define RETRY_MS 1000
#define LOOK_AGAIN_MS 5000 /* at a VM whose disks could not be let go */
#define FOLLOW_LOOKS 8 /* at a guest whose memory is on its way: after 1, 2, 4 … 128 seconds */
#define MEMORY_TOLERANCE (1 << 20) /* bytes between a guest's memory and its target */

static gboolean look_now(void *data);

bool
vm_submit(struct vm_world *world, const char *vm, struct plan *plan, op_done_fn done, void *data,
          GError **error)
{
    struct txn *txn = model_begin(world->model, error);

    if (!txn) {
        plan_free(plan);
        return false;
    }
    log_info("%s needs %s", vm, plan->operation);
    return ops_run(world->ops, txn, plan, NULL, done, data, error);
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
surveyed(const GError *error, GVariant *domains, void *data)
{
    struct op *op = data;
    struct vm_world *world = op_room_data(op);
    const char *vm = op_object(op);

    if (!error && model_has(world->model, vm_class(), vm)) {
        g_autofree char *uuid = model_get_string(world->model, vm, "uuid");
        g_autoptr(GVariant) domain = vm_find_domain(domains, uuid);
        const char *power_state = vm_observed_state(domain);
        gint32 domid = -1;
        if (domain)
            g_variant_lookup(domain, "domid", "i", &domid);
        if (power_state) {
            op_set_result(op, "power_state", g_variant_new_string(power_state));
            op_set_result(op, "domid", g_variant_new_int64(domid));
        }
    }
    op_step_done(op, error ? g_error_copy(error) : NULL);
}

void
vm_list_domain(const struct vm_world *world, const char *vm, domains_done_fn done, void *data)
{
    g_autofree char *uuid = model_has(world->model, vm_class(), vm)
                                ? model_get_string(world->model, vm, "uuid")
                                : g_strdup("");

    domains_list(world->domains, uuid, done, data);
}

void
vm_survey(struct op *op)
{
    vm_list_domain(op_room_data(op), op_object(op), surveyed, op);
}

struct later {
    struct vm_world *world;
    char *uuid;
};

static gboolean
look_later(void *data)
{
    struct later *later = data;

    vm_look(later->world, later->uuid);
    g_free(later->uuid);
    g_free(later);
    return G_SOURCE_REMOVE;
}

static void
look_in(struct vm_world *world, const char *uuid, guint ms)
{
    struct later *later = g_new(struct later, 1);

    later->world = world;
    later->uuid = g_strdup(uuid);
    g_timeout_add(ms, look_later, later);
}

void
vm_look_again(struct vm_world *world, const char *uuid)
{
    look_in(world, uuid, LOOK_AGAIN_MS);
}

void
vm_follow(struct vm_world *world, const char *uuid)
{
    if (!world->following)
        world->following = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_hash_table_insert(world->following, g_strdup(uuid), GUINT_TO_POINTER(1));
    vm_look(world, uuid);
}

/* Nothing tells of a balloon's progress: a guest that was given another target is looked at ever
 * more seldom until it has reached it. */
static void
follow(struct vm_world *world, const char *vm, const char *uuid, GVariant *domain)
{
    gint64 target = model_get_int(world->model, vm, "memory_target"), memory = target;
    void *found = world->following ? g_hash_table_lookup(world->following, uuid) : NULL;
    guint looks = GPOINTER_TO_UINT(found);

    if (looks == 0)
        return;
    g_variant_lookup(domain, "memory", "x", &memory);
    if (ABS(memory - target) <= MEMORY_TOLERANCE || looks > FOLLOW_LOOKS) {
        g_hash_table_remove(world->following, uuid);
        return;
    }
    look_in(world, uuid, 1000u << (looks - 1));
    g_hash_table_insert(world->following, g_strdup(uuid), GUINT_TO_POINTER(looks + 1));
}

/* Whether a restart that a guest's end asks for must wait; then the VM is looked at again. */
static bool
restart_waits(struct vm_world *world, const char *vm, const char *uuid, gint64 domid,
              GError **error)
{
    gint64 wait = vm_restart_wait(world, vm, domid, error);

    if (wait <= 0)
        return false;
    log_info("%s ends too often: its next start waits %.1f s", vm, (double)wait / G_USEC_PER_SEC);
    look_in(world, uuid, (guint)(wait / 1000) + 1);
    return true;
}

static void
tell_crash(const struct vm_world *world, const char *vm, GVariant *domain)
{
    g_autofree char *action = model_get_string(world->model, vm, "actions_after_crash");
    const char *reason = "";

    if (domain)
        g_variant_lookup(domain, "reason", "&s", &reason);
    if (g_str_equal(reason, "crash"))
        log_warning("the guest of %s crashed: %s", vm, action);
}

static void
look_at(struct vm_world *world, const char *vm, GHashTable *domains)
{
    g_autofree char *uuid = model_get_string(world->model, vm, "uuid");
    GVariant *domain = g_hash_table_lookup(domains, uuid);
    g_autoptr(GError) error = NULL;
    const char *power_state;
    gint32 domid = -1;
    bool ok = true;

    if (domain)
        g_variant_lookup(domain, "domid", "i", &domid);
    struct plan *plan = vm_plan_reconcile(world, vm, domain, &power_state);
    if (plan && g_str_equal(plan->operation, "hard_reboot") &&
        restart_waits(world, vm, uuid, domid, &error)) {
        plan_free(plan);
        return;
    }
    if (error) {
        plan_free(plan);
        ok = false;
    } else if (plan) {
        tell_crash(world, vm, domain);
        ok = vm_submit(world, vm, plan, NULL, NULL, &error);
    } else if (power_state) {
        ok = record_observed(world, vm, power_state, domid, &error) &&
             (!domain || vm_record_facts(world, vm, domain, &error));
        if (ok && domain)
            follow(world, vm, uuid, domain);
    }
    if (!ok) {
        log_warning("looking at %s, again soon: %s", vm, error->message);
        g_hash_table_add(world->look, g_steal_pointer(&uuid));
        if (!world->look_source)
            world->look_source = g_timeout_add(RETRY_MS, look_now, world);
    }
}

/* One List at a time: a look that is asked for meanwhile begins after it. */
struct look {
    struct vm_world *world;
    GHashTable *uuids;
    bool again; /* another look waits */
    GHashTable
        *touched; /* uuids of VMs whose operations ended since: what List says may be older */
};

/* What was recorded may have been undone: the database could not be written. */
static void
look_durable(const GError *error, void *data)
{
    if (error)
        look_in(data, "", RETRY_MS);
}

static void
listed(const GError *error, GVariant *domains, void *data)
{
    struct look *look = data;
    struct vm_world *world = look->world;
    bool all = g_hash_table_contains(look->uuids, ""), again = look->again;
    g_autoptr(GPtrArray) vms = model_all(world->model, vm_class());
    g_autoptr(GHashTable) found = error ? NULL : vm_domains_by_uuid(domains);

    world->looking = NULL;
    if (error) {
        log_warning("listing the domains, again soon: %s", error->message);
        look_in(world, "", RETRY_MS);
    }
    for (guint i = 0; !error && i < vms->len; i++) {
        const char *vm = vms->pdata[i];
        g_autofree char *uuid = model_get_string(world->model, vm, "uuid");
        if ((!all && !g_hash_table_contains(look->uuids, uuid)) ||
            !vm_is_ours(world->model, vm, NULL))
            continue;
        if (ops_busy(world->ops, vm))
            g_hash_table_add(world->look, g_steal_pointer(&uuid)); /* vm_idle looks again */
        else if (g_hash_table_contains(look->touched, uuid))
            vm_look(world, uuid);
        else
            look_at(world, vm, found);
    }
    if (found) {
        vm_foreign_look(world, found, look->uuids);
        vm_usage_look(world, found, all);
        if (all)
            vm_ready_look(world, domains);
        world->has_looked |= all;
        if (world->has_looked)
            vm_autostart(world);
    }
    model_when_durable(world->model, model_head(world->model), look_durable, world);
    g_hash_table_unref(look->uuids);
    g_hash_table_unref(look->touched);
    g_free(look);
    if (again && !world->look_source)
        world->look_source = g_idle_add(look_now, world);
}

static GHashTable *
uuids_new(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

/* Those that are to be looked at now.  A VM with an operation under way is left for vm_idle: what a
 * start does to a domain would make us ask for it several times, beside the start. */
static GHashTable *
take_looks(struct vm_world *world)
{
    g_autoptr(GHashTable) wanted = world->look;
    GHashTable *now = uuids_new();
    GHashTableIter iter;
    const char *uuid;

    world->look = uuids_new();
    g_hash_table_iter_init(&iter, wanted);
    while (g_hash_table_iter_next(&iter, (void **)&uuid, NULL)) {
        const char *vm = *uuid ? model_by_uuid(world->model, vm_class(), uuid) : NULL;
        bool busy = vm && ops_busy(world->ops, vm);
        g_hash_table_add(busy ? world->look : now, g_strdup(uuid));
    }
    return now;
}

/* What to ask for: one domain, or all. */
static const char *
uuid_to_list(GHashTable *uuids)
{
    GHashTableIter iter;
    void *uuid = NULL;

    if (g_hash_table_size(uuids) > 1)
        return "";
    g_hash_table_iter_init(&iter, uuids);
    g_hash_table_iter_next(&iter, &uuid, NULL);
    return uuid;
}

static gboolean
look_now(void *data)
{
    struct vm_world *world = data;

    world->look_source = 0;
    if (world->looking) {
        world->looking->again = true;
        return G_SOURCE_REMOVE;
    }
    GHashTable *uuids = take_looks(world);
    if (g_hash_table_size(uuids) == 0) {
        g_hash_table_unref(uuids);
        return G_SOURCE_REMOVE;
    }
    struct look *look = g_new0(struct look, 1);
    world->looking = look;
    look->world = world;
    look->touched = uuids_new();
    look->uuids = uuids;
    domains_list(world->domains, uuid_to_list(uuids), listed, look);
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
    if (world->looking)
        g_hash_table_add(world->looking->touched, g_strdup(uuid));
    if (g_hash_table_contains(world->look, uuid))
        vm_look(world, uuid);
    appliances_go_on(world);
}
