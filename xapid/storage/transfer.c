/* The contents of a disk from a client, or to one: the disk is attached as a guest's would be,
 * under a name of its own, xapid-stream moves the bytes, and the disk is let go. */
#include "config.h"

#include <gio/gunixfdlist.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "lib/log.h"
#include "lib/member.h"
#include "xapid/storage/steps.h"

void
vdi_plan_add_use(struct plan *plan, const char *kind, const char *vdi, const char *handle,
                 bool read_only)
{
    GVariantDict args;

    g_variant_dict_init(&args, NULL);
    g_variant_dict_insert(&args, "vdi", "s", vdi);
    g_variant_dict_insert(&args, "handle", "s", handle);
    g_variant_dict_insert(&args, "read_only", "b", read_only);
    plan_add(plan, kind, g_variant_dict_end(&args));
}

/* What is moved lies within the disk. */
static bool
check_size(const struct storage_world *world, const char *vdi, const struct transfer *transfer,
           GError **error)
{
    gint64 size = model_get_int(world->model, vdi, "virtual_size");
    g_autofree char *needs =
        g_strdup_printf("%" G_GINT64_FORMAT, transfer->offset + transfer->length);

    if (!g_str_equal(transfer->format, "raw") || transfer->length < 0 ||
        transfer->length <= size - transfer->offset)
        return true;
    api_error_set(error, "VDI_TOO_SMALL", vdi, needs, NULL);
    return false;
}

bool
vdi_may_transfer(const struct storage_world *world, const char *vdi, const char *operation,
                 GError **error)
{
    if (!vdi_may(world, vdi, operation, error))
        return false;
    if (!model_get_bool(world->model, vdi, "missing"))
        return true;
    api_error_set(error, "VDI_NOT_AVAILABLE", vdi, NULL);
    return false;
}

struct plan *
vdi_plan_transfer(const struct storage_world *world, const char *vdi,
                  const struct transfer *transfer, GError **error)
{
    g_autofree char *sr = model_get_string(world->model, vdi, "SR");
    /* The names that XenAPI has for what it is to others. */
    const char *operation = transfer->import ? "mirror" : "copy", *since = transfer->since;
    bool read_only = !transfer->import;

    if (!vdi_may_transfer(world, vdi, operation, error) ||
        (since && !vdi_may_transfer(world, since, operation, error)))
        return NULL;
    if (transfer->import && model_get_bool(world->model, vdi, "read_only")) {
        api_error_set(error, "VDI_READONLY", vdi, NULL);
        return NULL;
    }
    if (!check_size(world, vdi, transfer, error))
        return NULL;
    struct plan *plan = plan_new(operation, vdi);
    vdi_plan_add_use(plan, "vdi.attach", vdi, transfer->handle, read_only);
    if (since && !g_str_equal(since, vdi))
        plan_show_also(plan, since);
    if (since)
        vdi_plan_add_use(plan, "vdi.attach", since, transfer->since_handle, true);
    vdi_plan_add_use(plan, "vdi.transfer", vdi, transfer->handle, read_only);
    if (since)
        vdi_plan_add_use(plan, "vdi.detach", since, transfer->since_handle, true);
    vdi_plan_add_use(plan, "vdi.detach", vdi, transfer->handle, read_only);
    if (transfer->import)
        sr_plan_add_stat(plan, sr);
    return plan;
}

/* ---- the step ---- */

void
transfer_lend(GDBusProxy *proxy, const char *op_id, int client, GBytes *ahead)
{
    g_autoptr(GUnixFDList) fds = g_unix_fd_list_new_from_array(&client, 1); /* takes it */
    GVariant *bytes = g_variant_new_from_bytes(G_VARIANT_TYPE("ay"), ahead, TRUE);

    if (FAULT_POINT("storage.lend.before", NULL))
        g_dbus_proxy_call_with_unix_fd_list(proxy, "Lend",
                                            g_variant_new("(s@ayh)", op_id, bytes, 0),
                                            G_DBUS_CALL_FLAGS_NONE, -1, fds, NULL, NULL, NULL);
    (void)FAULT_POINT("storage.lend.after", NULL);
}

struct transfer *
steps_lend(struct op *op, const char *handle)
{
    struct storage_world *world = op_room_data(op);
    struct transfer *transfer = g_hash_table_lookup(world->transfers, handle);
    GDBusProxy *proxy = peer_client_proxy(world->drivers);
    g_autoptr(GBytes) ahead = NULL;
    GError *error = NULL;
    int client = -1;

    if (!transfer || !proxy)
        api_error_set(&error, "INTERNAL_ERROR",
                      transfer ? "xapid-host is not there" : "the client's connection was lost",
                      NULL);
    else
        client = transfer->begin(transfer, &ahead, &error);
    if (client < 0) {
        op_step_done(op, error);
        return NULL;
    }
    transfer_lend(proxy, op_step_id(op), client, ahead);
    return transfer;
}

static void
transfer_run(struct op *op, GVariant *args)
{
    struct storage_world *world = op_room_data(op);
    const char *vdi = member_text(args, "vdi"), *handle = member_text(args, "handle");
    struct transfer *transfer = steps_lend(op, handle);
    GVariantDict more;

    if (!transfer)
        return;
    g_variant_dict_init(&more, NULL);
    g_variant_dict_insert(&more, "handle", "s", handle);
    g_variant_dict_insert(&more, "format", "s", transfer->format);
    g_variant_dict_insert(&more, "size", "x", model_get_int(world->model, vdi, "virtual_size"));
    g_variant_dict_insert(&more, "offset", "x", transfer->offset);
    g_variant_dict_insert(&more, "length", "x", transfer->length);
    g_variant_dict_insert(&more, "part", "b", transfer->part);
    g_variant_dict_insert(&more, "silent", "u", transfer->silent);
    if (!transfer->import) {
        const char *since = transfer->since;
        g_variant_dict_insert(&more, "since", "s", since ? transfer->since_handle : "");
        g_variant_dict_insert(&more, "since_size", "x",
                              since ? model_get_int(world->model, since, "virtual_size") : 0);
    }
    steps_call_vdi(transfer->import ? "vdi.import" : "vdi.export", args, &more,
                   &(struct driver_call){.op = op, .args = args});
}

void
steps_cancel(struct op *op)
{
    struct storage_world *world = op_room_data(op);

    peer_client_abort(world->drivers, op_step_id(op));
}

const struct step_kind vdi_transfer_kind = {
    .name = "vdi.transfer", .weight = 100, .run = transfer_run, .cancel = steps_cancel};

/* ---- how far it is ---- */

static void
moved(GVariant *parameters, void *data)
{
    struct storage_world *world = data;
    const char *op_id;
    double fraction;

    if (!g_variant_is_of_type(parameters, G_VARIANT_TYPE("(sd)")))
        return;
    g_variant_get(parameters, "(&sd)", &op_id, &fraction);
    struct op *op = g_hash_table_lookup(world->under_way, op_id);
    if (op && fraction >= 0 && fraction <= 1)
        op_step_progress(op, fraction);
}

void
transfers_begin(struct storage_world *world)
{
    world->under_way = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    world->transfers = g_hash_table_new(g_str_hash, g_str_equal);
    peer_client_on_signal(world->drivers, "Progress", moved, world);
    vm_imports_begin(world);
}
