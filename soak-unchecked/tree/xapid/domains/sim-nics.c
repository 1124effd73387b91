#include "config.h"

#include "xapid/domains/sim-nics.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/error.h"

static bool
fill(struct world *world, const struct guest_nic *nic, struct world_nic *ret_nic, GError **error)
{
    g_autofree char *path = g_strconcat("bridges/", nic->bridge, NULL);

    if (faccessat(world_dir(world), path, F_OK, 0) < 0) {
        api_error_set(error, "INTERNAL_ERROR", "simulator", "no bridge", nic->bridge, NULL);
        return false;
    }
    g_strlcpy(ret_nic->bridge, nic->bridge, sizeof ret_nic->bridge);
    g_snprintf(ret_nic->mac, sizeof ret_nic->mac, "%02x:%02x:%02x:%02x:%02x:%02x", nic->mac[0],
               nic->mac[1], nic->mac[2], nic->mac[3], nic->mac[4], nic->mac[5]);
    g_strlcpy(ret_nic->lock, nic->lock, sizeof ret_nic->lock);
    ret_nic->mtu = nic->mtu;
    ret_nic->kbps = nic->kbps;
    return true;
}

bool
sim_nics_fill(struct world *world, const struct guest_config *config,
              struct world_domain *ret_domain, GError **error)
{
    for (guint i = 0; i < config->nics->len; i++) {
        const struct guest_nic *nic = &g_array_index(config->nics, struct guest_nic, i);
        if (!fill(world, nic, &ret_domain->nics[nic->device], error))
            return false;
    }
    return true;
}

/* ---- cards of a domain that is there ---- */

/* moved: a card is there already. */
static bool
set_card(struct backend_ctx *ctx, int domid, const struct guest_nic *nic, bool moved,
         GError **error)
{
    struct world *world = sim_world(ctx);
    struct world_domain *domain;
    struct world_nic card;
    bool found;

    if (!fill(world, nic, &card, error))
        return false;
    world_lock(world);
    domain = world_find(world, domid);
    found = domain && (!moved || *domain->nics[nic->device].bridge);
    if (found)
        domain->nics[nic->device] = card;
    world_unlock(world);
    if (!found)
        api_error_set(error, "INTERNAL_ERROR", "simulator", "there is no such card", NULL);
    return found;
}

bool
sim_plug_nic(struct backend_ctx *ctx, const struct domain_info *info, const struct guest_nic *nic,
             GError **error)
{
    return set_card(ctx, info->domid, nic, false, error);
}

bool
sim_set_nic(struct backend_ctx *ctx, int domid, const struct guest_nic *nic, GError **error)
{
    return set_card(ctx, domid, nic, true, error);
}

/* A guest that does not let go of it loses it all the same. */
bool
sim_unplug_nic(struct backend_ctx *ctx, int domid, int device, bool force, GError **error)
{
    struct world *world = sim_world(ctx);
    struct world_domain *domain;

    (void)force;
    (void)error;
    world_lock(world);
    domain = world_find(world, domid);
    if (domain)
        memset(&domain->nics[device], 0, sizeof domain->nics[device]);
    world_unlock(world);
    return true;
}
