/* A VM from a client: xapid-stream runs from the beginning of the body to its end.  It gives the
 * records, waits until the rows and disks of what they tell have been made, and fills the disks. */
#include "config.h"

#include "lib/error.h"
#include "lib/faults.h"
#include "lib/member.h"
#include "xapid/storage/steps.h"

struct vm_import {
    struct storage_world *world;
    char *op_id;
    vm_records_fn came; /* NULL: it has been called */
    void *data;
    bool ended;
    struct op *op; /* whose step waits for the end, once it has its disks */
    GError *error; /* of the end, or what keeps it from its disks */
};

/* What answers to a call of one that may be gone by then. */
struct asked {
    struct storage_world *world;
    char *op_id;
};

static struct asked *
asked_new(const struct vm_import *import)
{
    struct asked *asked = g_new0(struct asked, 1);

    *asked = (struct asked){import->world, g_strdup(import->op_id)};
    return asked;
}

/* NULL: it is gone. */
static struct vm_import *
asked_free(struct asked *asked)
{
    struct vm_import *import = g_hash_table_lookup(asked->world->imports, asked->op_id);

    g_free(asked->op_id);
    g_free(asked);
    return import;
}

static GError *
why(const struct vm_import *import)
{
    return import->error ? g_error_copy(import->error)
                         : api_error_new("INTERNAL_ERROR", "the import ended too early", NULL);
}

static void
tell(struct vm_import *import, GVariant *records, const GError *error)
{
    vm_records_fn came = import->came;

    import->came = NULL;
    if (came)
        came(records, error, import->data);
}

static void
ended(const GError *error, GVariant *result, void *data)
{
    struct vm_import *import = asked_free(data);

    (void)result;
    if (!import)
        return;
    import->ended = true;
    if (error && !import->error)
        import->error = g_error_copy(error);
    g_hash_table_remove(import->world->under_way, import->op_id);
    struct op *op = g_steal_pointer(&import->op);
    if (op) {
        op_step_done(op, import->error ? why(import) : NULL);
        return;
    }
    g_autoptr(GError) early = why(import);
    tell(import, NULL, early);
}

/* ---- the records ---- */

static void
taken(const GError *error, GVariant *records, void *data)
{
    struct vm_import *import = asked_free(data);

    if (import)
        tell(import, records, error);
}

static void
records_came(GVariant *parameters, void *data)
{
    struct storage_world *world = data;
    const char *op_id;

    if (!g_variant_is_of_type(parameters, G_VARIANT_TYPE("(s)")))
        return;
    g_variant_get(parameters, "(&s)", &op_id);
    struct vm_import *import = g_hash_table_lookup(world->imports, op_id);
    if (import && import->came)
        peer_client_ask(world->drivers, "TakeRecords", g_variant_new("(s)", op_id), "ay", taken,
                        asked_new(import));
}

void
vm_imports_begin(struct storage_world *world)
{
    world->imports = g_hash_table_new(g_str_hash, g_str_equal);
    peer_client_on_signal(world->drivers, "Records", records_came, world);
}

bool
vm_import_begin(struct storage_world *world, struct transfer *transfer, bool forced,
                vm_records_fn came, void *data, GError **error)
{
    GDBusProxy *proxy = peer_client_proxy(world->drivers);
    g_autoptr(GBytes) ahead = NULL;
    GVariantDict args;

    if (!proxy) {
        api_error_set(error, "INTERNAL_ERROR", "xapid-host is not there", NULL);
        return false;
    }
    int client = transfer->begin(transfer, &ahead, error);
    if (client < 0)
        return false;
    struct vm_import *import = g_new0(struct vm_import, 1);
    *import = (struct vm_import){
        .world = world, .op_id = g_uuid_string_random(), .came = came, .data = data};
    g_hash_table_insert(world->imports, import->op_id, import);
    transfer->vm = import;
    transfer_lend(proxy, import->op_id, client, ahead);
    g_variant_dict_init(&args, NULL);
    g_variant_dict_insert(&args, "forced", "b", forced);
    g_variant_dict_insert(&args, "length", "x", transfer->length);
    g_variant_dict_insert(&args, "silent", "u", transfer->silent);
    peer_client_start(
        world->drivers, import->op_id,
        g_variant_new("(sss@a{sv})", import->op_id, "vm.import", "", g_variant_dict_end(&args)),
        ended, asked_new(import));
    return true;
}

void
vm_import_free(struct vm_import *import)
{
    if (!import)
        return;
    g_hash_table_remove(import->world->imports, import->op_id);
    g_hash_table_remove(import->world->under_way, import->op_id);
    if (!import->ended)
        peer_client_abort(import->world->drivers, import->op_id);
    g_clear_error(&import->error);
    g_free(import->op_id);
    g_free(import);
}

/* ---- the step ---- */

static void
filled(GObject *source, GAsyncResult *result, void *data)
{
    struct vm_import *import = asked_free(data);
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = g_dbus_proxy_call_finish(G_DBUS_PROXY(source), result, &error);

    /* It cannot go on, and its end is told. */
    if (import && !import->ended && !(FAULT_POINT("storage.fill.after", NULL) && answer)) {
        if (!import->error)
            import->error = api_error_new("INTERNAL_ERROR", "the disks",
                                          error ? error->message : "are not told of", NULL);
        peer_client_abort(import->world->drivers, import->op_id);
    }
}

static void
import_run(struct op *op, GVariant *args)
{
    struct storage_world *world = op_room_data(op);
    const struct transfer *transfer =
        g_hash_table_lookup(world->transfers, member_text(args, "handle"));
    struct vm_import *import = transfer ? transfer->vm : NULL;
    GDBusProxy *proxy = peer_client_proxy(world->drivers);
    g_autoptr(GVariant) disks = vm_transfer_disks(world->model, args);

    if (!import || import->ended || !proxy || !disks) {
        op_step_done(
            op, import && import->ended
                    ? why(import)
                    : api_error_new("INTERNAL_ERROR", "the client's connection was lost", NULL));
        return;
    }
    import->op = op;
    g_hash_table_insert(world->under_way, g_strdup(import->op_id), op);
    if (FAULT_POINT("storage.fill.before", import->error ? NULL : &import->error))
        g_dbus_proxy_call(proxy, "Fill", g_variant_new("(s@a(sssx))", import->op_id, disks),
                          G_DBUS_CALL_FLAGS_NONE, -1, NULL, filled, asked_new(import));
    else
        peer_client_abort(world->drivers, import->op_id);
}

static void
import_cancel(struct op *op)
{
    struct storage_world *world = op_room_data(op);
    GHashTableIter iter;
    struct vm_import *import;

    g_hash_table_iter_init(&iter, world->imports);
    while (g_hash_table_iter_next(&iter, NULL, (void **)&import))
        if (import->op == op)
            peer_client_abort(world->drivers, import->op_id);
}

const struct step_kind vm_import_kind = {
    .name = "vm.import", .weight = 100, .run = import_run, .cancel = import_cancel};
