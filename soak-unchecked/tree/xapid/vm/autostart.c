/* VMs that start with their host: those whose other_config has auto_poweron = true, as XAPI has it,
 * when the pool's has it too. */
#include "config.h"

#include <string.h>

#include "lib/error.h"
#include "lib/log.h"
#include "xapid/storage/storage.h"
#include "xapid/vm/vm.h"

#define KEY "auto_poweron"
/* The journal's entry of a VM that is still to be started; its reference follows. */
#define STARTS_PREFIX "starts/"
#define STARTS_TYPE "b"
#define STORAGE_WAIT_MS 500 /* until it is seen whether storage is attached by now */

static bool
is_wanted(const struct model *model, const char *ref)
{
    g_autofree char *value = model_get_map_value(model, ref, "other_config", KEY);

    return g_strcmp0(value, "true") == 0;
}

void
vm_autostart_note(const struct vm_world *world, struct txn *txn)
{
    g_autoptr(GPtrArray) pools = model_all(world->model, dm_class_find("pool", false));
    g_autoptr(GPtrArray) vms = model_all(world->model, vm_class());

    if (pools->len == 0 || !is_wanted(world->model, pools->pdata[0]))
        return;
    for (guint i = 0; i < vms->len; i++) {
        const char *vm = vms->pdata[i];
        g_autofree char *key = g_strconcat(STARTS_PREFIX, vm, NULL);
        if (is_wanted(world->model, vm) && !model_get_bool(world->model, vm, "is_a_template") &&
            !model_get_bool(world->model, vm, "is_a_snapshot") &&
            vm_is_ours(world->model, vm, NULL))
            txn_journal(txn, key, g_variant_new(STARTS_TYPE, TRUE));
    }
}

/* References of those that are noted, the caller's. */
static GPtrArray *
noted(const struct model *model)
{
    GPtrArray *vms = g_ptr_array_new_with_free_func(g_free);
    GHashTableIter iter;
    void *key;

    g_hash_table_iter_init(&iter, model_journal(model));
    while (g_hash_table_iter_next(&iter, &key, NULL))
        if (g_str_has_prefix(key, STARTS_PREFIX))
            g_ptr_array_add(vms, g_strdup((const char *)key + strlen(STARTS_PREFIX)));
    return vms;
}

static bool
storage_is_being_attached(const struct model *model)
{
    g_autoptr(GPtrArray) srs = model_all(model, sr_class());

    for (guint i = 0; i < srs->len; i++)
        if (sr_is_under(model, srs->pdata[i], "plug"))
            return true;
    return false;
}

static bool
forget(const struct vm_world *world, const char *vm)
{
    g_autofree char *key = g_strconcat(STARTS_PREFIX, vm, NULL);
    g_autoptr(GError) error = NULL;
    struct txn *txn = model_begin(world->model, &error);

    if (txn)
        txn_journal(txn, key, NULL);
    if (txn && txn_commit(txn, &error))
        return true;
    log_warning("%s is started again with the next look: %s", vm, error->message);
    return false;
}

static void
tell_failed(const char *vm, const GError *error)
{
    log_warning("%s does not start with its host: %s", vm, error->message);
}

struct start {
    struct vm_world *world;
    char *vm;
};

static void
start_free(struct start *start)
{
    g_free(start->vm);
    g_free(start);
}

static void
started(const GError *error, const char *value, void *data)
{
    struct start *start = data;

    (void)value;
    if (error)
        tell_failed(start->vm, error);
    if (forget(start->world, start->vm))
        vm_autostart(start->world);
    start_free(start);
}

/* True when it is on its way. */
static bool
begin(struct vm_world *world, const char *vm)
{
    g_autoptr(GError) error = NULL;
    struct plan *plan = vm_plan_start(world, vm, "start", /* paused= */ false, &error);
    struct start *start = g_new(struct start, 1);

    *start = (struct start){world, g_strdup(vm)};
    if (plan && vm_submit(world, vm, plan, started, start, &error))
        return true;
    tell_failed(vm, error);
    start_free(start);
    return false;
}

static gint64
order_of(const struct model *model, const char *vm)
{
    return model_has(model, vm_class(), vm) ? model_get_int(model, vm, "order") : G_MININT64;
}

/* Those that come first are started; true when none of them is under way, and others may follow. */
static bool
begin_first(struct vm_world *world, const GPtrArray *vms)
{
    gint64 first = G_MAXINT64;
    bool is_clear = true;

    for (guint i = 0; i < vms->len; i++)
        first = MIN(first, order_of(world->model, vms->pdata[i]));
    for (guint i = 0; i < vms->len; i++) {
        const char *vm = vms->pdata[i];
        if (order_of(world->model, vm) != first)
            continue;
        g_autofree char *state = model_has(world->model, vm_class(), vm)
                                     ? model_get_string(world->model, vm, "power_state")
                                     : NULL;
        bool is_halted = g_strcmp0(state, "Halted") == 0;
        if (state && (ops_busy(world->ops, vm) || (is_halted && begin(world, vm))))
            is_clear = false;
        else
            is_clear &= forget(world, vm);
    }
    return is_clear;
}

static gboolean
autostart_again(void *data)
{
    struct vm_world *world = data;

    world->autostart_source = 0;
    vm_autostart(world);
    return G_SOURCE_REMOVE;
}

void
vm_autostart(struct vm_world *world)
{
    g_autoptr(GPtrArray) vms = noted(world->model);

    if (vms->len == 0 || world->autostart_source)
        return;
    if (storage_is_being_attached(world->model)) {
        world->autostart_source = g_timeout_add(STORAGE_WAIT_MS, autostart_again, world);
        return;
    }
    while (vms->len > 0 && begin_first(world, vms)) {
        g_ptr_array_unref(vms);
        vms = noted(world->model);
    }
}
