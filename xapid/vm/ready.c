/* Domains that are built ahead of their VMs' starts.  What there is, List tells, so nothing of it
 * is kept in the database, and a restart of any program finds it: each look at all domains builds
 * what is wanted and removes what is not.  A start takes what fits its VM's record at that moment,
 * and xapid-domains is who sees to that, in the domain's queue. */
#include "config.h"

#include "lib/error.h"
#include "lib/log.h"
#include "xapid/vm/vm.h"

/* Of one VM, by its uuid. */
struct ready {
    struct vm_world *world;
    char *uuid;
    char *op_id;      /* that its record names; NULL: it is not there yet */
    GVariant *config; /* that this process had it built from; NULL: not known */
    gint64 memory;    /* bytes */
    bool listed;      /* by the look that is under way */
    bool busy;        /* being built or removed */
    GQueue yields;    /* of struct yield, that wait until it is gone */
};

/* Somebody who needs memory. */
struct yield {
    struct vm_world *world;
    guint left; /* domains that are not gone yet */
    void (*again)(void *data);
    void *data;
};

static void
ready_free(void *data)
{
    struct ready *ready = data;

    g_queue_clear(&ready->yields);
    g_clear_pointer(&ready->config, g_variant_unref);
    g_free(ready->op_id);
    g_free(ready->uuid);
    g_free(ready);
}

static struct ready *
ready_get(struct vm_world *world, const char *uuid)
{
    struct ready *ready;

    ready = g_hash_table_lookup(world->ready, uuid);
    if (ready)
        return ready;
    ready = g_new0(struct ready, 1);
    ready->world = world;
    ready->uuid = g_strdup(uuid);
    g_queue_init(&ready->yields);
    g_hash_table_insert(world->ready, ready->uuid, ready);
    return ready;
}

/* ---- building and removing ---- */

/* Not by an operation of the VM: nobody sees it, and whatever becomes of it the next look finds. */
static void
start(struct ready *ready, const char *verb, GVariant *args, domains_done_fn done)
{
    g_autofree char *id = g_uuid_string_random();

    ready->busy = true;
    domains_start(ready->world->domains, id, verb, ready->uuid, args, done, ready);
}

static void
yield_count(void *data, void *unused)
{
    struct yield *yield = data;

    (void)unused;
    if (--yield->left > 0)
        return;
    yield->world->yields--;
    yield->again(yield->data);
    g_free(yield);
}

static void
dropped(const GError *error, GVariant *result, void *data)
{
    struct ready *ready = data;
    GQueue yields = ready->yields;

    (void)result;
    if (error)
        log_warning("the domain that was built ahead for %s stays until the next look: %s",
                    ready->uuid, error->message);
    g_queue_init(&ready->yields);
    g_hash_table_remove(ready->world->ready, ready->uuid);
    g_queue_foreach(&yields, yield_count, NULL);
    g_queue_clear(&yields);
}

static void
drop(struct ready *ready)
{
    GVariantDict args;

    g_variant_dict_init(&args, NULL);
    g_variant_dict_insert(&args, "built_by", "s", ready->op_id);
    start(ready, "destroy", g_variant_dict_end(&args), dropped);
}

static void
built(const GError *error, GVariant *result, void *data)
{
    struct ready *ready = data;
    const char *op_id;

    ready->busy = false;
    if (!error && g_variant_lookup(result, "op_id", "&s", &op_id)) {
        g_free(ready->op_id);
        ready->op_id = g_strdup(op_id);
        if (!g_queue_is_empty(&ready->yields))
            drop(ready);
        return;
    }
    if (error && !api_error_is(error, "HOST_NOT_ENOUGH_FREE_MEMORY"))
        log_warning("no domain is built ahead for %s: %s", ready->uuid, error->message);
    dropped(NULL, NULL, ready);
}

/* config: a reference. */
static void
prepare(struct ready *ready, GVariant *config)
{
    g_clear_pointer(&ready->config, g_variant_unref);
    ready->config = g_variant_ref(config);
    g_variant_lookup(config, "memory_target", "x", &ready->memory);
    start(ready, "prepare", config, built);
}

/* ---- what is wanted ---- */

/* The config of a VM that wants one, and can have one; NULL: it does not. */
static GVariant *
wanted(const struct vm_world *world, const char *vm)
{
    g_autofree char *flag = model_get_map_value(world->model, vm, "other_config", VM_READY_KEY);
    g_autofree char *power_state = model_get_string(world->model, vm, "power_state");
    g_autoptr(GError) error = NULL;

    if (g_strcmp0(flag, "true") != 0 || !g_str_equal(power_state, "Halted") ||
        model_get_bool(world->model, vm, "is_a_template") ||
        model_get_bool(world->model, vm, "is_a_snapshot") || !vm_is_ours(world->model, vm, NULL) ||
        vm_is_machine(world->model, vm))
        return NULL;
    g_autoptr(GVariant) config = vm_domain_config(world, vm, &error);
    g_autoptr(GVariant) disks = config ? g_variant_lookup_value(config, "disks", NULL) : NULL;
    g_autoptr(GVariant) nics = config ? g_variant_lookup_value(config, "nics", NULL) : NULL;
    if (!config)
        log_debug("no domain can be built ahead for %s: %s", vm, error->message);
    return disks || nics ? NULL : g_steal_pointer(&config);
}

/* True when the VM takes one of those that may be.  One that is about to start takes what there is.
 */
static bool
look_at(struct vm_world *world, const char *vm)
{
    g_autoptr(GVariant) config = wanted(world, vm);

    if (!config)
        return false;
    g_autofree char *uuid = model_get_string(world->model, vm, "uuid");
    bool starts = ops_busy(world->ops, vm);
    struct ready *ready = starts ? g_hash_table_lookup(world->ready, uuid) : ready_get(world, uuid);
    if (!ready)
        return false;
    ready->listed = false; /* it is not to be removed */
    if (!starts && !ready->busy && !(ready->config && g_variant_equal(ready->config, config)))
        prepare(ready, config);
    return true;
}

/* What there is, as List tells. */
static void
take_list(struct vm_world *world, GVariant *domains)
{
    GHashTableIter iter;
    GVariantIter list;
    struct ready *ready;
    GVariant *domain;

    g_variant_iter_init(&list, domains);
    while ((domain = g_variant_iter_next_value(&list))) {
        const char *uuid, *op_id;
        if (vm_domain_is_ready(domain) && g_variant_lookup(domain, "uuid", "&s", &uuid) &&
            g_variant_lookup(domain, "op_id", "&s", &op_id)) {
            ready = ready_get(world, uuid);
            ready->listed = true;
            ready->memory = vm_domain_int(domain, "memory");
            g_free(ready->op_id);
            ready->op_id = g_strdup(op_id);
        }
        g_variant_unref(domain);
    }
    g_hash_table_iter_init(&iter, world->ready);
    while (g_hash_table_iter_next(&iter, NULL, (void **)&ready))
        if (!ready->listed && !ready->busy)
            g_hash_table_iter_remove(&iter);
}

void
vm_ready_look(struct vm_world *world, GVariant *domains)
{
    guint left = model_get_bool(world->model, world->host, "enabled") ? world->ready_max : 0;
    g_autoptr(GPtrArray) vms = model_all(world->model, vm_class());

    if (world->yields > 0)
        return;
    if (!world->ready)
        world->ready = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, ready_free);
    take_list(world, domains);
    for (guint i = 0; i < vms->len && left > 0; i++)
        left -= look_at(world, vms->pdata[i]);
    g_autoptr(GList) all = g_hash_table_get_values(world->ready);
    for (GList *l = all; l; l = l->next) {
        struct ready *ready = l->data;
        bool listed = ready->listed;
        ready->listed = false;
        if (listed && !ready->busy)
            drop(ready);
    }
}

/* ---- giving back ---- */

gint64
vm_ready_memory(const struct vm_world *world)
{
    GHashTableIter iter;
    struct ready *ready;
    gint64 bytes = 0;

    if (!world->ready)
        return 0;
    g_hash_table_iter_init(&iter, world->ready);
    while (g_hash_table_iter_next(&iter, NULL, (void **)&ready))
        bytes += ready->op_id ? ready->memory : 0;
    return bytes;
}

bool
vm_ready_yield(struct vm_world *world, const GError *error, void (*again)(void *data), void *data)
{
    const char *const *params;
    struct yield *yield;

    if (!error || !api_error_is(error, "HOST_NOT_ENOUGH_FREE_MEMORY") || !world->ready ||
        g_hash_table_size(world->ready) == 0)
        return false;
    g_autoptr(GList) all = g_hash_table_get_values(world->ready);
    params = api_error_params(error);
    gint64 missing = g_ascii_strtoll(params[0], NULL, 10) - g_ascii_strtoll(params[1], NULL, 10);
    yield = g_new0(struct yield, 1);
    *yield = (struct yield){.world = world, .again = again, .data = data};
    world->yields++;
    for (GList *l = all; l && (missing > 0 || yield->left == 0); l = l->next) {
        struct ready *ready = l->data;
        missing -= ready->memory;
        yield->left++;
        g_queue_push_tail(&ready->yields, yield);
        if (!ready->busy)
            drop(ready);
    }
    log_info("%u domains that were built ahead give their memory back", yield->left);
    return true;
}
