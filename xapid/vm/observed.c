/* What the hypervisor has, as org.xapid.Domains1's List tells it, in the words of records. */
#include "config.h"

#include "lib/error.h"
#include "xapid/vm/vm.h"

bool
vm_state_has_domain(const char *power_state)
{
    return g_str_equal(power_state, "Running") || g_str_equal(power_state, "Paused");
}

/* Of several entries of one uuid: a domain that lives, one that is dying, an image. */
static int
rank(const char *state)
{
    return g_str_equal(state, "suspended") ? 1 : g_str_equal(state, "dying") ? 2 : 3;
}

GVariant *
vm_find_domain(GVariant *domains, const char *uuid)
{
    GVariantIter iter;
    GVariant *domain, *found = NULL;
    int found_rank = 0;

    g_variant_iter_init(&iter, domains);
    while ((domain = g_variant_iter_next_value(&iter))) {
        const char *its_uuid, *state;
        if (!g_variant_lookup(domain, "uuid", "&s", &its_uuid) || !g_str_equal(its_uuid, uuid) ||
            !g_variant_lookup(domain, "state", "&s", &state) || rank(state) <= found_rank) {
            g_variant_unref(domain);
            continue;
        }
        if (found)
            g_variant_unref(found);
        found = domain;
        found_rank = rank(state);
    }
    return found;
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
