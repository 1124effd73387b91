/* The rows of PIFs, from what xapid-host tells of interfaces. */
#include "config.h"

#include <arpa/inet.h>
#include <string.h>

#include "lib/bridge-name.h"
#include "lib/error.h"
#include "lib/member.h"
#include "xapid/net/net.h"

#define NETWORK_LABEL "Pool-wide network associated with %s" /* as XAPI calls it */

static const struct dm_class *
metrics_class(void)
{
    return dm_class_find("PIF_metrics", false);
}

bool
pif_is_vlan(const struct model *model, const char *pif)
{
    return model_get_int(model, pif, "VLAN") != VLAN_NONE;
}

/* Does the host use it, or something else of the administrator's? */
static bool
is_used(GVariant *interface)
{
    g_autofree const char **addresses = NULL;

    g_variant_lookup(interface, "addresses", "^a&s", &addresses);
    return (addresses && *addresses) || *member_text(interface, "bridge") ||
           member_flag(interface, "part");
}

/* ---- which interface is which PIF's ---- */

GVariant *
pifs_find(GVariant *interfaces, const char *device, const char *mac)
{
    GVariantIter iter;
    GVariant *interface;

    g_variant_iter_init(&iter, interfaces);
    while ((interface = g_variant_iter_next_value(&iter))) {
        if ((!device || g_str_equal(member_text(interface, "name"), device)) &&
            (!*mac || g_ascii_strcasecmp(member_text(interface, "mac"), mac) == 0))
            return interface;
        g_variant_unref(interface);
    }
    return NULL;
}

char *
pif_of_device(const struct model *model, const char *host, const char *device)
{
    g_autoptr(GPtrArray) pifs = model_referrers(model, host, dm_field_find(pif_class(), "host"));

    for (guint i = 0; i < pifs->len; i++) {
        g_autofree char *its = model_get_string(model, pifs->pdata[i], "device");
        if (g_str_equal(its, device) && !pif_is_vlan(model, pifs->pdata[i]))
            return g_strdup(pifs->pdata[i]);
    }
    return NULL;
}

/* ---- facts ---- */

static char *
netmask_of(const char *prefix)
{
    guint64 bits = CLAMP(g_ascii_strtoll(prefix, NULL, 10), 0, 32);
    struct in_addr mask = {htonl(bits ? (guint32)(G_MAXUINT32 << (32 - bits)) : 0)};
    char text[INET_ADDRSTRLEN];

    return g_strdup(inet_ntop(AF_INET, &mask, text, sizeof text));
}

/* What this machine has there; of IPv4 addresses the first one counts. */
static void
set_addresses(struct txn *txn, const char *pif, GVariant *interface)
{
    static const char *const empty[] = {"gateway", "ipv6_gateway", "DNS"};
    static const char *const members[] = {"gateway", "gateway6", "dns"};
    const char *mode = member_flag(interface, "dynamic") ? "DHCP" : "Static";
    g_autofree const char **all = NULL;
    g_autofree char *ip = g_strdup(""), *netmask = g_strdup("");
    g_autoptr(GPtrArray) ipv6 = g_ptr_array_new();

    g_variant_lookup(interface, "addresses", "^a&s", &all);
    for (const char **one = all; one && *one; one++) {
        g_auto(GStrv) parts = g_strsplit(*one, "/", 2);
        if (g_strv_length(parts) != 2)
            continue;
        if (strchr(parts[0], ':')) {
            g_ptr_array_add(ipv6, (void *)*one);
        } else if (!*ip) {
            g_free(ip);
            g_free(netmask);
            ip = g_strdup(parts[0]);
            netmask = netmask_of(parts[1]);
        }
    }
    txn_set_string(txn, pif, "IP", ip);
    txn_set_string(txn, pif, "netmask", netmask);
    txn_set_value(txn, pif, "IPv6",
                  g_variant_new_strv((const char *const *)ipv6->pdata, (gssize)ipv6->len));
    txn_set_string(txn, pif, "ip_configuration_mode", *ip ? mode : "None");
    txn_set_string(txn, pif, "ipv6_configuration_mode", ipv6->len ? mode : "None");
    for (gsize i = 0; i < G_N_ELEMENTS(empty); i++)
        txn_set_string(txn, pif, empty[i], member_text(interface, members[i]));
}

/* last_updated tells when they changed, not when somebody looked. */
static void
set_metrics(struct txn *txn, const char *metrics, GVariant *interface)
{
    static const char *const texts[][2] = {
        {"vendor_id", "vendor_id"}, {"device_id", "device_id"}, {"pci_bus_path", "bus_path"}};
    static const char *const flags[] = {"carrier", "duplex"};
    const struct model *model = txn_model(txn);
    gint64 speed = member_int(interface, "speed");
    bool changed = speed != model_get_int(model, metrics, "speed");

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        txn_set_string(txn, metrics, texts[i][0], member_text(interface, texts[i][1]));
    for (gsize i = 0; i < G_N_ELEMENTS(flags); i++) {
        bool flag = member_flag(interface, flags[i]);
        changed = changed || flag != model_get_bool(model, metrics, flags[i]);
        txn_set_value(txn, metrics, flags[i], g_variant_new_boolean(flag));
    }
    txn_set_value(txn, metrics, "speed", g_variant_new_int64(speed));
    if (changed)
        txn_set_value(txn, metrics, "last_updated", g_variant_new_int64(g_get_real_time()));
}

/* One that the kernel calls something else now, with the VLANs on it. */
static void
set_device(struct txn *txn, const char *pif, const char *device)
{
    const struct model *model = txn_model(txn);
    g_autoptr(GPtrArray) vlans =
        model_referrers(model, pif, dm_field_find(dm_class_find("VLAN", false), "tagged_PIF"));

    txn_set_string(txn, pif, "device", device);
    for (guint i = 0; i < vlans->len; i++) {
        g_autofree char *above = model_get_string(model, vlans->pdata[i], "untagged_PIF");
        if (model_has(model, pif_class(), above))
            txn_set_string(txn, above, "device", device);
    }
}

static void
refresh(struct txn *txn, const char *pif, GVariant *interfaces)
{
    const struct model *model = txn_model(txn);
    g_autofree char *device = model_get_string(model, pif, "device");
    g_autofree char *mac = model_get_string(model, pif, "MAC");
    g_autofree char *metrics = model_get_string(model, pif, "metrics");
    g_autoptr(GVariant) interface = pifs_find(interfaces, device, mac);
    g_autoptr(GVariant) none = g_variant_ref_sink(g_variant_new("a{sv}", NULL));

    if (!interface)
        interface = pifs_find(interfaces, NULL, mac);
    if (interface) {
        set_device(txn, pif, member_text(interface, "name"));
        txn_set_value(txn, pif, "MTU", g_variant_new_int64(member_int(interface, "mtu")));
    }
    GVariant *facts = interface ? interface : none; /* pulled out of the machine */
    if (!model_get_bool(model, pif, "managed"))     /* else they are what was asked for */
        set_addresses(txn, pif, facts);
    if (model_has(model, metrics_class(), metrics))
        set_metrics(txn, metrics, facts);
    if (!model_get_bool(model, pif, "managed"))
        txn_set_value(txn, pif, "currently_attached",
                      g_variant_new_boolean(member_flag(facts, "up")));
}

static bool
has_address(GVariant *interface, const char *address)
{
    g_autofree const char **all = NULL;

    g_variant_lookup(interface, "addresses", "^a&s", &all);
    for (const char **one = all; one && *one; one++)
        if (g_str_has_prefix(*one, address) && (*one)[strlen(address)] == '/')
            return true;
    return false;
}

/* The one by which the host is managed: that of its address, or, when that is none of this
 * machine's (behind a translation of addresses), the one that leads out; NULL when it has none. The
 * caller frees. */
static char *
management_device(GVariant *interfaces, const char *address)
{
    g_autofree char *leads_out = NULL;

    for (gsize i = 0; i < g_variant_n_children(interfaces); i++) {
        g_autoptr(GVariant) interface = g_variant_get_child_value(interfaces, i);
        if (has_address(interface, address))
            return g_strdup(member_text(interface, "name"));
        if (!leads_out && *member_text(interface, "gateway"))
            leads_out = g_strdup(member_text(interface, "name"));
    }
    return g_steal_pointer(&leads_out);
}

static void
set_management(struct txn *txn, const char *pif, const char *device)
{
    g_autoptr(GVariant) its = txn_get(txn, pif, dm_field_find(pif_class(), "device"));
    bool is = device && g_str_equal(g_variant_get_string(its, NULL), device);

    txn_set_value(txn, pif, "management", g_variant_new_boolean(is));
}

/* After their members. */
static void
refresh_bonds(struct txn *txn)
{
    g_autoptr(GPtrArray) bonds = model_all(txn_model(txn), bond_class());

    for (guint i = 0; i < bonds->len; i++)
        bond_refresh(txn, bonds->pdata[i]);
}

bool
pifs_refresh(struct model *model, const char *host, const char *address, GVariant *interfaces,
             GError **error)
{
    g_autoptr(GPtrArray) pifs = model_referrers(model, host, dm_field_find(pif_class(), "host"));
    g_autofree char *management = management_device(interfaces, address);
    g_autofree char *chosen = pif_of_management(model, host);
    struct txn *txn = model_begin(model, error);

    if (!txn)
        return false;
    for (guint i = 0; i < pifs->len; i++) {
        g_autofree char *bond = pif_bond(model, pifs->pdata[i]);
        if (pif_is_vlan(model, pifs->pdata[i]) || bond)
            continue;
        refresh(txn, pifs->pdata[i], interfaces);
        if (!chosen)
            set_management(txn, pifs->pdata[i], management);
    }
    refresh_bonds(txn);
    return txn_commit(txn, error) != 0;
}

/* ---- new ones ---- */

/* eth0's is xenbr0, as XAPI has it, enp3s0's brenp3s0. */
static char *
bridge_for(const char *device)
{
    return g_str_has_prefix(device, "eth") ? g_strconcat("xenbr", device + 3, NULL)
                                           : g_strconcat("br", device, NULL);
}

/* A network that has this bridge, made by us or not, and no PIF of the host; borrowed, or NULL. */
static const char *
network_of_bridge(const struct model *model, const char *host, const char *bridge, bool managed)
{
    g_autoptr(GPtrArray) all = model_all(model, network_class());

    for (guint i = 0; i < all->len; i++) {
        g_autofree char *its = model_get_string(model, all->pdata[i], "bridge");
        if (!g_str_equal(its, bridge) || model_get_bool(model, all->pdata[i], "managed") != managed)
            continue;
        g_autofree char *pif = network_pif(model, all->pdata[i], host);
        if (!pif)
            return all->pdata[i];
    }
    return NULL;
}

/* That of the administrator's bridge which it is in; else one of its own, that of an earlier PIF of
 * this name if it is there still.  A name that is none, or taken, becomes xapiN. */
static const char *
network_for(struct txn *txn, const char *host, GVariant *interface, GError **error)
{
    const struct model *model = txn_model(txn);
    const char *device = member_text(interface, "name"), *theirs = member_text(interface, "bridge");
    g_autofree char *label = g_strdup_printf(NETWORK_LABEL, device);
    bool is_theirs = bridge_name_is_valid(theirs);
    g_autofree char *bridge = is_theirs ? g_strdup(theirs) : bridge_for(device);
    const char *there = network_of_bridge(model, host, bridge, !is_theirs);
    GVariantDict fields;

    if (there)
        return there;
    if (!bridge_name_is_valid(bridge) || network_bridge_is_taken(model, bridge)) {
        is_theirs = false;
        g_free(bridge);
        bridge = network_free_bridge(model);
    }
    g_variant_dict_init(&fields, NULL);
    g_variant_dict_insert(&fields, "name_label", "s", label);
    g_variant_dict_insert(&fields, "MTU", "x",
                          CLAMP(member_int(interface, "mtu"), BRIDGE_MTU_MIN, BRIDGE_MTU_MAX));
    g_variant_dict_insert(&fields, "bridge", "s", bridge);
    g_variant_dict_insert(&fields, "managed", "b", !is_theirs);
    return txn_create(txn, network_class(), NULL, g_variant_dict_end(&fields), error);
}

const char *
pif_introduce(struct txn *txn, const char *host, GVariant *interface, bool managed, GError **error)
{
    const char *network = network_for(txn, host, interface, error);
    g_autoptr(GVariant) none = g_variant_ref_sink(g_variant_new("a{sv}", NULL));
    const char *metrics = network ? txn_create(txn, metrics_class(), NULL, none, error) : NULL;
    bool is_ours = managed && !is_used(interface);
    GVariantDict fields;

    if (!metrics)
        return NULL;
    g_variant_dict_init(&fields, NULL);
    g_variant_dict_insert(&fields, "device", "s", member_text(interface, "name"));
    g_variant_dict_insert(&fields, "MAC", "s", member_text(interface, "mac"));
    g_variant_dict_insert(&fields, "MTU", "x", member_int(interface, "mtu"));
    g_variant_dict_insert(&fields, "VLAN", "x", (gint64)VLAN_NONE);
    g_variant_dict_insert(&fields, "physical", "b", TRUE);
    g_variant_dict_insert(&fields, "host", "s", host);
    g_variant_dict_insert(&fields, "network", "s", network);
    g_variant_dict_insert(&fields, "metrics", "s", metrics);
    g_variant_dict_insert(&fields, "managed", "b", is_ours);
    g_variant_dict_insert(&fields, "currently_attached", "b",
                          !is_ours && member_flag(interface, "up"));
    return txn_create(txn, pif_class(), NULL, g_variant_dict_end(&fields), error);
}

static bool
has_pif(const struct model *model, const char *host, GVariant *interface)
{
    g_autoptr(GPtrArray) pifs = model_referrers(model, host, dm_field_find(pif_class(), "host"));

    for (guint i = 0; i < pifs->len; i++) {
        g_autofree char *mac = model_get_string(model, pifs->pdata[i], "MAC");
        if (g_ascii_strcasecmp(mac, member_text(interface, "mac")) == 0)
            return true;
    }
    return false;
}

/* A transaction for each: it sees the networks that the one before made. */
static bool
scan_one(struct model *model, const char *host, GVariant *interface, GError **error)
{
    struct txn *txn;

    if (!member_flag(interface, "physical") ||
        !bridge_name_is_valid(member_text(interface, "name")) || has_pif(model, host, interface))
        return true;
    if (!(txn = model_begin(model, error)))
        return false;
    if (pif_introduce(txn, host, interface, true, error))
        return txn_commit(txn, error) != 0;
    txn_abort(txn);
    return false;
}

bool
pifs_scan(struct model *model, const char *host, const char *address, GVariant *interfaces,
          bool is_asked, GError **error)
{
    g_autoptr(GPtrArray) pifs = model_referrers(model, host, dm_field_find(pif_class(), "host"));
    GVariantIter iter;
    GVariant *interface;
    bool ok = true;

    g_variant_iter_init(&iter, interfaces);
    while (ok && (is_asked || !pifs->len) && (interface = g_variant_iter_next_value(&iter))) {
        ok = scan_one(model, host, interface, error);
        g_variant_unref(interface);
    }
    return ok && pifs_refresh(model, host, address, interfaces, error);
}

/* ---- the end ---- */

bool
pif_destroy(struct txn *txn, const char *pif, GError **error)
{
    const struct model *model = txn_model(txn);
    g_autofree char *vlan = model_get_string(model, pif, "VLAN_master_of");
    g_autofree char *metrics = model_get_string(model, pif, "metrics");

    if (model_has(model, dm_class_find("VLAN", false), vlan) && !txn_destroy(txn, vlan, error))
        return false;
    /* A VLAN has those of the PIF below. */
    if (!pif_is_vlan(model, pif) && model_has(model, metrics_class(), metrics) &&
        !txn_destroy(txn, metrics, error))
        return false;
    return txn_destroy(txn, pif, error);
}
