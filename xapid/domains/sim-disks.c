#include "config.h"

#include "xapid/domains/sim-disks.h"

#include <string.h>

void
sim_disks_fill(const struct guest_config *config, struct world_domain *ret_domain)
{
    guint n = 0;

    for (guint i = 0; i < config->disks->len; i++) {
        const struct guest_disk *disk = config->disks->pdata[i];
        if (*disk->handle && !disk->read_only && !disk->disk.sharable)
            g_strlcpy(ret_domain->writes[n++], disk->disk.vdi, sizeof ret_domain->writes[0]);
    }
}

struct check {
    struct world *world;
    const struct world_domain *domain;
};

static void
check_other(const struct world_domain *other, void *data)
{
    const struct check *check = data;

    if (other->state == DOMAIN_DYING)
        return;
    for (guint i = 0; i < CONFIG_DISKS_MAX && *check->domain->writes[i]; i++)
        for (guint j = 0; j < CONFIG_DISKS_MAX && *other->writes[j]; j++)
            if (g_str_equal(check->domain->writes[i], other->writes[j]))
                world_violation(check->world, "%s and %s write the disk %s", check->domain->uuid,
                                other->uuid, other->writes[j]);
}

void
sim_disks_check(struct world *world, const struct world_domain *domain)
{
    struct check check = {world, domain};

    world_each(world, NULL, check_other, &check);
}
