/* What is to be on a host, as the model has it. */
#include "config.h"

#include "lib/error.h"
#include "xapid/net/net.h"

/* Does it lead its network's bridge, which we make, out?  It may be NULL. */
static bool
leads_out(const struct model *model, const char *network, const char *pif)
{
    return pif && model_get_bool(model, network, "managed") &&
           model_get_bool(model, pif, "managed") &&
           model_get_bool(model, pif, "currently_attached");
}

GVariant *
network_led_out_by(const struct model *model, const char *network, const char *pif)
{
    g_autofree char *bridge = model_get_string(model, network, "bridge");
    g_autofree char *device = pif ? model_get_string(model, pif, "device") : g_strdup("");
    gint32 tag = pif ? (gint32)model_get_int(model, pif, "VLAN") : VLAN_NONE;

    return g_variant_new("(sbusi@(asssa{ss}))", bridge, model_get_bool(model, network, "managed"),
                         (guint32)network_mtu(model, network), device, tag,
                         bond_desired(model, pif));
}

GVariant *
network_desired(const struct model *model, const char *network, const char *host)
{
    g_autofree char *pif = network_pif(model, network, host);

    return network_led_out_by(model, network, leads_out(model, network, pif) ? pif : NULL);
}

static void
add_desired(const struct model *model, const char *host, bool vlans, GVariantBuilder *all,
            GPtrArray *networks)
{
    g_autoptr(GPtrArray) rows = model_all(model, network_class());

    for (guint i = 0; i < rows->len; i++) {
        g_autofree char *pif = network_pif(model, rows->pdata[i], host);
        if (!model_get_bool(model, rows->pdata[i], "managed") ||
            (pif && pif_is_vlan(model, pif)) != vlans)
            continue;
        bool led = leads_out(model, rows->pdata[i], pif);
        g_variant_builder_add_value(all,
                                    network_led_out_by(model, rows->pdata[i], led ? pif : NULL));
        g_ptr_array_add(networks, rows->pdata[i]);
    }
}

GVariant *
networks_desired(const struct model *model, const char *host, GPtrArray **ret_networks)
{
    GPtrArray *networks = g_ptr_array_new();
    GVariantBuilder all;

    g_variant_builder_init(&all, G_VARIANT_TYPE("a" NETWORK_TYPE));
    add_desired(model, host, false, &all, networks);
    add_desired(model, host, true, &all, networks);
    *ret_networks = networks;
    return g_variant_builder_end(&all);
}

bool
network_is_plugged(const struct model *model, const char *network, const char *host, GError **error)
{
    g_autofree char *pif = network_pif(model, network, host);

    if (!pif || !model_get_bool(model, network, "managed"))
        return true;
    if (!model_get_bool(model, pif, "managed"))
        api_error_set(error, "PIF_UNMANAGED", pif, NULL);
    else if (!model_get_bool(model, pif, "currently_attached"))
        api_error_set(error, "REQUIRED_PIF_IS_UNPLUGGED", pif, NULL);
    else
        return true;
    return false;
}
