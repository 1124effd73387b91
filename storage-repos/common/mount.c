#include "config.h"

#include "storage-repos/common/mount.h"

#include <errno.h>
#include <gio/gunixmounts.h>
#include <glib/gstdio.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "lib/member.h"
#include "storage-repos/common/driver.h"

char *
mount_path(GVariant *args)
{
    return g_build_filename(MOUNTS, member_text(args, "sr"), NULL);
}

bool
mount_is_there(const char *path)
{
    GUnixMountEntry *entry = g_unix_mount_at(path, NULL);

    if (entry)
        g_unix_mount_free(entry);
    return entry != NULL;
}

bool
mount_make_folder(const char *path, GError **error)
{
    if (FAULT_AROUND("mount.folder", error, g_mkdir_with_parents(path, 0700) == 0))
        return true;
    if (error && !*error)
        driver_fail(error, FAILURE_MOUNT, "%s: %s", path, g_strerror(errno));
    return false;
}

bool
mount_go_aside(GError **error)
{
    if (unshare(CLONE_NEWNS) == 0 &&
        FAULT_AROUND("mount.aside", error, mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0))
        return true;
    if (error && !*error)
        driver_fail(error, FAILURE_MOUNT, "a mount of its own: %s", g_strerror(errno));
    return false;
}

static bool
unmount(const char *path)
{
    return umount2(path, UMOUNT_NOFOLLOW) == 0 || errno == EINVAL || errno == ENOENT;
}

bool
mount_end(const char *path, GError **error)
{
    if (FAULT_AROUND("mount.end", error, unmount(path) && (rmdir(path) == 0 || errno == ENOENT)))
        return true;
    if (error && *error)
        return false;
    if (errno == EBUSY)
        api_error_set(error, "SR_DEVICE_IN_USE", NULL);
    else
        driver_fail(error, FAILURE_UNMOUNT, "%s: %s", path, g_strerror(errno));
    return false;
}

bool
mount_leave(const char *path, GError **error)
{
    if (FAULT_AROUND("mount.leave", error,
                     umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) == 0 && rmdir(path) == 0))
        return true;
    if (error && !*error)
        driver_fail(error, FAILURE_UNMOUNT, "%s: %s", path, g_strerror(errno));
    return false;
}
