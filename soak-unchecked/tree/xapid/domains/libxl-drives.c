/* Drives of a domain that runs, by libxl.
 *
 * A drive that comes later is Xen's alone: nothing emulates it.  What is raw goes by the kernel's
 * back end, files through a loop device; an image (qcow2) needs a QEMU that serves the domain
 * already and is not confined.  CD drives of whole machines stay, and change what they hold. */
#include "config.h"

#include <libxl_utils.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/error.h"
#include "xapid/domains/libxl-disks.h"
#include "xapid/domains/libxl-internal.h"

#define CONNECTED 4 /* XenbusStateConnected: the guest's driver uses it */

/* Is there a QEMU for the domain that may open files? */
static bool
has_model(struct backend_ctx *ctx, const struct domain_info *info)
{
    g_autofree char *path = g_strdup_printf("device-model/%d/state", info->domid);
    unsigned length;
    char *state = xs_read(ctx->xs, XBT_NULL, path, &length);
    bool running = state && strcmp(state, "running") == 0;

    free(state);
    return running && info->type != GUEST_HVM;
}

/* False: there is none at that place. */
static bool
find(struct backend_ctx *ctx, int domid, const char *vdev, libxl_device_disk *ret_disk)
{
    int n = 0;
    libxl_device_disk *disks = libxl_device_disk_list(ctx->ctx, (uint32_t)domid, &n);
    bool found = false;

    for (int i = 0; i < n && !found; i++) {
        if (!disks[i].vdev || disks[i].vdev[strlen(disks[i].vdev) - 1] != vdev[strlen(vdev) - 1])
            continue;
        libxl_device_disk_copy(ctx->ctx, ret_disk, &disks[i]);
        found = true;
    }
    libxl_device_disk_list_free(disks, n);
    return found;
}

static bool
is_connected(struct backend_ctx *ctx, int domid, libxl_device_disk *disk)
{
    libxl_diskinfo info;
    bool connected;

    libxl_diskinfo_init(&info);
    connected = libxl_device_disk_getinfo(ctx->ctx, (uint32_t)domid, disk, &info) == 0 &&
                info.state == CONNECTED;
    libxl_diskinfo_dispose(&info);
    return connected;
}

static bool
take_away(struct backend_ctx *ctx, int domid, libxl_device_disk *disk, GError **error)
{
    int rc = libxl_device_disk_destroy(ctx->ctx, (uint32_t)domid, disk, NULL);

    return rc ? libxl_failed(ctx, rc, "libxl_device_disk_destroy", error) : true;
}

/* The guest has ten seconds to let go of it. */
static bool
ask_for(struct backend_ctx *ctx, int domid, libxl_device_disk *disk, GError **error)
{
    int rc = libxl_device_disk_safe_remove(ctx->ctx, (uint32_t)domid, disk, NULL);

    if (rc != ERROR_TIMEDOUT)
        return rc ? libxl_failed(ctx, rc, "libxl_device_disk_safe_remove", error) : true;
    api_error_set(error, "DEVICE_DETACH_TIMEOUT", "VBD", disk->vdev, NULL);
    return false;
}

static bool
add(struct backend_ctx *ctx, const struct domain_info *info, const struct guest_disk *guest,
    GError **error)
{
    libxl_device_disk disk;
    int fd = -1, rc;
    bool ok = libxl_disk_fill_open(guest, &disk, &fd, error);

    if (ok && disk.backend == LIBXL_DISK_BACKEND_QDISK && !has_model(ctx, info)) {
        api_error_set(error, "NOT_IMPLEMENTED", "plugging a qcow2 image into this running VM",
                      NULL);
        ok = false;
    }
    if (ok && (rc = libxl_device_disk_add(ctx->ctx, (uint32_t)info->domid, &disk, NULL)))
        ok = libxl_failed(ctx, rc, "libxl_device_disk_add", error);
    if (ok)
        ok = libxl_disk_wait_open(info->domid, &disk, error);
    if (fd >= 0)
        close(fd);
    libxl_device_disk_dispose(&disk);
    return ok;
}

bool
libxl_backend_plug(struct backend_ctx *ctx, const struct domain_info *info,
                   const struct guest_disk *guest, GError **error)
{
    libxl_device_disk disk;
    bool there, ok = true;

    libxl_device_disk_init(&disk);
    there = find(ctx, info->domid, guest->vdev, &disk);
    if (there && libxl_disk_serves(&disk, guest) && is_connected(ctx, info->domid, &disk)) {
        libxl_device_disk_dispose(&disk);
        return true;
    }
    /* Half made, by a worker that was lost, or not seen by the guest. */
    if (there)
        ok = take_away(ctx, info->domid, &disk, error);
    libxl_device_disk_dispose(&disk);
    return ok && add(ctx, info, guest, error);
}

bool
libxl_backend_unplug(struct backend_ctx *ctx, const struct domain_info *info, const char *vdev,
                     bool force, GError **error)
{
    libxl_device_disk disk;
    bool ok = true;

    libxl_device_disk_init(&disk);
    if (find(ctx, info->domid, vdev, &disk))
        ok = force ? take_away(ctx, info->domid, &disk, error)
                   : ask_for(ctx, info->domid, &disk, error);
    libxl_device_disk_dispose(&disk);
    return ok;
}

static bool
insert(struct backend_ctx *ctx, const struct domain_info *info, const struct guest_disk *guest,
       GError **error)
{
    libxl_device_disk disk;
    int rc;

    libxl_disk_fill(guest, &disk);
    rc = libxl_cdrom_insert(ctx->ctx, (uint32_t)info->domid, &disk, NULL);
    libxl_device_disk_dispose(&disk);
    return rc ? libxl_failed(ctx, rc, "libxl_cdrom_insert", error) : true;
}

/* Guests without emulation have no CD drives: there it is a disk that comes and goes. */
bool
libxl_backend_set_medium(struct backend_ctx *ctx, const struct domain_info *info,
                         const struct guest_disk *guest, GError **error)
{
    if (info->type == GUEST_HVM)
        return insert(ctx, info, guest, error);
    return libxl_backend_unplug(ctx, info, guest->vdev, /* force= */ false, error) &&
           (!*guest->handle || add(ctx, info, guest, error));
}
