/* xapid-stream for a VM: with each of its disks and the images below it, one behind the other. */
#include "config.h"

#include <fcntl.h>

#include "lib/error.h"
#include "lib/member.h"
#include "xapid/host/transfer-internal.h"
#include "xapid/stream/vm.h"

static bool
give_disk(const struct transfers *transfers, GSubprocessLauncher *launcher, GPtrArray *argv,
          GVariant *disk, int *next, GError **error)
{
    g_auto(disk_handle) handle = {0};
    const char *name, *vdi, *member;
    gint64 size;

    g_variant_get(disk, "(&s&s&sx)", &name, &vdi, &member, &size);
    if (!transfer_read_handle(transfers, name, vdi, /* import= */ false, &handle, error))
        return false;
    int fd = transfer_open_disk(handle.path, handle.block, O_RDONLY);
    if (fd < 0)
        return transfer_failed(error, "opening the disk");
    g_subprocess_launcher_take_fd(launcher, fd, (*next)++);
    unsigned n_bases = handle.bases ? g_strv_length(handle.bases) : 0;
    g_ptr_array_add(argv, g_strdup(member));
    transfer_add_volume(argv, &handle, size, n_bases);
    return transfer_give_bases(launcher, &handle, n_bases, next, error);
}

GSubprocess *
vm_transfer_start(const struct transfers *transfers, struct loan *loan, GVariant *args,
                  GError **error)
{
    g_autoptr(GSubprocessLauncher) launcher = transfer_launcher(transfers);
    g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GVariant) disks = g_variant_lookup_value(args, "disks", G_VARIANT_TYPE("a(sssx)"));
    guint32 silent = 0;
    int next = MORE_FD;

    g_variant_lookup(args, "silent", "u", &silent);
    g_ptr_array_add(argv, g_strdup(transfers->program));
    g_ptr_array_add(argv, g_strdup("vm-export"));
    g_ptr_array_add(argv, g_strdup(member_text(args, "packing")));
    transfer_add_number(argv, silent);
    for (gsize i = 0; i < g_variant_n_children(disks); i++) {
        g_autoptr(GVariant) disk = g_variant_get_child_value(disks, i);
        if (!give_disk(transfers, launcher, argv, disk, &next, error))
            return NULL;
    }
    g_ptr_array_add(argv, NULL);
    return transfer_give_client(launcher, loan, /* import= */ false, error)
               ? transfer_spawn(launcher, argv, error)
               : NULL;
}
