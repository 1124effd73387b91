/* What the hypervisor has, as org.xapid.Domains1's List tells it, in the words of records. */
#include "config.h"

#include "lib/error.h"
#include "xapid/vm/vm.h"

bool
vm_state_has_domain(const char *power_state)
{
    return g_str_equal(power_state, "Running") || g_str_equal(power_state, "Paused");
}

bool
vm_domain_is_ready(GVariant *domain)
{
    gboolean ready = FALSE;

    g_variant_lookup(domain, "ready", "b", &ready);
    return ready;
}

/* Of several entries of one uuid: a domain that lives, one that is dying, an image.  What was built
 * ahead of a start is none: its VM is halted. */
static int
rank(GVariant *domain)
{
    const char *state = "";

    if (!domain || !g_variant_lookup(domain, "state", "&s", &state) || vm_domain_is_ready(domain))
        return 0;
    return g_str_equal(state, "suspended") ? 1 : g_str_equal(state, "dying") ? 2 : 3;
}

GHashTable *
vm_domains_by_uuid(GVariant *domains)
{
    GHashTable *table =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)g_variant_unref);
    GVariantIter iter;
    GVariant *domain;

    g_variant_iter_init(&iter, domains);
    while ((domain = g_variant_iter_next_value(&iter))) {
        const char *uuid;
        if (!g_variant_lookup(domain, "uuid", "&s", &uuid) ||
            rank(domain) <= rank(g_hash_table_lookup(table, uuid)))
            g_variant_unref(domain);
        else
            g_hash_table_replace(table, (char *)uuid, domain);
    }
    return table;
}

GVariant *
vm_find_domain(GVariant *domains, const char *uuid)
{
    g_autoptr(GHashTable) table = vm_domains_by_uuid(domains);
    GVariant *found = g_hash_table_lookup(table, uuid);

    return found ? g_variant_ref(found) : NULL;
}

gint64
vm_domain_int(GVariant *domain, const char *key)
{
    g_autoptr(GVariant) value = g_variant_lookup_value(domain, key, NULL);

    if (value && g_variant_is_of_type(value, G_VARIANT_TYPE_INT64))
        return g_variant_get_int64(value);
    if (value && g_variant_is_of_type(value, G_VARIANT_TYPE_INT32))
        return g_variant_get_int32(value);
    return -1;
}

bool
vm_memory_actual(const struct vm_world *world, const char *vm, GVariant *domains, gint64 *ret_bytes,
                 GError **error)
{
    g_autofree char *uuid = model_get_string(world->model, vm, "uuid");
    g_autoptr(GVariant) domain = vm_find_domain(domains, uuid);
    const char *state = vm_observed_state(domain);

    if (state && vm_state_has_domain(state) && g_variant_lookup(domain, "memory", "x", ret_bytes))
        return true;
    api_error_set(error, "VM_BAD_POWER_STATE", vm, "running", "halted", NULL);
    return false;
}

const char *
vm_observed_state(GVariant *domain)
{
    const char *state;
    gboolean complete;

    if (!domain)
        return "Halted";
    if (!g_variant_lookup(domain, "state", "&s", &state) ||
        !g_variant_lookup(domain, "complete", "b", &complete) || !complete)
        return NULL;
    return g_str_equal(state, "paused")      ? "Paused"
           : g_str_equal(state, "running")   ? "Running"
           : g_str_equal(state, "suspended") ? "Suspended"
                                             : NULL;
}
