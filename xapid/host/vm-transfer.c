/* xapid-stream for a VM: an export has each of its disks and the images below it from the
 * beginning, one behind the other; an import gets its disks when they have been made. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "lib/member.h"
#include "lib/passed-fd.h"
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
vm_export_start(const struct transfers *transfers, struct loan *loan, GVariant *args,
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

/* ---- imports ---- */

/* Our end of what it gets its disks by, and of the file for the records. */
static bool
open_ends(struct transfer *transfer, int *ret_its_orders, int *ret_its_records, GError **error)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return transfer_failed(error, "a socket for a stream");
    transfer->records = memfd_create("records", MFD_CLOEXEC);
    *ret_its_records = transfer->records < 0 ? -1 : dup(transfer->records);
    transfer->orders = ends[0];
    *ret_its_orders = ends[1];
    return *ret_its_records >= 0 || transfer_failed(error, "a file for the records of a VM");
}

GSubprocess *
vm_import_start(struct transfer *transfer, struct loan *loan, GVariant *args, GError **error)
{
    g_autoptr(GSubprocessLauncher) launcher = transfer_launcher(transfer->transfers);
    g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);
    guint32 silent = 0;
    int orders = -1, records = -1;

    bool ok = open_ends(transfer, &orders, &records, error);
    if (orders >= 0)
        g_subprocess_launcher_take_fd(launcher, orders, ORDERS_FD);
    if (records >= 0)
        g_subprocess_launcher_take_fd(launcher, records, RECORDS_FD);
    g_variant_lookup(args, "silent", "u", &silent);
    g_ptr_array_add(argv, g_strdup(transfer->transfers->program));
    g_ptr_array_add(argv, g_strdup("vm-import"));
    transfer_add_number(argv, member_flag(args, "forced"));
    transfer_add_number(argv, silent);
    transfer_add_number(argv, member_int(args, "length"));
    g_ptr_array_add(argv, NULL);
    GSubprocess *process = ok && transfer_give_client(launcher, loan, /* import= */ true, error)
                               ? transfer_spawn(launcher, argv, error)
                               : NULL;
    if (!process) {
        transfer_close_ends(transfer);
    }
    return process;
}

GVariant *
vm_transfer_records(const struct transfer *transfer)
{
    g_autofree guint8 *bytes = g_malloc(VM_RECORDS_MAX);
    gssize n = pread(transfer->records, bytes, VM_RECORDS_MAX, 0);

    return g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, bytes, n > 0 ? (gsize)n : 0, 1);
}

/* fd: -1: none. */
static bool
send_order(const struct transfer *transfer, const char *text, int fd, GError **error)
{
    gsize length = strlen(text);

    /* As many as there may be fit into the socket. */
    return FAULT_AROUND(
        "host.order.send", error,
        (fd >= 0 ? passed_fd_send(transfer->orders, text, length, fd)
                 : send(transfer->orders, text, length, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) ||
            transfer_failed(error, "telling a stream of a disk"));
}

static bool
send_disk(const struct transfer *transfer, GVariant *disk, GError **error)
{
    g_auto(disk_handle) handle = {0};
    const char *name, *vdi, *member;
    char text[VM_ORDER_MAX];
    gint64 size;

    g_variant_get(disk, "(&s&s&sx)", &name, &vdi, &member, &size);
    if (!transfer_read_handle(transfer->transfers, name, vdi, /* import= */ true, &handle, error))
        return false;
    int fd = transfer_open_disk(handle.path, handle.block, O_RDWR);
    if (fd < 0)
        return transfer_failed(error, "opening the disk");
    snprintf(text, sizeof text, "%s\t%s\t%" G_GINT64_FORMAT, member, handle.format, size);
    bool ok = send_order(transfer, text, fd, error);
    close(fd);
    return ok;
}

bool
vm_transfer_fill(struct transfer *transfer, GVariant *disks, GError **error)
{
    if (transfer->filling) {
        api_error_set(error, "INVALID_VALUE", "disks", "it has them already", NULL);
        return false;
    }
    transfer->filling = true;
    for (gsize i = 0; i < g_variant_n_children(disks); i++) {
        g_autoptr(GVariant) disk = g_variant_get_child_value(disks, i);
        if (!send_disk(transfer, disk, error))
            return false;
    }
    return send_order(transfer, VM_ORDER_BEGIN, -1, error);
}
