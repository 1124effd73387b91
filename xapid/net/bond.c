/* Bonds: a row between the PIFs of the interfaces in it, its members, and a PIF that stands for all
 * of them, the master.  Here: which there may be, and what they are on their host. */
#include "config.h"

#include "lib/bond.h"
#include "lib/error.h"
#include "lib/settings.h"
#include "xapid/net/net.h"

const struct dm_class *
bond_class(void)
{
    static const struct dm_class *cls;

    if (!cls)
        cls = dm_class_find("Bond", false);
    return cls;
}

char *
pif_bond(const struct model *model, const char *pif)
{
    g_autoptr(GPtrArray) bonds = model_referrers(model, pif, dm_field_find(bond_class(), "master"));

    return bonds->len ? g_strdup(bonds->pdata[0]) : NULL;
}

bool
pif_is_bonded(const struct model *model, const char *pif)
{
    g_autofree char *bond = model_get_string(model, pif, "bond_slave_of");

    return model_has(model, bond_class(), bond);
}

GPtrArray *
bond_members(const struct model *model, const char *bond)
{
    return model_referrers(model, bond, dm_field_find(pif_class(), "bond_slave_of"));
}

/* ---- what it is on its host ---- */

static GVariant *
none(void)
{
    return g_variant_new("(@asss@a{ss})", g_variant_new_strv(NULL, 0), "", "",
                         g_variant_new_array(G_VARIANT_TYPE("{ss}"), NULL, 0));
}

GVariant *
bond_desired(const struct model *model, const char *pif)
{
    g_autofree char *bond = pif ? pif_bond(model, pif) : NULL;
    GVariantBuilder names;

    if (!bond)
        return none();
    g_autoptr(GPtrArray) members = bond_members(model, bond);
    g_autofree char *mac = model_get_string(model, pif, "MAC");
    g_autofree char *mode = model_get_string(model, bond, "mode");
    g_autoptr(GVariant) properties =
        model_get(model, bond, dm_field_find(bond_class(), "properties"));
    g_variant_builder_init(&names, G_VARIANT_TYPE_STRING_ARRAY);
    for (guint i = 0; i < members->len; i++) {
        g_autofree char *device = model_get_string(model, members->pdata[i], "device");
        g_variant_builder_add(&names, "s", device);
    }
    return g_variant_new("(asss@a{ss})", &names, mac, mode, properties);
}

/* ---- what there may be ---- */

static bool
wrong_value(const char *name, const char *value, GError **error)
{
    api_error_set(error, "INVALID_VALUE", name, value, NULL);
    return false;
}

bool
bond_check_settings(const struct model *model, const char *host, const char *mode,
                    GVariant *properties, GError **error)
{
    g_autofree char *backend =
        model_get_map_value(model, host, "software_version", "network_backend");
    struct bond_settings settings;
    const char *name, *value, *lacking;
    GVariantIter iter;

    if (!bond_settings_init(&settings, mode))
        return wrong_value("mode", mode, error);
    g_variant_iter_init(&iter, properties);
    while (g_variant_iter_next(&iter, "{&s&s}", &name, &value)) {
        g_autofree char *both = g_strdup_printf("%s = %s", name, value);
        if (!bond_settings_set(&settings, name, value))
            return wrong_value("properties", both, error);
    }
    lacking = bond_settings_wrong_for_kernel(&settings);
    if (lacking && g_strcmp0(backend, NETWORK_BACKEND_BRIDGE) == 0)
        return wrong_value(g_str_equal(lacking, mode) ? "mode" : "properties", lacking, error);
    return true;
}

GVariant *
bond_properties(const char *mode, GVariant *properties)
{
    const char *name, *value;
    struct bond_settings settings;
    GVariantBuilder kept;
    GVariantIter iter;
    bool is_lacp = bond_settings_init(&settings, mode) && settings.mode == BOND_LACP;

    g_variant_builder_init(&kept, G_VARIANT_TYPE("a{ss}"));
    g_variant_iter_init(&iter, properties);
    while (is_lacp && g_variant_iter_next(&iter, "{&s&s}", &name, &value))
        g_variant_builder_add(&kept, "{ss}", name, value);
    if (is_lacp && !g_variant_lookup(properties, BOND_HASHING, "&s", &value))
        g_variant_builder_add(&kept, "{ss}", BOND_HASHING, BOND_HASHING_DEFAULT);
    return g_variant_builder_end(&kept);
}

static bool
check_member(const struct model *model, const char *pif, GError **error)
{
    g_autofree char *bond = pif_bond(model, pif);
    g_autoptr(GVariant) tunnels =
        model_get(model, pif, dm_field_find(pif_class(), "tunnel_access_PIF_of"));

    if (bond || pif_is_bonded(model, pif))
        api_error_set(error, "PIF_ALREADY_BONDED", pif, NULL);
    else if (pif_is_vlan(model, pif))
        api_error_set(error, "PIF_IS_VLAN", pif, NULL);
    else if (g_variant_n_children(tunnels))
        api_error_set(error, "IS_TUNNEL_ACCESS_PIF", pif, NULL);
    else if (!model_get_bool(model, pif, "managed"))
        api_error_set(error, "PIF_UNMANAGED", pif, NULL);
    else if (model_get_bool(model, pif, "management"))
        api_error_set(error, "PIF_IS_MANAGEMENT_INTERFACE", pif, NULL);
    else
        return true;
    return false;
}

/* No tag twice on all of them. */
static bool
note_tags(const struct model *model, const char *pif, GHashTable *tags, GError **error)
{
    g_autoptr(GPtrArray) vlans = pif_vlans(model, pif);

    for (guint i = 0; i < vlans->len; i++) {
        gint64 tag = model_get_int(model, vlans->pdata[i], "tag");
        if (g_hash_table_add(tags, GINT_TO_POINTER((gint)tag + 1)))
            continue;
        api_error_set(error, "PIF_VLAN_EXISTS", pif, NULL);
        return false;
    }
    return true;
}

static bool
check_members(const struct model *model, const char *const *members, GError **error)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) tags = g_hash_table_new(NULL, NULL);
    g_autofree char *host = model_get_string(model, members[0], "host");
    guint addresses = 0;

    for (gsize i = 0; members[i]; i++) {
        g_autofree char *its = model_get_string(model, members[i], "host");
        if (!g_hash_table_add(seen, (gpointer)members[i]))
            return wrong_value("members", members[i], error);
        if (!g_str_equal(its, host)) {
            api_error_set(error, "PIF_CANNOT_BOND_CROSS_HOST", NULL);
            return false;
        }
        if (!check_member(model, members[i], error) || !note_tags(model, members[i], tags, error))
            return false;
        addresses += pif_has_addresses(model, members[i]);
    }
    if (addresses > 1)
        api_error_set(error, "PIF_BOND_MORE_THAN_ONE_IP", NULL);
    return addresses <= 1;
}

bool
bond_check(const struct model *model, const char *network, const char *const *members,
           GError **error)
{
    gsize n = g_strv_length((char **)(void *)members);
    g_autofree char *count = g_strdup_printf("%" G_GSIZE_FORMAT, n);

    if (n < BOND_MEMBERS_MIN) {
        api_error_set(error, "PIF_BOND_NEEDS_MORE_MEMBERS", NULL);
        return false;
    }
    if (n > BOND_MEMBERS_MAX)
        return wrong_value("members", count, error);
    g_autofree char *host = model_get_string(model, members[0], "host");
    g_autofree char *connected = network_pif(model, network, host);
    if (!model_get_bool(model, network, "managed"))
        api_error_set(error, "NETWORK_UNMANAGED", network, NULL);
    else if (connected)
        api_error_set(error, "NETWORK_ALREADY_CONNECTED", network, connected, NULL);
    else
        return check_members(model, members, error);
    return false;
}
