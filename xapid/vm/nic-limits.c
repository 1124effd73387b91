/* What a guest may send by its network cards: locks to addresses, and limits of rate; see vm.h. */
#include "config.h"

#include <gio/gio.h>

#include "lib/error.h"
#include "xapid/vm/vm.h"

/* ---- addresses ---- */

/* The shortest writing of an address that a guest may have, the caller's; NULL: it is none. */
static char *
address_text(const char *text, GSocketFamily family)
{
    g_autoptr(GInetAddress) address = g_inet_address_new_from_string(text);

    if (!address || g_inet_address_get_family(address) != family ||
        g_inet_address_get_is_any(address) || g_inet_address_get_is_multicast(address) ||
        g_inet_address_get_is_loopback(address))
        return NULL;
    return g_inet_address_to_string(address);
}

GVariant *
vif_addresses(const char *field, GVariant *addresses, GError **error)
{
    bool ipv4 = g_str_equal(field, "ipv4_allowed");
    g_autoptr(GPtrArray) out = g_ptr_array_new_with_free_func(g_free);
    g_autofree const char **given = g_variant_get_strv(addresses, NULL);

    for (gsize i = 0; given[i]; i++) {
        char *text = address_text(given[i], ipv4 ? G_SOCKET_FAMILY_IPV4 : G_SOCKET_FAMILY_IPV6);
        if (!text) {
            api_error_set(error, "INVALID_IP_ADDRESS_SPECIFIED", field, NULL);
            return NULL;
        }
        if (g_ptr_array_find_with_equal_func(out, text, g_str_equal, NULL))
            g_free(text);
        else
            g_ptr_array_add(out, text);
    }
    if (out->len > VIF_ADDRESSES_MAX) {
        g_autofree char *limit = g_strdup_printf("more than %d addresses", VIF_ADDRESSES_MAX);
        api_error_set(error, "INVALID_VALUE", field, limit, NULL);
        return NULL;
    }
    return g_variant_ref_sink(g_variant_new_strv((const char *const *)out->pdata, out->len));
}

static void
add_words(GString *lock, GVariant *addresses)
{
    g_autofree const char **words = g_variant_get_strv(addresses, NULL);

    for (gsize i = 0; words[i]; i++)
        g_string_append_printf(lock, " %s", words[i]);
}

char *
vif_lock(const struct model *model, const char *vif, const char *network, GVariant *changes)
{
    g_autoptr(GVariant) mode = vif_field(model, vif, "locking_mode", changes);
    g_autoptr(GVariant) ipv4 = vif_field(model, vif, "ipv4_allowed", changes);
    g_autoptr(GVariant) ipv6 = vif_field(model, vif, "ipv6_allowed", changes);
    g_autoptr(GString) lock = g_string_new(g_variant_get_string(mode, NULL));

    if (g_str_equal(lock->str, "network_default"))
        return model_get_string(model, network, "default_locking_mode");
    if (g_str_equal(lock->str, "locked")) {
        add_words(lock, ipv4);
        add_words(lock, ipv6);
    }
    return g_strdup(lock->str);
}

/* ---- rates ---- */

static bool
is_kbps(const char *text, int *ret_kbps)
{
    guint64 kbps;

    if (!g_ascii_string_to_unsigned(text, 10, 1, VIF_KBPS_MAX, &kbps, NULL))
        return false;
    *ret_kbps = (int)kbps;
    return true;
}

int
vif_kbps(const struct model *model, const char *vif)
{
    g_autofree char *type = model_get_string(model, vif, "qos_algorithm_type");
    g_autofree char *text = model_get_map_value(model, vif, "qos_algorithm_params", "kbps");
    int kbps = 0;

    return g_str_equal(type, "ratelimit") && text && is_kbps(text, &kbps) ? kbps : 0;
}

bool
vif_check_value(const struct dm_field *field, GVariant *value, GError **error)
{
    const char *text;
    int kbps;

    if (field != dm_field_find(vif_class(), "qos_algorithm_params") ||
        !g_variant_lookup(value, "kbps", "&s", &text) || is_kbps(text, &kbps))
        return true;
    api_error_set(error, "INVALID_VALUE", "qos_algorithm_params:kbps", text, NULL);
    return false;
}

bool
vif_check_new(GVariant *given, GError **error)
{
    GVariantIter iter;
    const char *name;
    GVariant *value;

    g_variant_iter_init(&iter, given);
    while (g_variant_iter_next(&iter, "{&sv}", &name, &value)) {
        g_autoptr(GVariant) owned = value;
        if (!vif_check_value(dm_field_find(vif_class(), name), value, error))
            return false;
    }
    return true;
}

bool
vif_take_addresses(GVariant *given, GVariantDict *fields, GError **error)
{
    static const char *const names[] = {"ipv4_allowed", "ipv6_allowed"};

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(GVariant) addresses =
            g_variant_lookup_value(given, names[i], G_VARIANT_TYPE_STRING_ARRAY);
        g_autoptr(GVariant) kept = addresses ? vif_addresses(names[i], addresses, error) : NULL;
        if (addresses && !kept)
            return false;
        if (kept && fields)
            g_variant_dict_insert_value(fields, names[i], kept);
    }
    return true;
}
