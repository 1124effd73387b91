#include "config.h"

#include "lib/bridge-name.h"
#include "lib/error.h"
#include "xapid/net/net.h"

const struct dm_class *
network_class(void)
{
    static const struct dm_class *cls;

    if (!cls)
        cls = dm_class_find("network", false);
    return cls;
}

const struct dm_class *
pif_class(void)
{
    static const struct dm_class *cls;

    if (!cls)
        cls = dm_class_find("PIF", false);
    return cls;
}

/* ---- MTU ---- */

bool
network_check_mtu(gint64 mtu, GError **error)
{
    if (mtu >= BRIDGE_MTU_MIN && mtu <= BRIDGE_MTU_MAX)
        return true;
    g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, mtu);
    api_error_set(error, "INVALID_VALUE", "MTU", text, NULL);
    return false;
}

bool
network_check_value(const struct dm_field *field, GVariant *value, GError **error)
{
    return field != dm_field_find(network_class(), "MTU") ||
           network_check_mtu(g_variant_get_int64(value), error);
}

gint64
network_mtu(const struct model *model, const char *network)
{
    return CLAMP(model_get_int(model, network, "MTU"), BRIDGE_MTU_MIN, BRIDGE_MTU_MAX);
}

/* ---- bridges ---- */

/* The names of all of them, as a set. */
static GHashTable *
bridges_taken(const struct model *model)
{
    GHashTable *taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GPtrArray) all = model_all(model, network_class());

    for (guint i = 0; i < all->len; i++)
        g_hash_table_add(taken, model_get_string(model, all->pdata[i], "bridge"));
    return taken;
}

bool
network_bridge_is_taken(const struct model *model, const char *bridge)
{
    g_autoptr(GHashTable) taken = bridges_taken(model);

    return g_hash_table_contains(taken, bridge);
}

char *
network_free_bridge(const struct model *model)
{
    g_autoptr(GHashTable) taken = bridges_taken(model);

    for (guint number = 0;; number++) {
        g_autofree char *bridge = g_strdup_printf("xapi%u", number);
        if (!g_hash_table_contains(taken, bridge))
            return g_steal_pointer(&bridge);
    }
}

char *
network_pif(const struct model *model, const char *network, const char *host)
{
    g_autoptr(GPtrArray) pifs =
        model_referrers(model, network, dm_field_find(pif_class(), "network"));

    for (guint i = 0; i < pifs->len; i++) {
        g_autofree char *its = model_get_string(model, pifs->pdata[i], "host");
        if (g_str_equal(its, host))
            return g_strdup(pifs->pdata[i]);
    }
    return NULL;
}
