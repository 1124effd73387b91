/* The disks of simulated guests: nobody else writes what a guest writes. */
#ifndef XAPID_DOMAINS_SIM_DISKS_H
#define XAPID_DOMAINS_SIM_DISKS_H

#include "xapid/domains/sim-world.h"

/* What a guest of this config has to itself. */
void sim_disks_fill(const struct guest_config *config, struct world_domain *ret_domain);
/* With the world's lock held, before the domain is in it. */
void sim_disks_check(struct world *world, const struct world_domain *domain);

#endif
