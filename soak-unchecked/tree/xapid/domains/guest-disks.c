#include "config.h"

#include "xapid/domains/guest-disks.h"

#include <string.h>

#include "xapid/domains/argument.h"

void
guest_disk_free(struct guest_disk *disk)
{
    g_free(disk->vdev);
    g_free(disk->handle);
    disk_handle_clear(&disk->disk);
    g_free(disk);
}

static const struct argument_key disk_keys[] = {
    {"vdev", "s", true}, {"handle", "s", true}, {"read_only", "b", true}, {"cdrom", "b", true}};

bool
guest_vdev_is_valid(const char *vdev)
{
    if (g_str_has_prefix(vdev, "xvd"))
        return vdev[3] >= 'a' && vdev[3] <= 'p' && !vdev[4];
    return g_str_has_prefix(vdev, "hd") && vdev[2] >= 'a' && vdev[2] <= 'd' && !vdev[3];
}

static char
place(const char *vdev)
{
    return vdev[strlen(vdev) - 1];
}

bool
guest_disk_is_at(const struct guest_disk *disk, const char *vdev)
{
    return place(disk->vdev) == place(vdev);
}

static bool
is_taken(const GPtrArray *disks, const char *vdev)
{
    for (guint i = 0; i < disks->len; i++)
        if (guest_disk_is_at(disks->pdata[i], vdev))
            return true;
    return false;
}

struct guest_disk *
guest_disk_parse(GVariant *args, GError **error)
{
    const char *vdev, *handle;
    gboolean read_only, cdrom;

    if (!argument_keys_check("disks", args, disk_keys, G_N_ELEMENTS(disk_keys), error))
        return NULL;
    g_variant_lookup(args, "vdev", "&s", &vdev);
    g_variant_lookup(args, "handle", "&s", &handle);
    g_variant_lookup(args, "read_only", "b", &read_only);
    g_variant_lookup(args, "cdrom", "b", &cdrom);
    if (!guest_vdev_is_valid(vdev)) {
        argument_refuse(error, "vdev", vdev);
        return NULL;
    }
    if (*handle ? !disk_handle_name_is_valid(handle) : !cdrom) {
        argument_refuse(error, "handle", handle);
        return NULL;
    }
    if (cdrom && !read_only) {
        argument_refuse(error, "read_only", "a CD drive that writes");
        return NULL;
    }
    struct guest_disk *disk = g_new0(struct guest_disk, 1);
    disk->vdev = g_strdup(vdev);
    disk->handle = g_strdup(handle);
    disk->read_only = read_only;
    disk->cdrom = cdrom;
    return disk;
}

GPtrArray *
guest_disks_parse(GVariant *disks, GError **error)
{
    g_autoptr(GPtrArray) out = g_ptr_array_new_with_free_func((GDestroyNotify)guest_disk_free);
    gsize n = disks ? g_variant_n_children(disks) : 0;

    if (n > CONFIG_DISKS_MAX) {
        argument_refuse_int(error, "disks", (int64_t)n);
        return NULL;
    }
    for (gsize i = 0; i < n; i++) {
        g_autoptr(GVariant) args = g_variant_get_child_value(disks, i);
        g_autoptr(guest_disk) disk = guest_disk_parse(args, error);
        if (!disk)
            return NULL;
        if (is_taken(out, disk->vdev)) {
            argument_refuse(error, "vdev", disk->vdev);
            return NULL;
        }
        g_ptr_array_add(out, g_steal_pointer(&disk));
    }
    return g_steal_pointer(&out);
}

bool
guest_disk_resolve(struct guest_disk *disk, int folder, GError **error)
{
    if (!*disk->handle)
        return true;
    disk_handle_clear(&disk->disk);
    if (!disk_handle_read(folder, disk->handle, &disk->disk, error))
        return false;
    return !disk->disk.read_only || disk->read_only ||
           argument_refuse(error, "handle", disk->handle);
}

bool
guest_disks_resolve(GPtrArray *disks, int folder, GError **error)
{
    for (guint i = 0; i < disks->len; i++)
        if (!guest_disk_resolve(disks->pdata[i], folder, error))
            return false;
    return true;
}
