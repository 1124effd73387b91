#include "config.h"

#include "xapid/domains/sim-nics.h"

#include <fcntl.h>
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
    ret_nic->mtu = nic->mtu;
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
