/* What becomes of the rows of an SR and its disks: within an operation's first and last
 * transaction. */
#include "config.h"

#include "lib/error.h"
#include "lib/log.h"
#include "xapid/storage/storage.h"

#include <string.h>

static const struct dm_class *
class_of(const char *name)
{
    return dm_class_find(name, false);
}

static void
copy_int(struct txn *txn, const char *ref, const char *field, GVariant *from)
{
    gint64 value;

    if (from && g_variant_lookup(from, field, "x", &value))
        txn_set_value(txn, ref, field, g_variant_new_int64(value));
}

/* ---- repositories ---- */

void
sr_mark(struct txn *txn, const char *sr, const char *operation, const char *key, bool running,
        void *data)
{
    struct storage_world *world = data;

    if (!txn_has(txn, sr_class(), sr))
        return;
    if (sr_shows(operation))
        txn_set_map_value(txn, sr, "current_operations", key, running ? operation : NULL);
    sr_refresh_allowed(txn, world->model, sr);
}

static void
record_figures(const struct storage_world *world, struct txn *txn, const char *sr, GVariant *stat)
{
    g_autoptr(GPtrArray) vdis = model_referrers(world->model, sr, dm_field_find(vdi_class(), "SR"));
    gint64 allocated = 0;

    copy_int(txn, sr, "physical_size", stat);
    copy_int(txn, sr, "physical_utilisation", stat);
    for (guint i = 0; i < vdis->len; i++) {
        if (!txn_has(txn, vdi_class(), vdis->pdata[i]))
            continue;
        g_autoptr(GVariant) size =
            txn_get(txn, vdis->pdata[i], dm_field_find(vdi_class(), "virtual_size"));
        allocated += g_variant_get_int64(size);
    }
    txn_set_value(txn, sr, "virtual_allocation", g_variant_new_int64(allocated));
}

static void
refresh_disks(const struct storage_world *world, struct txn *txn, const char *sr)
{
    g_autoptr(GVariant) vdis = txn_get(txn, sr, dm_field_find(sr_class(), "VDIs"));
    GVariantIter iter;
    const char *vdi;

    g_variant_iter_init(&iter, vdis);
    while (g_variant_iter_next(&iter, "&s", &vdi))
        vdi_refresh_allowed(txn, world->model, vdi);
}

static bool
destroy_all(struct txn *txn, GPtrArray *refs, GError **error)
{
    for (guint i = 0; i < refs->len; i++)
        if (!txn_destroy(txn, refs->pdata[i], error))
            return false;
    return true;
}

bool
sr_forget(const struct model *model, struct txn *txn, const char *sr, GError **error)
{
    g_autoptr(GPtrArray) vdis = model_referrers(model, sr, dm_field_find(vdi_class(), "SR"));
    g_autoptr(GPtrArray) pbds = sr_pbds(model, sr);

    for (guint i = 0; i < vdis->len; i++)
        if (!vdi_forget(model, txn, vdis->pdata[i], error))
            return false;
    return destroy_all(txn, pbds, error) && txn_destroy(txn, sr, error);
}

static void
log_failed(const char *what, const char *ref, const GError *error)
{
    log_error("%s of %s: %s", what, ref, error->message);
}

void
sr_finish(struct op *op, struct txn *txn, const GError *error)
{
    struct storage_world *world = op_room_data(op);
    const char *sr = op_object(op), *operation = op_operation(op);
    GVariant *attached = op_result(op, "attached"), *volumes = op_result(op, "volumes");
    g_autoptr(GError) failed = NULL;

    if (!txn_has(txn, sr_class(), sr))
        return;
    /* What was not made, or is no more, has no row. */
    if (g_str_equal(operation, error ? "create" : "destroy")) {
        if (!sr_forget(world->model, txn, sr, &failed))
            log_failed(operation, sr, failed);
        return;
    }
    if (error)
        return;
    if (attached)
        txn_set_value(txn, sr_pbd(world->model, sr, world->host), "currently_attached", attached);
    if (volumes) {
        sr_record_volumes(world, txn, sr, volumes);
        record_figures(world, txn, sr, op_result(op, "driver"));
    }
    sr_refresh_allowed(txn, world->model, sr);
    refresh_disks(world, txn, sr);
    if (g_str_equal(operation, "create"))
        op_set_result(op, "value", g_variant_new_string(sr));
}

/* ---- disks ---- */

bool
vdi_forget(const struct model *model, struct txn *txn, const char *vdi, GError **error)
{
    g_autoptr(GPtrArray) vbds = model_referrers(model, vdi, dm_field_find(class_of("VBD"), "VDI"));

    for (guint i = 0; i < vbds->len; i++) {
        const char *vbd = vbds->pdata[i];
        g_autofree char *type = model_get_string(model, vbd, "type");
        if (g_str_equal(type, "CD"))
            txn_set_value(txn, vbd, "empty", g_variant_new_boolean(TRUE));
        else if (!txn_destroy(txn, vbd, error))
            return false;
    }
    return txn_destroy(txn, vdi, error);
}

void
vdi_mark(struct txn *txn, const char *vdi, const char *operation, const char *key, bool running,
         void *data)
{
    struct storage_world *world = data;
    const char *of_sr =
        g_str_equal(operation, "create") ? "vdi_create" : vdi_operation_of_sr(operation);

    if (!txn_has(txn, vdi_class(), vdi))
        return;
    if (!g_str_equal(operation, "create"))
        txn_set_map_value(txn, vdi, "current_operations", key, running ? operation : NULL);
    vdi_refresh_allowed(txn, world->model, vdi);
    g_autoptr(GVariant) sr = txn_get(txn, vdi, dm_field_find(vdi_class(), "SR"));
    const char *sr_ref = g_variant_get_string(sr, NULL);
    if (!of_sr || !txn_has(txn, sr_class(), sr_ref))
        return;
    txn_set_map_value(txn, sr_ref, "current_operations", key, running ? of_sr : NULL);
    sr_refresh_allowed(txn, world->model, sr_ref);
}

/* What the driver made of it. */
static void
record_made(struct txn *txn, const char *vdi, GVariant *made)
{
    const char *location;

    copy_int(txn, vdi, "virtual_size", made);
    copy_int(txn, vdi, "physical_utilisation", made);
    if (made && g_variant_lookup(made, "location", "&s", &location))
        txn_set_string(txn, vdi, "location", location);
}

void
vdi_finish(struct op *op, struct txn *txn, const GError *error)
{
    struct storage_world *world = op_room_data(op);
    const char *vdi = op_object(op), *operation = op_operation(op);
    g_autoptr(GError) failed = NULL;

    if (!txn_has(txn, vdi_class(), vdi))
        return;
    g_autofree char *sr = model_get_string(world->model, vdi, "SR");
    if (g_str_equal(operation, error ? "create" : "destroy")) {
        if (!vdi_forget(world->model, txn, vdi, &failed))
            log_failed(operation, vdi, failed);
    } else if (!error) {
        record_made(txn, vdi, op_result(op, "driver"));
        txn_set_value(txn, vdi, "managed", g_variant_new_boolean(TRUE));
        vdi_refresh_allowed(txn, world->model, vdi);
        if (g_str_equal(operation, "create"))
            op_set_result(op, "value", g_variant_new_string(vdi));
    }
    if (!error && txn_has(txn, sr_class(), sr))
        record_figures(world, txn, sr, op_result(op, "stat"));
}
