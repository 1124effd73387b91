#include "config.h"

#include "xapid/host/storage.h"

#include <string.h>
#include <unistd.h>

#include "lib/disk-handle.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/member.h"
#include "lib/peer/bulk.h"
#include "xapid/host/driver.h"
#include "xapid/host/roll.h"
#include "xapid/host/storage-internal.h"
#include "xapid/host/transfer.h"
#include "xapid/host/volume.h"

#define STORAGE_PATH "/org/xapid/Storage1"
#define OP_ID_MAX 128 /* bytes */

/* ---- operations ---- */

static void
operation_free(void *data)
{
    struct operation *operation = data;

    g_free(operation->op_id);
    g_free(operation->call);
    g_free(operation->driver);
    g_variant_unref(operation->args);
    g_clear_error(&operation->error);
    g_clear_pointer(&operation->result, g_variant_unref);
    g_free(operation);
}

static void
tell(const struct operation *operation)
{
    PeerStorage1 *skeleton = operation->storage->skeleton;
    g_autoptr(GVariant) none = g_variant_ref_sink(g_variant_new("a{sv}", NULL));
    g_autoptr(GVariant) error = g_variant_ref_sink(
        operation->error ? api_error_to_variant(operation->error) : g_variant_new_strv(NULL, 0));
    g_autofree const char **description = g_variant_get_strv(error, NULL);

    if (skeleton)
        peer_storage1_emit_done(skeleton, operation->op_id, description,
                                operation->result && !operation->error ? operation->result : none);
}

bool
operation_is(const struct operation *operation, const char *call)
{
    return g_str_equal(operation->call, call);
}

static void
operation_wait(struct operation *operation)
{
    operation->state = OPERATION_WAITING;
    operation->run = NULL;
    operation->gives_way = false;
    g_queue_push_tail(&operation->storage->waiting, operation);
}

void
operation_end(struct operation *operation, GVariant *result, GError *error)
{
    operation->state = OPERATION_DONE;
    operation->run = NULL;
    operation->error = error;
    operation->result = result ? g_variant_ref(result) : NULL;
    tell(operation);
}

void
operation_moved(double fraction, void *data)
{
    const struct operation *operation = data;

    if (operation->storage->skeleton)
        peer_storage1_emit_progress(operation->storage->skeleton, operation->op_id, fraction);
}

static guint
running_of_sr(const struct operation *operation)
{
    return GPOINTER_TO_UINT(
        g_hash_table_lookup(operation->storage->of_sr, member_text(operation->args, "sr")));
}

/* One more of its SR, or one less. */
static void
count_sr(const struct operation *operation, int change)
{
    char *sr = g_strdup(member_text(operation->args, "sr"));
    guint number = running_of_sr(operation) + (guint)change;

    g_hash_table_replace(operation->storage->of_sr, sr, GUINT_TO_POINTER(number));
    if (!number)
        g_hash_table_remove(operation->storage->of_sr, sr);
}

static void
driver_done(GVariant *result, const GError *failed, void *data)
{
    struct operation *operation = data;
    struct storage *storage = operation->storage;
    GError *error = failed ? g_error_copy(failed) : NULL;

    storage->running--;
    count_sr(operation, -1);
    storage->copying -= operation_is(operation, "vdi.copy");
    storage->coalescing -= operation_is(operation, "sr.coalesce");
    g_hash_table_remove(storage->busy, member_text(operation->args, "vdi"));
    if (!error && operation_is(operation, "vdi.attach"))
        volume_attached(storage->handles, operation->driver, operation->args, result, &error);
    if (operation->gives_way) {
        g_clear_error(&error);
        operation_wait(operation);
    } else {
        operation_end(operation, result, error);
    }
    storage_start_waiting(storage);
}

/* Args, with what only the handles tell. */
static GVariant *
resolve(const struct operation *operation, GError **error)
{
    int handles = operation->storage->handles;

    if (operation_is(operation, "vdi.copy"))
        return volume_resolve_source(handles, operation->args, error);
    if (operation_is(operation, "vdi.clone"))
        return volume_resolve_shared(handles, operation->driver, operation->args, error);
    if (operation_is(operation, "sr.coalesce") || operation_is(operation, "sr.chains"))
        return volume_resolve_attached(handles, operation->args, error);
    return g_variant_ref(operation->args);
}

/* What ends without a driver: true, with the end told. */
static bool
ends_at_once(struct operation *operation)
{
    int handles = operation->storage->handles;
    GError *error = NULL;

    if (operation_is(operation, "vdi.attach") &&
        !volume_may_attach(handles, operation->args, &error)) {
        operation_end(operation, NULL, error);
        return true;
    }
    if (operation_is(operation, "vdi.exchange") &&
        !(volume_is_free(handles, operation->args, "vdi", &error) &&
          volume_is_free(handles, operation->args, "with", &error))) {
        operation_end(operation, NULL, error);
        return true;
    }
    if (operation_is(operation, "sr.detach") &&
        volume_of_sr(handles, member_text(operation->args, "sr"))) {
        operation_end(operation, NULL, api_error_new("SR_DEVICE_IN_USE", NULL));
        return true;
    }
    /* The guest is gone, so its handle goes first; the disk when it was the last one's. */
    if (operation_is(operation, "vdi.detach") &&
        (!volume_detached(handles, operation->args, &error) ||
         !volume_is_last(handles, operation->args))) {
        operation_end(operation, NULL, error);
        return true;
    }
    GVariant *resolved = resolve(operation, &error);
    if (!resolved) {
        operation_end(operation, NULL, error);
        return true;
    }
    g_variant_unref(operation->args);
    operation->args = resolved;
    return false;
}

static void
operation_run(struct operation *operation)
{
    struct storage *storage = operation->storage;
    GError *error = NULL;

    operation->state = OPERATION_RUNNING;
    if (operation_is_transfer(operation)) {
        operation_run_transfer(operation);
        return;
    }
    if (ends_at_once(operation))
        return;
    operation->run = driver_run(storage->drivers, operation->driver, operation->call,
                                operation->args, operation_moved, driver_done, operation, &error);
    if (!operation->run) {
        operation_end(operation, NULL, error);
        return;
    }
    storage->running++;
    count_sr(operation, 1);
    storage->copying += operation_is(operation, "vdi.copy");
    storage->coalescing += operation_is(operation, "sr.coalesce");
    if (*member_text(operation->args, "vdi"))
        g_hash_table_add(storage->busy, g_strdup(member_text(operation->args, "vdi")));
}

void
operation_abort(struct operation *operation)
{
    operation->gives_way = false;
    if (operation->run)
        driver_run_kill(operation->run);
    else if (operation->transfer)
        transfer_kill(operation->transfer);
    else if (g_queue_remove(&operation->storage->waiting, operation))
        operation_end(operation, NULL, api_error_new("TASK_CANCELLED", operation->op_id, NULL));
}

/* Did one end at once, for which others may have waited? */
static bool
start_some(struct storage *storage)
{
    bool ended = false;
    GList *next;

    for (GList *item = storage->waiting.head; item; item = next) {
        struct operation *operation = item->data;
        next = item->next;
        if (storage->running >= STORAGE_RUNNING_MAX)
            break;
        if (operation_is(operation, "vdi.copy") && storage->copying >= STORAGE_COPYING_MAX)
            continue;
        if (running_of_sr(operation) >= STORAGE_OF_ONE_MAX || coalescing_delays(operation))
            continue;
        if (g_hash_table_contains(storage->busy, member_text(operation->args, "vdi")) ||
            g_hash_table_contains(storage->busy, member_text(operation->args, "handle")))
            continue;
        g_queue_delete_link(&storage->waiting, item);
        operation_run(operation);
        ended |= operation->state == OPERATION_DONE;
    }
    return ended;
}

void
storage_start_waiting(struct storage *storage)
{
    while (start_some(storage))
        ;
}

static struct operation *
operation_new(struct storage *storage, const char *op_id, const char *call, const char *driver,
              GVariant *args)
{
    struct operation *operation = g_new0(struct operation, 1);

    operation->storage = storage;
    operation->op_id = g_strdup(op_id);
    operation->call = g_strdup(call);
    operation->driver = g_strdup(driver);
    operation->args = g_variant_ref(args);
    g_hash_table_insert(storage->operations, operation->op_id, operation);
    return operation;
}

static gboolean
handle_start(PeerStorage1 *skeleton, GDBusMethodInvocation *invocation, const char *op_id,
             const char *call, const char *driver, GVariant *args, gpointer data)
{
    struct storage *storage = data;
    struct operation *operation = g_hash_table_lookup(storage->operations, op_id);
    GError *error = NULL;

    if (!*op_id || strlen(op_id) > OP_ID_MAX ||
        (!operation && g_hash_table_size(storage->operations) >= STORAGE_OPERATIONS_MAX)) {
        g_dbus_method_invocation_return_error_literal(
            invocation, G_DBUS_ERROR, G_DBUS_ERROR_LIMITS_EXCEEDED,
            "too many storage operations, or a name that is none");
        return TRUE;
    }
    peer_storage1_complete_start(skeleton, invocation);
    if (operation) {
        if (operation->state == OPERATION_DONE)
            tell(operation);
        return TRUE;
    }
    operation = operation_new(storage, op_id, call, driver, args);
    if (!storage_check_args(call, driver, args, &error)) {
        operation_end(operation, NULL, error);
        return TRUE;
    }
    operation_wait(operation);
    coalescing_make_way(operation);
    storage_start_waiting(storage);
    return TRUE;
}

static gboolean
handle_abort(PeerStorage1 *skeleton, GDBusMethodInvocation *invocation, const char *op_id,
             gpointer data)
{
    struct storage *storage = data;
    struct operation *operation = g_hash_table_lookup(storage->operations, op_id);

    if (operation)
        operation_abort(operation);
    peer_storage1_complete_abort(skeleton, invocation);
    return TRUE;
}

static gboolean
handle_forget(PeerStorage1 *skeleton, GDBusMethodInvocation *invocation, const char *op_id,
              gpointer data)
{
    struct storage *storage = data;
    struct operation *operation = g_hash_table_lookup(storage->operations, op_id);

    if (operation && operation->state == OPERATION_DONE)
        g_hash_table_remove(storage->operations, op_id);
    peer_storage1_complete_forget(skeleton, invocation);
    return TRUE;
}

/* ---- lists ---- */

void
storage_answer_bulk(GDBusMethodInvocation *invocation, GVariant *value)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GUnixFDList) fds = NULL;
    GVariant *handle = bulk_pack(value, &fds, &error);

    if (handle)
        g_dbus_method_invocation_return_value_with_unix_fd_list(
            invocation, g_variant_new_tuple(&handle, 1), fds);
    else
        g_dbus_method_invocation_return_gerror(invocation, error);
}

static gboolean
handle_operations(PeerStorage1 *skeleton, GDBusMethodInvocation *invocation, GUnixFDList *fds,
                  gpointer data)
{
    struct storage *storage = data;
    GVariantBuilder out;
    GHashTableIter iter;
    struct operation *operation;

    (void)skeleton;
    (void)fds;
    g_variant_builder_init(&out, G_VARIANT_TYPE("a(ssss)"));
    g_hash_table_iter_init(&iter, storage->operations);
    while (g_hash_table_iter_next(&iter, NULL, (void **)&operation))
        g_variant_builder_add(&out, "(ssss)", operation->op_id, operation->driver, operation->call,
                              operation->state == OPERATION_DONE ? "done" : "running");
    storage_answer_bulk(invocation, g_variant_builder_end(&out));
    return TRUE;
}

static void
drivers_told(GVariant *drivers, void *invocation)
{
    storage_answer_bulk(invocation, drivers);
}

static gboolean
handle_drivers(PeerStorage1 *skeleton, GDBusMethodInvocation *invocation, GUnixFDList *fds,
               gpointer data)
{
    struct storage *storage = data;

    (void)skeleton;
    (void)fds;
    roll_call(storage->drivers, drivers_told, invocation);
    return TRUE;
}

/* ---- the peer ---- */

void
storage_set_peer(struct storage *storage, GDBusConnection *connection)
{
    static const struct {
        const char *signal;
        GCallback handler;
    } handlers[] = {{"handle-start", G_CALLBACK(handle_start)},
                    {"handle-abort", G_CALLBACK(handle_abort)},
                    {"handle-forget", G_CALLBACK(handle_forget)},
                    {"handle-lend", G_CALLBACK(storage_handle_lend)},
                    {"handle-take-records", G_CALLBACK(storage_handle_take_records)},
                    {"handle-fill", G_CALLBACK(storage_handle_fill)},
                    {"handle-operations", G_CALLBACK(handle_operations)},
                    {"handle-drivers", G_CALLBACK(handle_drivers)}};
    g_autoptr(GError) error = NULL;

    if (storage->skeleton) {
        g_signal_handlers_disconnect_by_data(storage->skeleton, storage);
        g_dbus_interface_skeleton_unexport(G_DBUS_INTERFACE_SKELETON(storage->skeleton));
    }
    g_clear_object(&storage->skeleton);
    transfers_end(storage->transfers); /* their clients are unknown to who comes */
    if (!connection)
        return;
    storage->skeleton = peer_storage1_skeleton_new();
    for (gsize i = 0; i < G_N_ELEMENTS(handlers); i++)
        g_signal_connect(storage->skeleton, handlers[i].signal, handlers[i].handler, storage);
    if (!g_dbus_interface_skeleton_export(G_DBUS_INTERFACE_SKELETON(storage->skeleton), connection,
                                          STORAGE_PATH, &error))
        log_error("cannot serve xapid: %s", error->message);
}

struct storage *
storage_new(const char *drivers, const char *handles, GError **error)
{
    int folder = volumes_open(handles, error);

    if (folder < 0)
        return NULL;
    struct storage *storage = g_new0(struct storage, 1);
    storage->drivers = drivers;
    storage->handles = folder;
    storage->operations = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, operation_free);
    storage->of_sr = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    storage->busy = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_queue_init(&storage->waiting);
    storage->transfers = transfers_new(folder, handles);
    return storage;
}

void
storage_free(struct storage *storage)
{
    if (!storage)
        return;
    storage_set_peer(storage, NULL);
    transfers_free(storage->transfers);
    close(storage->handles);
    g_queue_clear(&storage->waiting);
    g_hash_table_unref(storage->of_sr);
    g_hash_table_unref(storage->busy);
    g_hash_table_unref(storage->operations);
    g_free(storage);
}
