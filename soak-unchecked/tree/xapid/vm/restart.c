/* How soon a guest that ended by itself is started again: at once, unless it keeps ending.  A
 * restart of the daemon is no excuse: the count is in the journal. */
#include "config.h"

#include "xapid/vm/vm.h"

#define DELAY_FREE 2 /* short lives in a row that cost nothing: an installer reboots, too */
#define DELAY_FIRST_SECONDS 5
#define DELAY_MAX_SECONDS 60

/* The journal's entry for a VM: the domain that ended last, the short lives in a row, and the time
 * (µs) when the next one may begin. */
#define LIFE_PREFIX "life/" /* the VM's reference follows */
#define LIFE_TYPE "(xux)"

guint
vm_restart_delay_seconds(guint short_lives)
{
    if (short_lives <= DELAY_FREE)
        return 0;
    guint doublings = short_lives - DELAY_FREE - 1;
    return doublings > 4 ? DELAY_MAX_SECONDS
                         : MIN(DELAY_FIRST_SECONDS << doublings, DELAY_MAX_SECONDS);
}

static gint64
lived_usec(const struct vm_world *world, const char *vm)
{
    const struct dm_class *cls = dm_class_find("VM_metrics", false);
    g_autofree char *metrics = model_get_string(world->model, vm, "metrics");

    if (!model_has(world->model, cls, metrics))
        return G_MAXINT64;
    g_autoptr(GVariant) start = model_get(world->model, metrics, dm_field_find(cls, "start_time"));
    return g_get_real_time() - g_variant_get_int64(start);
}

gint64
vm_restart_wait(const struct vm_world *world, const char *vm, gint64 domid, GError **error)
{
    g_autofree char *key = g_strconcat(LIFE_PREFIX, vm, NULL);
    GVariant *kept = g_hash_table_lookup(model_journal(world->model), key);
    gint64 now = g_get_real_time(), last = -1, due = now;
    guint short_lives = 0;

    if (kept && g_variant_is_of_type(kept, G_VARIANT_TYPE(LIFE_TYPE)))
        g_variant_get(kept, LIFE_TYPE, &last, &short_lives, &due);
    if (last != domid) {
        bool is_short = lived_usec(world, vm) < VM_SHORT_LIFE_SECONDS * (gint64)G_USEC_PER_SEC;
        short_lives = is_short ? short_lives + 1 : 0;
        due = now + vm_restart_delay_seconds(short_lives) * (gint64)G_USEC_PER_SEC;
        struct txn *txn = model_begin(world->model, error);
        if (!txn)
            return -1;
        txn_journal(txn, key, g_variant_new(LIFE_TYPE, domid, short_lives, due));
        if (!txn_commit(txn, error))
            return -1;
    }
    /* Whatever is done to the clock meanwhile. */
    return CLAMP(due - now, 0, vm_restart_delay_seconds(short_lives) * (gint64)G_USEC_PER_SEC);
}

void
vm_restart_forget(const struct vm_world *world, struct txn *txn, const char *vm)
{
    g_autofree char *key = g_strconcat(LIFE_PREFIX, vm, NULL);

    if (g_hash_table_contains(model_journal(world->model), key))
        txn_journal(txn, key, NULL);
}
