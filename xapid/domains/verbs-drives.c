/* Drives of a domain that runs; see verbs.h. */
#include "config.h"

#include <unistd.h>

#include "lib/faults.h"
#include "xapid/domains/guest-disks.h"
#include "xapid/domains/verb-args.h"
#include "xapid/domains/verbs-internal.h"

/* The drive that a verb is about, with its disk. */
static struct guest_disk *
find_drive(struct verbs *v, GVariant *args, GError **error)
{
    g_autoptr(guest_disk) disk = guest_disk_parse(args, error);
    int folder;
    bool ok;

    if (!disk || !*disk->handle)
        return g_steal_pointer(&disk);
    folder = verbs_open_disks(v, error);
    if (folder < 0)
        return NULL;
    ok = guest_disk_resolve(disk, folder, error);
    close(folder);
    return ok ? g_steal_pointer(&disk) : NULL;
}

static bool
change(struct verbs *v, const char *uuid, GVariant *args, bool medium, GVariant **ret_result,
       GError **error)
{
    g_autoptr(guest_disk) disk = find_drive(v, args, error);
    struct domain_info *info = disk ? verbs_find_live(v, uuid, true, error) : NULL;
    bool ok;

    if (!info)
        return false;
    ok = medium ? FAULT_AROUND("medium", error, v->backend->set_medium(v->ctx, info, disk, error))
                : FAULT_AROUND("plug", error, v->backend->plug(v->ctx, info, disk, error));
    domain_info_free(info);
    if (ok)
        *ret_result = verbs_no_result();
    return ok;
}

bool
verb_plug(struct verbs *v, const char *uuid, GVariant *args, GVariant **ret_result, GError **error)
{
    return change(v, uuid, args, false, ret_result, error);
}

bool
verb_medium(struct verbs *v, const char *uuid, GVariant *args, GVariant **ret_result,
            GError **error)
{
    return change(v, uuid, args, true, ret_result, error);
}

static bool
resolve(struct verbs *v, GPtrArray *disks, GError **error)
{
    int folder = verbs_open_disks(v, error);
    bool ok = folder >= 0 && guest_disks_resolve(disks, folder, error);

    if (folder >= 0)
        close(folder);
    return ok;
}

static bool
hold(struct verbs *v, const struct domain_info *info, const GPtrArray *disks, GError **error)
{
    return v->backend->follow(v->ctx, info, disks, /* only_check= */ true, error) &&
           (info->state != DOMAIN_RUNNING || v->backend->pause(v->ctx, info->domid, error));
}

bool
verb_hold(struct verbs *v, const char *uuid, GVariant *args, GVariant **ret_result, GError **error)
{
    g_autoptr(GPtrArray) disks = hold_args_parse(args, error);
    g_autoptr(domain_info) info = disks ? verbs_find_live(v, uuid, true, error) : NULL;

    if (!info || !resolve(v, disks, error) ||
        !FAULT_AROUND("hold", error, hold(v, info, disks, error)))
        return false;
    *ret_result = verbs_no_result();
    return true;
}

/* A guest that ended meanwhile has let go of its drives. */
bool
verb_release(struct verbs *v, const char *uuid, GVariant *args, GVariant **ret_result,
             GError **error)
{
    bool paused;
    g_autoptr(GPtrArray) disks = release_args_parse(args, &paused, error);
    g_autoptr(domain_info) info = NULL;

    if (!disks || !verbs_find(v, uuid, &info, error))
        return false;
    if (info && (info->state == DOMAIN_RUNNING || info->state == DOMAIN_PAUSED) &&
        !(resolve(v, disks, error) &&
          FAULT_AROUND("follow", error,
                       v->backend->follow(v->ctx, info, disks, /* only_check= */ false, error)) &&
          (paused || info->state == DOMAIN_RUNNING ||
           FAULT_AROUND("release", error, v->backend->unpause(v->ctx, info->domid, error)))))
        return false;
    *ret_result = verbs_no_result();
    return true;
}

/* A domain that is gone has no drives. */
bool
verb_unplug(struct verbs *v, const char *uuid, GVariant *args, GVariant **ret_result,
            GError **error)
{
    struct domain_info *info = NULL;
    const char *vdev;
    bool force, ok;

    if (!unplug_args_parse(args, &vdev, &force, error) || !verbs_find(v, uuid, &info, error))
        return false;
    ok = !info ||
         FAULT_AROUND("unplug", error, v->backend->unplug(v->ctx, info, vdev, force, error));
    domain_info_free(info);
    if (ok)
        *ret_result = verbs_no_result();
    return ok;
}
