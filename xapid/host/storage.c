#include "config.h"

#include "xapid/host/storage.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "lib/disk-handle.h"
#include "lib/error.h"
#include "lib/log.h"
#include "lib/member.h"
#include "lib/peer/bulk.h"
#include "lib/peer/storage1.h"
#include "xapid/host/driver.h"
#include "xapid/host/volume.h"

#define STORAGE_PATH "/org/xapid/Storage1"
#define OP_ID_MAX 128 /* bytes */

enum operation_state { OPERATION_WAITING, OPERATION_RUNNING, OPERATION_DONE };

struct operation {
    struct storage *storage;
    char *op_id, *call, *driver;
    GVariant *args;
    enum operation_state state;
    struct driver_run *run; /* while it runs one */
    GError *error;          /* of the end */
    GVariant *result;
};

struct storage {
    const char *drivers;
    int handles;
    GDBusConnection *connection;
    PeerStorage1 *skeleton;
    GHashTable *operations; /* op_id -> struct operation */
    GQueue waiting;         /* of struct operation */
    GHashTable *busy;       /* uuids of disks that a driver has in hand: one call each at a time */
    guint running, copying; /* drivers; those of them that copy */
};

/* Which arguments a call has, beside sr and device_config; all of them must be there. */
static const struct {
    const char *call;
    const char *name[7], *type[7];
} calls[] = {
    {"sr.create", {"size"}, {"x"}},
    {"sr.attach", {NULL}, {NULL}},
    {"sr.detach", {NULL}, {NULL}},
    {"sr.destroy", {NULL}, {NULL}},
    {"sr.scan", {NULL}, {NULL}},
    {"sr.stat", {NULL}, {NULL}},
    {"sr.probe", {NULL}, {NULL}},
    {"vdi.create",
     {"vdi", "name_label", "name_description", "type", "virtual_size", "sm_config"},
     {"s", "s", "s", "s", "x", "a{ss}"}},
    {"vdi.copy",
     {"vdi", "name_label", "name_description", "type", "virtual_size", "sm_config", "source"},
     {"s", "s", "s", "s", "x", "a{ss}", "s"}},
    {"vdi.exchange", {"vdi", "with", "back"}, {"s", "s", "b"}},
    {"vdi.clone",
     {"vdi", "name_label", "name_description", "type", "virtual_size", "sm_config", "source"},
     {"s", "s", "s", "s", "x", "a{ss}", "s"}},
    {"vdi.destroy", {"vdi"}, {"s"}},
    {"vdi.resize", {"vdi", "virtual_size"}, {"s", "x"}},
    {"vdi.attach", {"vdi", "handle", "read_only", "sharable"}, {"s", "s", "b", "b"}},
    {"vdi.detach", {"vdi", "handle"}, {"s", "s"}},
};

static bool
is_call(const struct operation *operation, const char *call)
{
    return g_str_equal(operation->call, call);
}

/* ---- arguments ---- */

static bool
refuse(GError **error, const char *name, const char *value)
{
    api_error_set(error, "INVALID_VALUE", name, value, NULL);
    return false;
}

static bool
check_type(const struct operation *operation, const char *name, const char *type, GError **error)
{
    g_autoptr(GVariant) value = g_variant_lookup_value(operation->args, name, G_VARIANT_TYPE(type));

    return value || refuse(error, name, "missing, or of another type");
}

static bool
check_uuid(const struct operation *operation, const char *name, GError **error)
{
    const char *value = member_text(operation->args, name);

    return g_uuid_string_is_valid(value) || refuse(error, name, value);
}

static bool
check(const struct operation *operation, GError **error)
{
    unsigned i = 0;

    if (!driver_name_is_valid(operation->driver))
        return refuse(error, "driver", operation->driver);
    while (i < G_N_ELEMENTS(calls) && !g_str_equal(calls[i].call, operation->call))
        i++;
    if (i == G_N_ELEMENTS(calls))
        return refuse(error, "call", operation->call);
    if (!check_type(operation, "device_config", "a{ss}", error) ||
        (!is_call(operation, "sr.probe") && !check_uuid(operation, "sr", error)))
        return false;
    for (unsigned j = 0; j < G_N_ELEMENTS(calls[i].name) && calls[i].name[j]; j++) {
        const char *name = calls[i].name[j];
        if (!check_type(operation, name, calls[i].type[j], error))
            return false;
        if ((g_str_equal(name, "vdi") || g_str_equal(name, "handle") ||
             g_str_equal(name, "source") || g_str_equal(name, "with")) &&
            !check_uuid(operation, name, error))
            return false;
    }
    return true;
}

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

static void start_waiting(struct storage *storage);

/* Takes error; result is borrowed. */
static void
operation_end(struct operation *operation, GVariant *result, GError *error)
{
    operation->state = OPERATION_DONE;
    operation->run = NULL;
    operation->error = error;
    operation->result = result ? g_variant_ref(result) : NULL;
    tell(operation);
}

static void
driver_done(GVariant *result, const GError *failed, void *data)
{
    struct operation *operation = data;
    struct storage *storage = operation->storage;
    GError *error = failed ? g_error_copy(failed) : NULL;

    storage->running--;
    storage->copying -= is_call(operation, "vdi.copy");
    g_hash_table_remove(storage->busy, member_text(operation->args, "vdi"));
    if (!error && is_call(operation, "vdi.attach"))
        volume_attached(storage->handles, operation->driver, operation->args, result, &error);
    operation_end(operation, result, error);
    start_waiting(storage);
}

/* What ends without a driver: true, with the end told. */
static bool
ends_at_once(struct operation *operation)
{
    int handles = operation->storage->handles;
    GError *error = NULL;

    if (is_call(operation, "vdi.attach") && !volume_may_attach(handles, operation->args, &error)) {
        operation_end(operation, NULL, error);
        return true;
    }
    if (is_call(operation, "vdi.exchange") &&
        !(volume_is_free(handles, operation->args, "vdi", &error) &&
          volume_is_free(handles, operation->args, "with", &error))) {
        operation_end(operation, NULL, error);
        return true;
    }
    if (is_call(operation, "sr.detach") &&
        volume_of_sr(handles, member_text(operation->args, "sr"))) {
        operation_end(operation, NULL, api_error_new("SR_DEVICE_IN_USE", NULL));
        return true;
    }
    /* The guest is gone, so its handle goes first; the disk when it was the last one's. */
    if (is_call(operation, "vdi.detach") && (!volume_detached(handles, operation->args, &error) ||
                                             !volume_is_last(handles, operation->args))) {
        operation_end(operation, NULL, error);
        return true;
    }
    if (is_call(operation, "vdi.copy") || is_call(operation, "vdi.clone")) {
        GVariant *resolved =
            is_call(operation, "vdi.copy")
                ? volume_resolve_source(handles, operation->args, &error)
                : volume_resolve_shared(handles, operation->driver, operation->args, &error);
        if (!resolved) {
            operation_end(operation, NULL, error);
            return true;
        }
        g_variant_unref(operation->args);
        operation->args = resolved;
    }
    return false;
}

static void
operation_run(struct operation *operation)
{
    struct storage *storage = operation->storage;
    GError *error = NULL;

    operation->state = OPERATION_RUNNING;
    if (ends_at_once(operation))
        return;
    operation->run = driver_run(storage->drivers, operation->driver, operation->call,
                                operation->args, driver_done, operation, &error);
    if (!operation->run) {
        operation_end(operation, NULL, error);
        return;
    }
    storage->running++;
    storage->copying += is_call(operation, "vdi.copy");
    if (*member_text(operation->args, "vdi"))
        g_hash_table_add(storage->busy, g_strdup(member_text(operation->args, "vdi")));
}

static void
start_waiting(struct storage *storage)
{
    GList *next;

    for (GList *item = storage->waiting.head; item; item = next) {
        struct operation *operation = item->data;
        next = item->next;
        if (storage->running >= STORAGE_RUNNING_MAX)
            return;
        if (is_call(operation, "vdi.copy") && storage->copying >= STORAGE_COPYING_MAX)
            continue;
        if (g_hash_table_contains(storage->busy, member_text(operation->args, "vdi")))
            continue;
        g_queue_delete_link(&storage->waiting, item);
        operation_run(operation);
    }
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
    if (!check(operation, &error)) {
        operation_end(operation, NULL, error);
        return TRUE;
    }
    g_queue_push_tail(&storage->waiting, operation);
    start_waiting(storage);
    return TRUE;
}

static gboolean
handle_abort(PeerStorage1 *skeleton, GDBusMethodInvocation *invocation, const char *op_id,
             gpointer data)
{
    struct storage *storage = data;
    struct operation *operation = g_hash_table_lookup(storage->operations, op_id);

    if (operation && operation->run)
        driver_run_kill(operation->run);
    else if (operation && g_queue_remove(&storage->waiting, operation))
        operation_end(operation, NULL, api_error_new("TASK_CANCELLED", op_id, NULL));
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

static void
answer_bulk(GDBusMethodInvocation *invocation, GVariant *value)
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
    answer_bulk(invocation, g_variant_builder_end(&out));
    return TRUE;
}

/* All drivers are asked at once; the answer leaves with the last one's. */
struct roll_call {
    GDBusMethodInvocation *invocation;
    GVariantBuilder drivers;
    unsigned missing;
};

struct roll_answer {
    struct roll_call *roll;
    char *path;
};

static void
roll_end(struct roll_call *roll)
{
    if (--roll->missing > 0)
        return;
    answer_bulk(roll->invocation, g_variant_builder_end(&roll->drivers));
    g_free(roll);
}

static void
driver_told(GVariant *result, const GError *error, void *data)
{
    struct roll_answer *answer = data;

    if (error) {
        log_warning("%s is left out: %s", answer->path, error->message);
    } else {
        g_auto(GVariantDict) driver = G_VARIANT_DICT_INIT(result);
        g_autofree char *name = g_path_get_basename(answer->path);
        /* Its name is what it is called by, whatever it says. */
        g_variant_dict_insert(&driver, "type", "s", name);
        g_variant_dict_insert(&driver, "driver_filename", "s", answer->path);
        g_variant_builder_add_value(&answer->roll->drivers, g_variant_dict_end(&driver));
    }
    roll_end(answer->roll);
    g_free(answer->path);
    g_free(answer);
}

static gboolean
handle_drivers(PeerStorage1 *skeleton, GDBusMethodInvocation *invocation, GUnixFDList *fds,
               gpointer data)
{
    struct storage *storage = data;
    g_auto(GStrv) names = driver_list(storage->drivers);
    struct roll_call *roll = g_new0(struct roll_call, 1);

    (void)skeleton;
    (void)fds;
    roll->invocation = invocation;
    roll->missing = 1;
    g_variant_builder_init(&roll->drivers, G_VARIANT_TYPE("aa{sv}"));
    for (char **name = names; *name; name++) {
        struct roll_answer *answer = g_new0(struct roll_answer, 1);
        g_autoptr(GError) error = NULL;
        answer->roll = roll;
        answer->path = g_build_filename(storage->drivers, *name, NULL);
        roll->missing++;
        if (!driver_run(storage->drivers, *name, "query", NULL, driver_told, answer, &error))
            driver_told(NULL, error, answer);
    }
    roll_end(roll);
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
                    {"handle-operations", G_CALLBACK(handle_operations)},
                    {"handle-drivers", G_CALLBACK(handle_drivers)}};
    g_autoptr(GError) error = NULL;

    if (storage->skeleton) {
        g_signal_handlers_disconnect_by_data(storage->skeleton, storage);
        g_dbus_interface_skeleton_unexport(G_DBUS_INTERFACE_SKELETON(storage->skeleton));
    }
    g_clear_object(&storage->skeleton);
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
    storage->busy = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_queue_init(&storage->waiting);
    return storage;
}

void
storage_free(struct storage *storage)
{
    if (!storage)
        return;
    storage_set_peer(storage, NULL);
    close(storage->handles);
    g_queue_clear(&storage->waiting);
    g_hash_table_unref(storage->busy);
    g_hash_table_unref(storage->operations);
    g_free(storage);
}
