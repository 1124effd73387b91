/* From the volumes that a driver finds in an SR to the rows of its disks. */
#include "config.h"

#include "lib/log.h"
#include "xapid/storage/storage.h"

/* How the fields of a volume, as sr.scan has them, are those of its row. */
static const struct {
    const char *name;
    const char *type;
    bool follows; /* what the volume says counts; else it only fills a new row */
} volume_fields[] = {
    {"virtual_size", "x", true},      {"physical_utilisation", "x", true},
    {"location", "s", true},          {"read_only", "b", true},
    {"sm_config", "a{ss}", false},    {"name_label", "s", false},
    {"name_description", "s", false}, {"type", "s", false},
};

static void
add_volume(struct txn *txn, const char *sr, const char *uuid, GVariant *volume)
{
    g_autoptr(GError) error = NULL;
    GVariantBuilder fields;

    g_variant_builder_init(&fields, G_VARIANT_TYPE("a{sv}"));
    g_variant_builder_add(&fields, "{sv}", "uuid", g_variant_new_string(uuid));
    g_variant_builder_add(&fields, "{sv}", "SR", g_variant_new_string(sr));
    g_variant_builder_add(&fields, "{sv}", "managed", g_variant_new_boolean(TRUE));
    for (unsigned i = 0; i < G_N_ELEMENTS(volume_fields); i++) {
        g_autoptr(GVariant) value = g_variant_lookup_value(volume, volume_fields[i].name,
                                                           G_VARIANT_TYPE(volume_fields[i].type));
        if (value)
            g_variant_builder_add(&fields, "{sv}", volume_fields[i].name, value);
    }
    if (!txn_create(txn, vdi_class(), NULL, g_variant_builder_end(&fields), &error))
        log_warning("the volume %s of %s is left out: %s", uuid, sr, error->message);
}

static void
update_volume(struct txn *txn, const char *vdi, GVariant *volume)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(volume_fields); i++) {
        g_autoptr(GVariant) value = g_variant_lookup_value(volume, volume_fields[i].name,
                                                           G_VARIANT_TYPE(volume_fields[i].type));
        if (value && volume_fields[i].follows)
            txn_set_value(txn, vdi, volume_fields[i].name, value);
    }
    txn_set_value(txn, vdi, "missing", g_variant_new_boolean(FALSE));
}

/* A row whose operation is under way is that operation's. */
static bool
is_busy(const struct storage_world *world, const char *vdi)
{
    return ops_busy(world->ops, vdi);
}

static void
mark_missing(const struct storage_world *world, struct txn *txn, const char *sr, GHashTable *found)
{
    g_autoptr(GPtrArray) vdis = model_referrers(world->model, sr, dm_field_find(vdi_class(), "SR"));

    for (guint i = 0; i < vdis->len; i++) {
        const char *vdi = vdis->pdata[i];
        if (!g_hash_table_contains(found, vdi) && !is_busy(world, vdi))
            txn_set_value(txn, vdi, "missing", g_variant_new_boolean(TRUE));
    }
}

void
sr_record_volumes(const struct storage_world *world, struct txn *txn, const char *sr,
                  GVariant *volumes)
{
    g_autoptr(GHashTable) found = g_hash_table_new(g_str_hash, g_str_equal);

    for (gsize i = 0; i < g_variant_n_children(volumes); i++) {
        g_autoptr(GVariant) volume = g_variant_get_child_value(volumes, i);
        const char *uuid;
        if (!g_variant_lookup(volume, "uuid", "&s", &uuid) || !g_uuid_string_is_valid(uuid))
            continue;
        const char *vdi = model_by_uuid(world->model, vdi_class(), uuid);
        if (!vdi) {
            add_volume(txn, sr, uuid, volume);
            continue;
        }
        g_autofree char *its = model_get_string(world->model, vdi, "SR");
        if (!g_str_equal(its, sr)) {
            log_warning("the volume %s is in two repositories: %s and %s", uuid, its, sr);
            continue;
        }
        g_hash_table_add(found, (char *)vdi);
        if (!is_busy(world, vdi))
            update_volume(txn, vdi, volume);
    }
    mark_missing(world, txn, sr, found);
}
