/* Class SM: one row a storage driver that xapid-host has. */
#include "config.h"

#include "lib/error.h"
#include "lib/log.h"
#include "xapid/storage/storage.h"

#include <string.h>

#define DRIVERS_AGAIN_SECONDS 5 /* after a try that failed */
/* Each driver is run for the answer, which xapid-host waits for 300 seconds at most. */
#define DRIVERS_MS 310000

static const struct dm_class *
sm_class(void)
{
    static const struct dm_class *cls;

    if (!cls)
        cls = dm_class_find("SM", false);
    return cls;
}

static const char *
find_type(const struct model *model, const char *type)
{
    g_autoptr(GPtrArray) all = model_all(model, sm_class());

    for (guint i = 0; i < all->len; i++) {
        g_autofree char *its = model_get_string(model, all->pdata[i], "type");
        if (g_str_equal(its, type))
            return all->pdata[i];
    }
    return NULL;
}

const char *
sm_find(const struct model *model, const char *type, GError **error)
{
    const char *sm = find_type(model, type);

    if (!sm)
        api_error_set(error, "SR_UNKNOWN_DRIVER", type, NULL);
    return sm;
}

bool
sm_can(const struct model *model, const char *type, const char *capability)
{
    const char *sm = find_type(model, type);

    if (!sm)
        return false;
    g_autoptr(GVariant) capabilities =
        model_get(model, sm, dm_field_find(sm_class(), "capabilities"));
    g_autofree const char **names = g_variant_get_strv(capabilities, NULL);
    return g_strv_contains(names, capability);
}

/* What a driver tells that is no field of the same name. */
static void
add_derived(GVariantBuilder *fields, const char *type, GVariant *driver)
{
    g_autoptr(GVariant) capabilities =
        g_variant_lookup_value(driver, "capabilities", G_VARIANT_TYPE("as"));
    GVariantBuilder features;
    GVariantIter iter;
    const char *name;

    g_variant_builder_add(fields, "{sv}", "type", g_variant_new_string(type));
    if (!capabilities)
        return;
    g_variant_builder_init(&features, G_VARIANT_TYPE("a{sx}"));
    g_variant_iter_init(&iter, capabilities);
    while (g_variant_iter_next(&iter, "&s", &name))
        g_variant_builder_add(&features, "{sx}", name, (gint64)1);
    g_variant_builder_add(fields, "{sv}", "capabilities", capabilities);
    g_variant_builder_add(fields, "{sv}", "features", g_variant_builder_end(&features));
}

static GVariant *
fields_of(const char *type, GVariant *driver)
{
    static const char *const strings[] = {
        "name_label", "name_description",     "vendor",         "copyright",
        "version",    "required_api_version", "driver_filename"};
    GVariantBuilder fields;

    g_variant_builder_init(&fields, G_VARIANT_TYPE("a{sv}"));
    add_derived(&fields, type, driver);
    for (unsigned i = 0; i < G_N_ELEMENTS(strings); i++) {
        const char *value;
        if (g_variant_lookup(driver, strings[i], "&s", &value))
            g_variant_builder_add(&fields, "{sv}", strings[i], g_variant_new_string(value));
    }
    g_autoptr(GVariant) configuration =
        g_variant_lookup_value(driver, "configuration", G_VARIANT_TYPE("a{ss}"));
    if (configuration)
        g_variant_builder_add(&fields, "{sv}", "configuration", configuration);
    return g_variant_ref_sink(g_variant_builder_end(&fields));
}

static bool
record_driver(struct txn *txn, const struct model *model, const char *type, GVariant *driver,
              GError **error)
{
    g_autoptr(GVariant) fields = fields_of(type, driver);
    const char *sm = find_type(model, type);
    GVariantIter iter;
    const char *name;
    GVariant *value;

    if (!sm)
        return txn_create(txn, sm_class(), NULL, fields, error) != NULL;
    g_variant_iter_init(&iter, fields);
    while (g_variant_iter_next(&iter, "{&sv}", &name, &value)) {
        txn_set_value(txn, sm, name, value);
        g_variant_unref(value);
    }
    return true;
}

bool
sm_record(struct model *model, GVariant *drivers, GError **error)
{
    g_autoptr(GPtrArray) rows = model_all(model, sm_class());
    g_autoptr(GHashTable) types = g_hash_table_new(g_str_hash, g_str_equal);
    struct txn *txn = model_begin(model, error);
    bool ok = txn != NULL;

    for (gsize i = 0; ok && i < g_variant_n_children(drivers); i++) {
        g_autoptr(GVariant) driver = g_variant_get_child_value(drivers, i);
        const char *type;
        if (!g_variant_lookup(driver, "type", "&s", &type))
            continue;
        g_hash_table_add(types, (char *)type);
        ok = record_driver(txn, model, type, driver, error);
    }
    for (guint i = 0; ok && i < rows->len; i++) {
        g_autofree char *type = model_get_string(model, rows->pdata[i], "type");
        if (!g_hash_table_contains(types, type))
            ok = txn_destroy(txn, rows->pdata[i], error);
    }
    if (ok)
        return txn_commit(txn, error) != 0;
    if (txn)
        txn_abort(txn);
    return false;
}

static gboolean
ask_again(void *world)
{
    sm_refresh(world);
    return G_SOURCE_REMOVE;
}

static void
drivers_known(const GError *error, GVariant *drivers, void *data)
{
    struct storage_world *world = data;
    g_autoptr(GError) failed = NULL;

    if (error) {
        log_warning("asking for the storage drivers: %s", error->message);
        g_timeout_add_seconds(DRIVERS_AGAIN_SECONDS, ask_again, world);
    } else if (!sm_record(world->model, drivers, &failed) ||
               !storage_refresh_all(world->model, &failed)) {
        log_warning("recording the storage drivers: %s", failed->message);
    }
}

void
sm_refresh(struct storage_world *world)
{
    peer_client_ask_long(world->drivers, "Drivers", NULL, "aa{sv}", DRIVERS_MS, drivers_known,
                         world);
}
