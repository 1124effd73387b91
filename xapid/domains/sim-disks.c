#include "config.h"

#include "xapid/domains/sim-disks.h"

#include <string.h>

#include "lib/error.h"

static void
fill(const struct guest_disk *disk, struct world_disk *ret_disk)
{
    bool writes = *disk->handle && !disk->read_only && !disk->disk.sharable;

    g_strlcpy(ret_disk->vdev, disk->vdev, sizeof ret_disk->vdev);
    g_strlcpy(ret_disk->handle, disk->handle, sizeof ret_disk->handle);
    g_strlcpy(ret_disk->writes, writes ? disk->disk.vdi : "", sizeof ret_disk->writes);
    ret_disk->path = *disk->handle ? g_str_hash(disk->disk.path) : 0;
}

void
sim_disks_fill(const struct guest_config *config, struct world_domain *ret_domain)
{
    for (guint i = 0; i < config->disks->len; i++)
        fill(config->disks->pdata[i], &ret_domain->disks[i]);
}

struct check {
    struct world *world;
    const struct world_domain *domain;
};

static void
check_other(const struct world_domain *other, void *data)
{
    const struct check *check = data;

    if (other->state == DOMAIN_DYING || other == check->domain)
        return;
    for (guint i = 0; i < CONFIG_DISKS_MAX; i++)
        for (guint j = 0; j < CONFIG_DISKS_MAX; j++) {
            const char *disk = check->domain->disks[i].writes;
            if (*disk && g_str_equal(disk, other->disks[j].writes))
                world_violation(check->world, "%s and %s write the disk %s", check->domain->uuid,
                                other->uuid, disk);
        }
}

void
sim_disks_check(struct world *world, const struct world_domain *domain)
{
    struct check check = {world, domain};

    world_each(world, NULL, check_other, &check);
}

/* ---- drives of a domain that is there ---- */

static bool
is_at(const struct world_disk *disk, const char *vdev)
{
    return *disk->vdev && disk->vdev[strlen(disk->vdev) - 1] == vdev[strlen(vdev) - 1];
}

/* The drive at that place, or with vdev "" a free one; NULL: none. */
static struct world_disk *
find(struct world_domain *domain, const char *vdev)
{
    for (guint i = 0; domain && i < CONFIG_DISKS_MAX; i++) {
        struct world_disk *disk = &domain->disks[i];
        if (*vdev ? is_at(disk, vdev) : !*disk->vdev)
            return disk;
    }
    return NULL;
}

static bool
set_drive(struct backend_ctx *ctx, int domid, const struct guest_disk *disk, GError **error)
{
    struct world *world = sim_world(ctx);
    struct world_domain *domain;
    struct world_disk *place;

    world_lock(world);
    domain = world_find(world, domid);
    place = find(domain, disk->vdev);
    if (!place)
        place = find(domain, "");
    if (place) {
        fill(disk, place);
        sim_disks_check(world, domain);
    }
    world_unlock(world);
    if (!place)
        api_error_set(error, "INTERNAL_ERROR", "simulator", "the domain takes no drive", NULL);
    return place != NULL;
}

bool
sim_plug(struct backend_ctx *ctx, const struct domain_info *info, const struct guest_disk *disk,
         GError **error)
{
    return set_drive(ctx, info->domid, disk, error);
}

bool
sim_set_medium(struct backend_ctx *ctx, const struct domain_info *info,
               const struct guest_disk *disk, GError **error)
{
    return set_drive(ctx, info->domid, disk, error);
}

static bool
stands_on(const struct disk_handle *disk, uint32_t path)
{
    bool found = g_str_hash(disk->path) == path;

    for (char **base = disk->bases; base && *base; base++)
        found |= g_str_hash(*base) == path;
    return found;
}

static bool
follow(struct world *world, struct world_domain *domain, const struct guest_disk *disk,
       bool only_check)
{
    struct world_disk *place = find(domain, disk->vdev);

    if (!place || !g_str_equal(place->handle, disk->handle))
        return false;
    if (!stands_on(&disk->disk, place->path))
        world_violation(world, "%s is to go on with %s, which does not stand on what it has",
                        domain->uuid, disk->disk.path);
    if (!only_check)
        place->path = g_str_hash(disk->disk.path);
    return true;
}

bool
sim_follow(struct backend_ctx *ctx, const struct domain_info *info, const GPtrArray *disks,
           bool only_check, GError **error)
{
    struct world *world = sim_world(ctx);
    struct world_domain *domain;
    bool ok = true;

    world_lock(world);
    domain = world_find(world, info->domid);
    for (guint i = 0; domain && ok && i < disks->len; i++)
        ok = follow(world, domain, disks->pdata[i], only_check);
    world_unlock(world);
    if (!ok)
        api_error_set(error, "INTERNAL_ERROR", "simulator", "the domain has no such drive", NULL);
    return ok;
}

bool
sim_unplug(struct backend_ctx *ctx, const struct domain_info *info, const char *vdev, bool force,
           GError **error)
{
    struct world *world = sim_world(ctx);
    struct world_domain *domain;
    struct world_disk *place;
    bool refused;

    world_lock(world);
    domain = world_find(world, info->domid);
    place = find(domain, vdev);
    refused = place && domain->refuses_unplug && !force;
    if (place && !refused)
        memset(place, 0, sizeof *place);
    world_unlock(world);
    if (refused)
        api_error_set(error, "DEVICE_DETACH_TIMEOUT", "VBD", vdev, NULL);
    return !refused;
}
