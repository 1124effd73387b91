/* The network cards of simulated domains. */
#ifndef XAPID_DOMAINS_SIM_NICS_H
#define XAPID_DOMAINS_SIM_NICS_H

#include "xapid/domains/sim-world.h"

/* As nic-hotplug: INTERNAL_ERROR when a bridge is not there (xapid/host/bridge.h: DIR/bridges). */
bool sim_nics_fill(struct world *world, const struct guest_config *config,
                   struct world_domain *ret_domain, GError **error);

#endif
