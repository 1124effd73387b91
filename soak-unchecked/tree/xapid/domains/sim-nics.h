/* The network cards of simulated domains. */
#ifndef XAPID_DOMAINS_SIM_NICS_H
#define XAPID_DOMAINS_SIM_NICS_H

#include "xapid/domains/sim-world.h"

/* As nic-hotplug: INTERNAL_ERROR when a bridge is not there (xapid/host/bridge.h: DIR/bridges). */
bool sim_nics_fill(struct world *world, const struct guest_config *config,
                   struct world_domain *ret_domain, GError **error);

/* backend_sim's part (backend.h). */
bool sim_plug_nic(struct backend_ctx *ctx, const struct domain_info *info,
                  const struct guest_nic *nic, GError **error);
bool sim_unplug_nic(struct backend_ctx *ctx, int domid, int device, bool force, GError **error);
bool sim_set_nic(struct backend_ctx *ctx, int domid, const struct guest_nic *nic, GError **error);

#endif
