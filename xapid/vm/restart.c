/* How soon a guest that ended by itself is started again: at once, unless it keeps ending. */
#include "config.h"

#include "xapid/vm/vm.h"

#define DELAY_FREE 2 /* short lives in a row that cost nothing: an installer reboots, too */
#define DELAY_FIRST_SECONDS 5
#define DELAY_MAX_SECONDS 60

struct life {
    gint64 domid; /* of the domain that ended last */
    guint short_lives;
    gint64 due; /* monotonic: when the next one may begin */
};

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
vm_restart_wait(struct vm_world *world, const char *vm, gint64 domid)
{
    gint64 now = g_get_monotonic_time();

    if (!world->lives)
        world->lives = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    struct life *life = g_hash_table_lookup(world->lives, vm);
    if (!life) {
        life = g_new0(struct life, 1);
        life->domid = -1;
        g_hash_table_insert(world->lives, g_strdup(vm), life);
    }
    if (life->domid != domid) {
        bool is_short = lived_usec(world, vm) < VM_SHORT_LIFE_SECONDS * (gint64)G_USEC_PER_SEC;
        life->domid = domid;
        life->short_lives = is_short ? life->short_lives + 1 : 0;
        life->due = now + vm_restart_delay_seconds(life->short_lives) * (gint64)G_USEC_PER_SEC;
    }
    return MAX(life->due - now, 0);
}

void
vm_restart_forget(const struct vm_world *world, const char *vm)
{
    if (world->lives)
        g_hash_table_remove(world->lives, vm);
}
