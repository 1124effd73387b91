/* VLANs: a row for the tag, between the PIF below and one that stands for the VLAN. */
#include "config.h"

#include "lib/error.h"
#include "xapid/net/net.h"

static const struct dm_class *
vlan_class(void)
{
    return dm_class_find("VLAN", false);
}

GPtrArray *
pif_vlans(const struct model *model, const char *pif)
{
    return model_referrers(model, pif, dm_field_find(vlan_class(), "tagged_PIF"));
}

/* ---- whether there may be one ---- */

static bool
has_tag(const struct model *model, const char *pif, gint64 tag)
{
    g_autoptr(GPtrArray) vlans = pif_vlans(model, pif);

    for (guint i = 0; i < vlans->len; i++)
        if (model_get_int(model, vlans->pdata[i], "tag") == tag)
            return true;
    return false;
}

static bool
check_pif(const struct model *model, const char *pif, GError **error)
{
    g_autoptr(GVariant) tunnels =
        model_get(model, pif, dm_field_find(pif_class(), "tunnel_access_PIF_of"));

    if (pif_is_vlan(model, pif))
        api_error_set(error, "PIF_IS_VLAN", pif, NULL);
    else if (pif_is_bonded(model, pif))
        api_error_set(error, "CANNOT_ADD_VLAN_TO_BOND_SLAVE", pif, NULL);
    else if (g_variant_n_children(tunnels))
        api_error_set(error, "IS_TUNNEL_ACCESS_PIF", pif, NULL);
    else
        return true;
    return false;
}

bool
vlan_check(const struct model *model, const char *pif, gint64 tag, const char *network,
           GError **error)
{
    g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, tag);
    g_autofree char *host = model_get_string(model, pif, "host");
    g_autofree char *connected = network_pif(model, network, host);

    if (tag < 0 || tag > VLAN_TAG_MAX)
        api_error_set(error, "VLAN_TAG_INVALID", text, NULL);
    else if (!check_pif(model, pif, error))
        return false;
    else if (has_tag(model, pif, tag))
        api_error_set(error, "PIF_VLAN_EXISTS", pif, NULL);
    else if (connected)
        api_error_set(error, "NETWORK_ALREADY_CONNECTED", network, connected, NULL);
    else if (!model_get_bool(model, network, "managed"))
        api_error_set(error, "NETWORK_UNMANAGED", network, NULL);
    else
        return true;
    return false;
}

/* ---- its rows ---- */

static const char *
create_pif(struct txn *txn, const char *below, gint64 tag, const char *network, GError **error)
{
    static const char *const copied[] = {"device", "host", "MAC", "metrics"};
    const struct model *model = txn_model(txn);
    GVariantDict fields;

    g_variant_dict_init(&fields, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(copied); i++) {
        g_autoptr(GVariant) value = model_get(model, below, dm_field_find(pif_class(), copied[i]));
        g_variant_dict_insert_value(&fields, copied[i], value);
    }
    g_variant_dict_insert(&fields, "network", "s", network);
    g_variant_dict_insert(&fields, "MTU", "x", network_mtu(model, network));
    g_variant_dict_insert(&fields, "VLAN", "x", tag);
    g_variant_dict_insert(&fields, "currently_attached", "b", FALSE);
    return txn_create(txn, pif_class(), NULL, g_variant_dict_end(&fields), error);
}

const char *
vlan_create(struct txn *txn, const char *pif, gint64 tag, const char *network, const char **ret_pif,
            GError **error)
{
    const char *above = create_pif(txn, pif, tag, network, error), *vlan;
    GVariantDict fields;

    if (!above)
        return NULL;
    g_variant_dict_init(&fields, NULL);
    g_variant_dict_insert(&fields, "tagged_PIF", "s", pif);
    g_variant_dict_insert(&fields, "untagged_PIF", "s", above);
    g_variant_dict_insert(&fields, "tag", "x", tag);
    vlan = txn_create(txn, vlan_class(), NULL, g_variant_dict_end(&fields), error);
    if (!vlan)
        return NULL;
    txn_set_string(txn, above, "VLAN_master_of", vlan);
    *ret_pif = above;
    return vlan;
}

bool
pif_has_attached_vlans(const struct model *model, const char *pif)
{
    g_autoptr(GPtrArray) vlans = pif_vlans(model, pif);

    for (guint i = 0; i < vlans->len; i++) {
        g_autofree char *above = model_get_string(model, vlans->pdata[i], "untagged_PIF");
        if (model_has(model, pif_class(), above) &&
            model_get_bool(model, above, "currently_attached"))
            return true;
    }
    return false;
}
