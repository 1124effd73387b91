/* Suspending a domain into an image, and taking that back; and cores of crashed ones; see verbs.h.
 *
 * While a save runs there is a part; when it has ended well there is the image, and the domain is
 * shut down with reason "suspend" until it is destroyed.  The image goes before its guest runs
 * again, so that no guest is ever continued twice from one. */
#include "config.h"

#include <sys/statvfs.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "lib/log.h"
#include "xapid/domains/image.h"
#include "xapid/domains/verbs-internal.h"

#define CORE_KEEP_FREE ((int64_t)512 << 20) /* bytes that a core leaves free */

static bool
is_suspended(const struct domain_info *info)
{
    return info && info->state == DOMAIN_SHUTDOWN && info->reason == REASON_SUSPEND;
}

/* Lets a guest that was suspended go on where it is. */
static bool
go_on(struct verbs *v, const char *uuid, GError **error)
{
    struct domain_info *info = NULL;
    bool ok;

    if (!verbs_find(v, uuid, &info, error))
        return false;
    ok = !is_suspended(info) ||
         FAULT_AROUND("save.undo", error, v->backend->resume(v->ctx, info->domid, error));
    domain_info_free(info);
    return ok;
}

bool
verbs_undo_save(struct verbs *v, const char *uuid, GError **error)
{
    if (!image_is_partial(v->images, uuid))
        return true;
    log_info("the suspend of %s did not end: its guest goes on", uuid);
    return go_on(v, uuid, error) && image_discard_part(v->images, uuid, error);
}

static bool
save(struct verbs *v, const struct domain_info *info, GError **error)
{
    int fd = image_create(v->images, info->uuid, error);
    bool ok;

    if (fd < 0)
        return false;
    ok = FAULT_AROUND("save", error, v->backend->save(v->ctx, info, fd, error)) &&
         image_commit(v->images, info->uuid, fd, error);
    close(fd);
    return ok;
}

bool
verb_save(struct verbs *v, const char *uuid, GVariant **ret_result, GError **error)
{
    struct domain_info *info = NULL;
    g_autoptr(GError) undoing = NULL;
    bool ok = true;

    if (!verbs_undo_save(v, uuid, error) || !verbs_find(v, uuid, &info, error))
        return false;
    if (info && info->state == DOMAIN_RUNNING) {
        ok = save(v, info, error);
        if (!ok && !verbs_undo_save(v, uuid, &undoing))
            log_warning("%s stays suspended until its next operation: %s", uuid, undoing->message);
    } else if ((info && !is_suspended(info)) || !image_exists(v->images, uuid)) {
        ok = verbs_bad_power_state(error, uuid, "running",
                                   info ? domain_power_state(info) : "halted");
    }
    domain_info_free(info);
    if (ok)
        *ret_result = verbs_no_result();
    return ok;
}

bool
verb_continue(struct verbs *v, const char *uuid, GVariant **ret_result, GError **error)
{
    struct domain_info *info = NULL;
    bool ok = true;

    if (!verbs_undo_save(v, uuid, error) || !verbs_find(v, uuid, &info, error))
        return false;
    /* Without its domain the image is all that is left of the guest. */
    if (is_suspended(info))
        ok = image_discard(v->images, uuid, error) &&
             FAULT_AROUND("continue", error, v->backend->resume(v->ctx, info->domid, error));
    domain_info_free(info);
    if (ok)
        *ret_result = verbs_no_result();
    return ok;
}

bool
verb_discard(struct verbs *v, const char *uuid, GVariant **ret_result, GError **error)
{
    if (!FAULT_AROUND("discard", error, image_discard(v->images, uuid, error)))
        return false;
    *ret_result = verbs_no_result();
    return true;
}

/* A core must not fill the disk that everything else lives on. */
static bool
has_room(int dir, int64_t bytes, GError **error)
{
    struct statvfs fs;

    if (fstatvfs(dir, &fs) == 0 &&
        (int64_t)fs.f_bavail / 16 * (int64_t)fs.f_frsize >= bytes / 16 + CORE_KEEP_FREE / 16)
        return true;
    api_error_set(error, "OUT_OF_SPACE", "cores", NULL);
    return false;
}

static bool
dump(struct verbs *v, const struct domain_info *info, GError **error)
{
    int fd;
    bool ok;

    if (!has_room(v->cores, info->memory, error) ||
        (fd = image_create(v->cores, info->uuid, error)) < 0)
        return false;
    ok = FAULT_AROUND("dump", error, v->backend->dump(v->ctx, info->domid, fd, error)) &&
         image_commit(v->cores, info->uuid, fd, error);
    close(fd);
    if (!ok)
        image_discard_part(v->cores, info->uuid, NULL);
    return ok;
}

bool
verb_dump(struct verbs *v, const char *uuid, GVariant **ret_result, GError **error)
{
    struct domain_info *info = NULL;
    bool ok;

    if (!verbs_find(v, uuid, &info, error))
        return false;
    ok = info && info->state == DOMAIN_SHUTDOWN
             ? dump(v, info, error)
             : verbs_bad_power_state(error, uuid, "crashed",
                                     info ? domain_power_state(info) : "halted");
    domain_info_free(info);
    if (ok)
        *ret_result = verbs_no_result();
    return ok;
}
