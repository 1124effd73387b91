/* Operations that xapid-stream does: which handles they hold, and what xapid says to them. */
#include "config.h"

#include <unistd.h>

#include "lib/error.h"
#include "lib/member.h"
#include "xapid/host/storage-internal.h"
#include "xapid/host/storage.h"

bool
operation_is_transfer(const struct operation *operation)
{
    return operation_is(operation, "vdi.import") || operation_is(operation, "vdi.export") ||
           operation_is(operation, "vm.export") || operation_is(operation, "vm.import");
}

/* Nobody has a disk that is being moved detached meanwhile. */
static void
hold_handle(struct storage *storage, const char *handle, bool hold)
{
    if (hold && *handle)
        g_hash_table_add(storage->busy, g_strdup(handle));
    else if (!hold)
        g_hash_table_remove(storage->busy, handle);
}

static void
hold_handles(const struct operation *operation, bool hold)
{
    g_autoptr(GVariant) disks =
        g_variant_lookup_value(operation->args, "disks", G_VARIANT_TYPE("a(sssx)"));

    hold_handle(operation->storage, member_text(operation->args, "handle"), hold);
    hold_handle(operation->storage, member_text(operation->args, "since"), hold);
    for (gsize i = 0; disks && i < g_variant_n_children(disks); i++) {
        const char *handle;
        g_variant_get_child(disks, i, "(&s&s&sx)", &handle, NULL, NULL, NULL);
        hold_handle(operation->storage, handle, hold);
    }
}

static void
transfer_done(const GError *failed, void *data)
{
    struct operation *operation = data;
    struct storage *storage = operation->storage;

    operation->transfer = NULL;
    hold_handles(operation, false);
    operation_end(operation, NULL, failed ? g_error_copy(failed) : NULL);
    storage_start_waiting(storage);
}

static void
records_came(void *data)
{
    const struct operation *operation = data;

    if (operation->storage->skeleton)
        peer_storage1_emit_records(operation->storage->skeleton, operation->op_id);
}

void
operation_run_transfer(struct operation *operation)
{
    struct storage *storage = operation->storage;
    GError *error = NULL;

    operation->transfer =
        transfer_start(storage->transfers, operation->op_id, operation->call, operation->args,
                       &(struct transfer_calls){.moved = operation_moved,
                                                .records = records_came,
                                                .done = transfer_done,
                                                .data = operation},
                       &error);
    if (!operation->transfer) {
        operation_end(operation, NULL, error);
        return;
    }
    hold_handles(operation, true);
}

gboolean
storage_handle_lend(PeerStorage1 *skeleton, GDBusMethodInvocation *invocation, GUnixFDList *fds,
                    const char *op_id, GVariant *ahead, GVariant *client, gpointer data)
{
    struct storage *storage = data;
    int fd = fds ? g_unix_fd_list_get(fds, g_variant_get_handle(client), NULL) : -1;

    if (fd >= 0)
        transfers_lend(storage->transfers, op_id, fd, ahead);
    peer_storage1_complete_lend(skeleton, invocation, NULL);
    return TRUE;
}

/* The running import of a VM; NULL: there is none, which the invocation is answered. */
static struct operation *
find_import(struct storage *storage, GDBusMethodInvocation *invocation, const char *op_id)
{
    struct operation *operation = g_hash_table_lookup(storage->operations, op_id);

    if (operation && operation->transfer && operation_is(operation, "vm.import"))
        return operation;
    g_dbus_method_invocation_return_error_literal(invocation, G_DBUS_ERROR, G_DBUS_ERROR_FAILED,
                                                  "no such import is under way");
    return NULL;
}

gboolean
storage_handle_take_records(PeerStorage1 *skeleton, GDBusMethodInvocation *invocation,
                            GUnixFDList *fds, const char *op_id, gpointer data)
{
    const struct operation *operation = find_import(data, invocation, op_id);

    (void)skeleton;
    (void)fds;
    if (operation)
        storage_answer_bulk(invocation, vm_transfer_records(operation->transfer));
    return TRUE;
}

gboolean
storage_handle_fill(PeerStorage1 *skeleton, GDBusMethodInvocation *invocation, const char *op_id,
                    GVariant *disks, gpointer data)
{
    struct operation *operation = find_import(data, invocation, op_id);
    g_autoptr(GError) error = NULL;
    GVariantDict args;

    if (!operation)
        return TRUE;
    if (!storage_check_disks(disks, &error) ||
        !vm_transfer_fill(operation->transfer, disks, &error)) {
        g_dbus_method_invocation_return_error_literal(invocation, G_DBUS_ERROR,
                                                      G_DBUS_ERROR_INVALID_ARGS, error->message);
        return TRUE;
    }
    g_variant_dict_init(&args, operation->args);
    g_variant_dict_insert_value(&args, "disks", disks);
    g_variant_unref(operation->args);
    operation->args = g_variant_ref_sink(g_variant_dict_end(&args));
    hold_handles(operation, true);
    peer_storage1_complete_fill(skeleton, invocation);
    return TRUE;
}
