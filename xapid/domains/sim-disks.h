/* The disks of simulated guests: nobody else writes what a guest writes. */
#ifndef XAPID_DOMAINS_SIM_DISKS_H
#define XAPID_DOMAINS_SIM_DISKS_H

#include "xapid/domains/sim-world.h"

/* What a guest of this config has to itself. */
void sim_disks_fill(const struct guest_config *config, struct world_domain *ret_domain);
/* With the world's lock held, before the domain, or its drive, is in it. */
void sim_disks_check(struct world *world, const struct world_domain *domain);

/* backend_sim's part (backend.h). */
bool sim_plug(struct backend_ctx *ctx, const struct domain_info *info,
              const struct guest_disk *disk, GError **error);
bool sim_follow(struct backend_ctx *ctx, const struct domain_info *info, const GPtrArray *disks,
                bool only_check, GError **error);
bool sim_unplug(struct backend_ctx *ctx, const struct domain_info *info, const char *vdev,
                bool force, GError **error);
bool sim_set_medium(struct backend_ctx *ctx, const struct domain_info *info,
                    const struct guest_disk *disk, GError **error);

#endif
