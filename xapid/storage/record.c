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
record_figures(struct txn *txn, const char *sr, GVariant *stat)
{
    g_autoptr(GPtrArray) vdis =
        model_referrers(txn_model(txn), sr, dm_field_find(vdi_class(), "SR"));
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

void
sr_record_stat(struct op *op, struct txn *txn, const char *sr)
{
    g_autofree char *key = g_strconcat("stat/", sr, NULL);

    if (txn_has(txn, sr_class(), sr))
        record_figures(txn, sr, op_result(op, key));
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
destroy_pbds(const struct model *model, struct txn *txn, GPtrArray *pbds, GError **error)
{
    for (guint i = 0; i < pbds->len; i++)
        if (!secrets_forget(model, txn, pbds->pdata[i], /* next: none */ NULL, error) ||
            !txn_destroy(txn, pbds->pdata[i], error))
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
    return destroy_pbds(model, txn, pbds, error) && txn_destroy(txn, sr, error);
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
        record_figures(txn, sr, op_result(op, "driver"));
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
        if (!txn_has(txn, class_of("VBD"), vbd))
            continue; /* gone with its VM */
        g_autofree char *type = model_get_string(model, vbd, "type");
        if (g_str_equal(type, "CD"))
            txn_set_value(txn, vbd, "empty", g_variant_new_boolean(TRUE));
        else if (!txn_destroy(txn, vbd, error))
            return false;
    }
    return txn_destroy(txn, vdi, error);
}

/* One that is being made shows nothing itself: to its SR that is vdi_create, whatever it is made
 * from. */
void
vdi_mark(struct txn *txn, const char *vdi, const char *operation, const char *key, bool running,
         void *data)
{
    const struct model *model = txn_model(txn);

    (void)data;
    if (!txn_has(txn, vdi_class(), vdi))
        return;
    g_autoptr(GVariant) managed = txn_get(txn, vdi, dm_field_find(vdi_class(), "managed"));
    bool made = !g_variant_get_boolean(managed) && !g_str_equal(operation, "destroy");
    const char *of_sr = made ? "vdi_create" : vdi_operation_of_sr(operation);
    if (!made)
        txn_set_map_value(txn, vdi, "current_operations", key, running ? operation : NULL);
    vdi_refresh_allowed(txn, model, vdi);
    g_autoptr(GVariant) sr = txn_get(txn, vdi, dm_field_find(vdi_class(), "SR"));
    const char *sr_ref = g_variant_get_string(sr, NULL);
    if (!of_sr || !txn_has(txn, sr_class(), sr_ref))
        return;
    txn_set_map_value(txn, sr_ref, "current_operations", key, running ? of_sr : NULL);
    sr_refresh_allowed(txn, model, sr_ref);
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
vdi_record_new(struct op *op, struct txn *txn, const char *vdi, const GError *error)
{
    g_autofree char *key = g_strconcat("made/", vdi, NULL);
    g_autoptr(GError) failed = NULL;

    if (!txn_has(txn, vdi_class(), vdi))
        return;
    if (!error) {
        record_made(txn, vdi, op_result(op, key));
        txn_set_value(txn, vdi, "managed", g_variant_new_boolean(TRUE));
        vdi_refresh_allowed(txn, txn_model(txn), vdi);
    } else if (!vdi_forget(txn_model(txn), txn, vdi, &failed)) {
        log_failed(op_operation(op), vdi, failed);
    }
}

bool
vdi_record_discard(struct op *op, struct txn *txn, const char *vdi, GError **error)
{
    g_autofree char *key = g_strconcat("gone/", vdi, NULL);

    if (!txn_has(txn, vdi_class(), vdi))
        return true;
    if (op_result(op, key))
        return vdi_forget(txn_model(txn), txn, vdi, error);
    vdi_record_new(op, txn, vdi, NULL);
    return true;
}

void
vdi_record_exchange(struct op *op, struct txn *txn, const char *vdi, const char *like)
{
    g_autofree char *key = g_strconcat("made/", vdi, NULL);

    if (!txn_has(txn, vdi_class(), vdi))
        return;
    /* What the driver said is lost in a restart. */
    if (txn_has(txn, vdi_class(), like)) {
        g_autoptr(GVariant) size = txn_get(txn, like, dm_field_find(vdi_class(), "virtual_size"));
        txn_set_value(txn, vdi, "virtual_size", size);
    }
    record_made(txn, vdi, op_result(op, key));
}

const char *
vdi_add_copy(const struct model *model, struct txn *txn, const char *source, const char *operation,
             const char *sr, char **ret_uuid, GError **error)
{
    static const char *const kept[] = {
        "name_label",   "name_description", "type",          "sharable", "read_only",
        "virtual_size", "other_config",     "xenstore_data", "on_boot",  "allow_caching"};
    g_autofree char *uuid = g_uuid_string_random();
    GVariantBuilder fields;

    g_variant_builder_init(&fields, G_VARIANT_TYPE("a{sv}"));
    for (unsigned i = 0; i < G_N_ELEMENTS(kept); i++) {
        g_autoptr(GVariant) value = model_get(model, source, dm_field_find(vdi_class(), kept[i]));
        g_variant_builder_add(&fields, "{sv}", kept[i], value);
    }
    g_variant_builder_add(&fields, "{sv}", "uuid", g_variant_new_string(uuid));
    g_variant_builder_add(&fields, "{sv}", "SR", g_variant_new_string(sr));
    g_variant_builder_add(&fields, "{sv}", "managed", g_variant_new_boolean(FALSE));
    if (g_str_equal(operation, "snapshot")) {
        g_variant_builder_add(&fields, "{sv}", "is_a_snapshot", g_variant_new_boolean(TRUE));
        g_variant_builder_add(&fields, "{sv}", "snapshot_of", g_variant_new_string(source));
        g_variant_builder_add(&fields, "{sv}", "snapshot_time",
                              g_variant_new_int64(g_get_real_time()));
    }
    const char *vdi = txn_create(txn, vdi_class(), NULL, g_variant_builder_end(&fields), error);
    if (vdi)
        *ret_uuid = g_steal_pointer(&uuid);
    return vdi;
}

/* Is what it makes its object?  One that is there is exported by a "copy". */
static bool
makes_a_disk(struct txn *txn, const char *vdi, const char *operation)
{
    g_autoptr(GVariant) managed = txn_get(txn, vdi, dm_field_find(vdi_class(), "managed"));

    if (g_variant_get_boolean(managed))
        return false;
    return g_str_equal(operation, "create") || g_str_equal(operation, "copy") ||
           g_str_equal(operation, "clone") || g_str_equal(operation, "snapshot");
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
    if (makes_a_disk(txn, vdi, operation)) {
        vdi_record_new(op, txn, vdi, error);
        if (!error)
            op_set_result(op, "value", g_variant_new_string(vdi));
    } else if (!error && g_str_equal(operation, "destroy")) {
        if (!vdi_forget(world->model, txn, vdi, &failed))
            log_failed(operation, vdi, failed);
    } else if (!error) {
        record_made(txn, vdi, op_result(op, "driver"));
        vdi_refresh_allowed(txn, world->model, vdi);
        if (g_str_equal(operation, "mirror"))
            op_set_result(op, "value", g_variant_new_string(vdi));
    }
    if (!error)
        sr_record_stat(op, txn, sr);
}
