/* The addresses of the host on its PIFs: what may be asked for, and what is to be. */
#include "config.h"

#include <arpa/inet.h>
#include <string.h>

#include "lib/error.h"
#include "lib/ip-address.h"
#include "xapid/net/net.h"

#define DNS_SERVERS_MAX 16
#define AUTOCONF "autoconf" /* as ApplyAddresses has it */

const char *const pif_addressing[] = {"ip_configuration_mode",
                                      "IP",
                                      "netmask",
                                      "gateway",
                                      "DNS",
                                      "ipv6_configuration_mode",
                                      "IPv6",
                                      "ipv6_gateway",
                                      "primary_address_type",
                                      NULL};

/* ---- what may be asked for ---- */

static bool
is_static(const char *mode)
{
    return g_str_equal(mode, "Static");
}

static bool
refuse(const char *parameter, GError **error)
{
    api_error_set(error, "INVALID_IP_ADDRESS_SPECIFIED", parameter, NULL);
    return false;
}

/* Addresses of either family, separated by commas. */
static bool
check_dns(const char *dns, GError **error)
{
    g_auto(GStrv) servers = g_strsplit(dns, ",", -1);
    struct ip_prefix address;

    if (*dns && g_strv_length(servers) > DNS_SERVERS_MAX)
        return refuse("DNS", error);
    for (char **server = servers; *dns && *server; server++)
        if (!ip_parse(*server, AF_INET, &address) && !ip_parse(*server, AF_INET6, &address))
            return refuse("DNS", error);
    return true;
}

static bool
check_gateway(const struct ip_prefix *prefix, const char *gateway, GError **error)
{
    struct ip_prefix address;

    if (*gateway &&
        (!ip_parse(gateway, prefix->family, &address) || !ip_is_neighbour(prefix, &address)))
        return refuse("gateway", error);
    return true;
}

bool
addressing_check_ipv4(const struct addressing_ipv4 *wanted, GError **error)
{
    struct ip_prefix prefix;

    if (!is_static(wanted->mode))
        return true;
    if (!ip_parse(wanted->ip, AF_INET, &prefix))
        return refuse("IP", error);
    if (!ip_netmask_bits(wanted->netmask, &prefix.bits))
        return refuse("netmask", error);
    if (!ip_is_of_host(&prefix))
        return refuse("IP", error);
    return check_gateway(&prefix, wanted->gateway, error) && check_dns(wanted->dns, error);
}

bool
addressing_check_ipv6(const struct addressing_ipv6 *wanted, GError **error)
{
    struct ip_prefix prefix;

    if (!is_static(wanted->mode))
        return true;
    if (!ip_parse_prefix(wanted->ipv6, AF_INET6, &prefix) || !ip_is_of_host(&prefix)) {
        api_error_set(error, "INVALID_CIDR_ADDRESS_SPECIFIED", "IPv6", NULL);
        return false;
    }
    return check_gateway(&prefix, wanted->gateway, error) && check_dns(wanted->dns, error);
}

void
addressing_set_ipv4(struct txn *txn, const char *pif, const struct addressing_ipv4 *wanted)
{
    const char *const texts[][2] = {{"IP", wanted->ip},
                                    {"netmask", wanted->netmask},
                                    {"gateway", wanted->gateway},
                                    {"DNS", wanted->dns}};

    txn_set_string(txn, pif, "ip_configuration_mode", wanted->mode);
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        txn_set_string(txn, pif, texts[i][0], is_static(wanted->mode) ? texts[i][1] : "");
}

/* The servers of names are those of IPv4 as well. */
void
addressing_set_ipv6(struct txn *txn, const char *pif, const struct addressing_ipv6 *wanted)
{
    bool has = is_static(wanted->mode);

    txn_set_string(txn, pif, "ipv6_configuration_mode", wanted->mode);
    txn_set_value(txn, pif, "IPv6", g_variant_new_strv(&wanted->ipv6, has ? 1 : 0));
    txn_set_string(txn, pif, "ipv6_gateway", has ? wanted->gateway : "");
    if (has && *wanted->dns)
        txn_set_string(txn, pif, "DNS", wanted->dns);
}

/* ---- what is to be ---- */

char *
pif_of_management(const struct model *model, const char *host)
{
    g_autoptr(GPtrArray) pifs = model_referrers(model, host, dm_field_find(pif_class(), "host"));

    for (guint i = 0; i < pifs->len; i++)
        if (model_get_bool(model, pifs->pdata[i], "management") &&
            model_get_bool(model, pifs->pdata[i], "managed"))
            return g_strdup(pifs->pdata[i]);
    return NULL;
}

bool
pif_has_addresses(const struct model *model, const char *pif)
{
    g_autofree char *mode = model_get_string(model, pif, "ip_configuration_mode");
    g_autofree char *mode6 = model_get_string(model, pif, "ipv6_configuration_mode");

    return !g_str_equal(mode, "None") || !g_str_equal(mode6, "None");
}

/* Its first of IPv6, with the prefix; "" without one.  The caller frees. */
static char *
first_ipv6(const struct model *model, const char *pif)
{
    g_autoptr(GVariant) all = model_get(model, pif, dm_field_find(pif_class(), "IPv6"));
    const char *first = "";

    if (g_variant_n_children(all))
        g_variant_get_child(all, 0, "&s", &first);
    return g_strdup(first);
}

char *
pif_address(const struct model *model, const char *pif)
{
    g_autofree char *type = model_get_string(model, pif, "primary_address_type");
    char *address =
        g_str_equal(type, "IPv6") ? first_ipv6(model, pif) : model_get_string(model, pif, "IP");
    char *slash = strchr(address, '/');

    if (slash)
        *slash = '\0';
    if (!*address)
        g_clear_pointer(&address, g_free);
    return address;
}

char *
addressing_prefix(const char *ip, const char *netmask)
{
    unsigned bits;

    return ip_netmask_bits(netmask, &bits) ? g_strdup_printf("%s/%u", ip, bits) : g_strdup("");
}

static GVariant *
addressing_of(const struct model *model, const char *pif)
{
    bool leads_out = model_get_bool(model, pif, "management");
    g_autofree char *network = model_get_string(model, pif, "network");
    g_autofree char *bridge = model_get_string(model, network, "bridge");
    g_autofree char *mode = model_get_string(model, pif, "ip_configuration_mode");
    g_autofree char *mode6 = model_get_string(model, pif, "ipv6_configuration_mode");
    g_autofree char *ip = model_get_string(model, pif, "IP");
    g_autofree char *netmask = model_get_string(model, pif, "netmask");
    g_autofree char *gateway = model_get_string(model, pif, "gateway");
    g_autofree char *gateway6 = model_get_string(model, pif, "ipv6_gateway");
    g_autofree char *address = is_static(mode) ? addressing_prefix(ip, netmask) : g_strdup("");
    g_autofree char *address6 = is_static(mode6)                 ? first_ipv6(model, pif)
                                : g_str_equal(mode6, "Autoconf") ? g_strdup(AUTOCONF)
                                                                 : g_strdup("");

    return g_variant_new(ADDRESSING_TYPE, bridge, address, leads_out ? gateway : "", address6,
                         leads_out ? gateway6 : "");
}

/* Is its bridge one of ours, on which we say what there is? */
static bool
is_addressable(const struct model *model, const char *pif)
{
    g_autofree char *network = model_get_string(model, pif, "network");

    return model_get_bool(model, pif, "managed") &&
           model_get_bool(model, pif, "currently_attached") &&
           model_get_bool(model, network, "managed");
}

GVariant *
addresses_desired(const struct model *model, const char *host, GPtrArray **ret_pifs,
                  char **ret_servers)
{
    g_autoptr(GPtrArray) pifs = model_referrers(model, host, dm_field_find(pif_class(), "host"));
    g_autofree char *management = pif_of_management(model, host);
    GPtrArray *told = g_ptr_array_new();
    GVariantBuilder all;

    g_variant_builder_init(&all, G_VARIANT_TYPE("a" ADDRESSING_TYPE));
    for (guint i = 0; i < pifs->len; i++) {
        if (!is_addressable(model, pifs->pdata[i]))
            continue;
        g_variant_builder_add_value(&all, addressing_of(model, pifs->pdata[i]));
        g_ptr_array_add(told, pifs->pdata[i]);
    }
    *ret_pifs = told;
    *ret_servers = management ? model_get_string(model, management, "DNS") : g_strdup("");
    return g_variant_builder_end(&all);
}

void
addresses_seen(struct txn *txn, const char *pif, const char *const *there)
{
    const struct model *model = txn_model(txn);
    g_autofree char *mode6 = model_get_string(model, pif, "ipv6_configuration_mode");
    g_autoptr(GPtrArray) ipv6 = g_ptr_array_new();

    for (; *there; there++)
        if (strchr(*there, ':'))
            g_ptr_array_add(ipv6, (void *)*there);
    if (g_str_equal(mode6, "Autoconf"))
        txn_set_value(txn, pif, "IPv6",
                      g_variant_new_strv((const char *const *)ipv6->pdata, (gssize)ipv6->len));
}
