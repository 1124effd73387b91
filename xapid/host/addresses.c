#include "config.h"

#include "xapid/host/addresses.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gio/gio.h>
#include <string.h>

#include "lib/bridge-name.h"
#include "lib/ip-address.h"
#include "lib/link.h"

static bool
failed(GError **error, const char *name, const char *what, int rc)
{
    g_set_error(error, G_IO_ERROR, g_io_error_from_errno(-rc), "%s: %s: %s", name, what,
                g_strerror(-rc));
    return false;
}

/* ---- what is asked for ---- */

static bool
is_prefix(const char *text, int family)
{
    struct ip_prefix prefix;

    return !*text || ip_parse_prefix(text, family, &prefix);
}

static bool
is_gateway(const char *text, int family)
{
    struct ip_prefix address;

    return !*text || ip_parse(text, family, &address);
}

const char *
addressing_wrong(const struct addressing *wanted)
{
    if (!bridge_name_is_valid(wanted->interface))
        return "interface is none of a bridge";
    if (!is_prefix(wanted->address, AF_INET))
        return "address is none of IPv4";
    if (!g_str_equal(wanted->address6, ADDRESS_BY_ROUTERS) &&
        !is_prefix(wanted->address6, AF_INET6))
        return "address6 is none of IPv6";
    if (!is_gateway(wanted->gateway, AF_INET) || !is_gateway(wanted->gateway6, AF_INET6))
        return "gateway is no address";
    return NULL;
}

static struct link_address
link_address_of(const struct link *link, const struct ip_prefix *prefix)
{
    struct link_address address = {
        .index = link->index, .family = prefix->family, .prefix = prefix->bits};

    G_STATIC_ASSERT(sizeof address.bytes == sizeof prefix->bytes);
    memcpy(address.bytes, prefix->bytes, sizeof address.bytes);
    return address;
}

/* Neither is there for "". */
static void
add_prefix(GArray *addresses, const struct link *link, const char *text, int family)
{
    struct ip_prefix prefix;

    if (ip_parse_prefix(text, family, &prefix)) {
        const struct link_address address = link_address_of(link, &prefix);
        g_array_append_val(addresses, address);
    }
}

static void
add_gateway(GArray *gateways, const struct link *link, const char *text, int family)
{
    struct ip_prefix address;

    if (ip_parse(text, family, &address)) {
        const struct link_address gateway = link_address_of(link, &address);
        g_array_append_val(gateways, gateway);
    }
}

/* ---- what is ---- */

struct seeing {
    GArray *found; /* of struct link_address */
    int index;     /* of the interface; 0: all */
};

static void
note(const struct link_address *address, void *data)
{
    struct seeing *seeing = data;

    if (!address->is_local && (!seeing->index || address->index == seeing->index))
        g_array_append_vals(seeing->found, address, 1);
}

static GArray *
new_addresses(void)
{
    return g_array_new(FALSE, FALSE, sizeof(struct link_address));
}

static const struct link_address *
at(const GArray *addresses, guint i)
{
    return &g_array_index(addresses, struct link_address, i);
}

static bool
is_among(const GArray *addresses, const struct link_address *one, bool with_prefix)
{
    gsize size = one->family == AF_INET6 ? LINK_ADDRESS_MAX : sizeof(guint32);

    for (guint i = 0; i < addresses->len; i++) {
        const struct link_address *other = at(addresses, i);
        if (other->index == one->index && other->family == one->family &&
            memcmp(other->bytes, one->bytes, size) == 0 &&
            (!with_prefix || other->prefix == one->prefix))
            return true;
    }
    return false;
}

static char **
texts_of(const GArray *addresses)
{
    g_autoptr(GStrvBuilder) texts = g_strv_builder_new();

    for (guint i = 0; i < addresses->len; i++) {
        char text[INET6_ADDRSTRLEN] = "";

        inet_ntop(at(addresses, i)->family, at(addresses, i)->bytes, text, sizeof text);
        g_autofree char *whole = g_strdup_printf("%s/%u", text, at(addresses, i)->prefix);
        g_strv_builder_add(texts, whole);
    }
    return g_strv_builder_end(texts);
}

/* ---- from one to the other ---- */

/* What routers gave stays where they are heard.  New ones first: there is no moment without an
 * address where one replaces another. */
static int
change_addresses(const GArray *wanted, const GArray *there, bool by_routers)
{
    int rc = 0;

    for (guint i = 0; i < wanted->len && rc == 0; i++)
        if (!is_among(there, at(wanted, i), true))
            rc = link_put_address(at(wanted, i));
    for (guint i = 0; i < there->len && rc == 0; i++)
        if (!is_among(wanted, at(there, i), true) &&
            !(by_routers && at(there, i)->family == AF_INET6 && !at(there, i)->is_permanent))
            rc = link_drop_address(at(there, i));
    return rc;
}

static int
change_gateways(const GArray *wanted, const GArray *there)
{
    int rc = 0;

    for (guint i = 0; i < there->len && rc == 0; i++)
        if (at(there, i)->is_ours && !is_among(wanted, at(there, i), false))
            rc = link_drop_gateway(at(there, i));
    for (guint i = 0; i < wanted->len && rc == 0; i++)
        if (!is_among(there, at(wanted, i), false))
            rc = link_put_gateway(at(wanted, i), true);
    return rc;
}

static int
see(int index, GArray *addresses, GArray *gateways)
{
    struct seeing seeing = {addresses, index};
    int rc = link_addresses(note, &seeing);

    if (rc < 0 || !gateways)
        return rc;
    seeing.found = gateways;
    return link_gateways(note, &seeing);
}

static int
apply(const struct link *link, const struct addressing *wanted)
{
    bool by_routers = g_str_equal(wanted->address6, ADDRESS_BY_ROUTERS);
    g_autoptr(GArray) addresses = new_addresses(), gateways = new_addresses();
    g_autoptr(GArray) there = new_addresses(), routes = new_addresses();
    int rc;

    add_prefix(addresses, link, wanted->address, AF_INET);
    add_prefix(addresses, link, wanted->address6, AF_INET6);
    add_gateway(gateways, link, wanted->gateway, AF_INET);
    add_gateway(gateways, link, wanted->gateway6, AF_INET6);
    if (addresses->len || by_routers)
        rc = link_carry_addresses(link, by_routers          ? LINK_IPV6_BY_ROUTERS
                                        : *wanted->address6 ? LINK_IPV6_GIVEN
                                                            : LINK_IPV6_NONE);
    else
        rc = link->is_addressed ? link_carry_none(link) : 0;
    if (rc == 0)
        rc = see(link->index, there, routes);
    if (rc == 0)
        rc = change_addresses(addresses, there, by_routers);
    return rc < 0 ? rc : change_gateways(gateways, routes);
}

/* Open vSwitch's database knows whose its bridges are, and xapid asks for those of its own alone.
 */
static bool
is_ours(const struct link *link)
{
    return link->is_switch || (link->is_bridge && link->group == LINK_GROUP_OURS);
}

bool
addresses_apply(const struct addressing *wanted, const char **ret_outcome, char ***ret_there,
                GError **error)
{
    const char *name = wanted->interface;
    g_autoptr(GArray) there = new_addresses();
    struct link link;
    int rc = link_find(name, &link);

    *ret_outcome = ADDRESSES_MISSING;
    *ret_there = texts_of(there);
    if (rc == -ENODEV || (rc == 0 && !is_ours(&link)))
        return true;
    if (rc == 0)
        rc = apply(&link, wanted);
    if (rc == 0)
        rc = see(link.index, there, NULL);
    if (rc < 0) {
        g_clear_pointer(ret_there, g_strfreev);
        return failed(error, name, "setting its addresses", rc);
    }
    g_strfreev(*ret_there);
    *ret_there = texts_of(there);
    *ret_outcome = ADDRESSES_READY;
    return true;
}

/* ---- the administrator's ---- */

static int
find_foreign(const char *name, struct link *ret_link)
{
    int rc = link_find(name, ret_link);

    return rc == 0 && ret_link->group == LINK_GROUP_OURS ? -EPERM : rc;
}

bool
interface_take(const char *name, GError **error)
{
    g_autoptr(GArray) addresses = new_addresses(), gateways = new_addresses();
    struct link link;
    int rc = find_foreign(name, &link);

    if (rc == 0)
        rc = see(link.index, addresses, gateways);
    for (guint i = 0; i < gateways->len && rc == 0; i++)
        rc = link_drop_gateway(at(gateways, i));
    for (guint i = 0; i < addresses->len && rc == 0; i++)
        rc = link_drop_address(at(addresses, i));
    return rc == 0 || failed(error, name, "taking its addresses", rc);
}

bool
interface_give(const char *name, const char *const *addresses, const char *const *gateways,
               GError **error)
{
    g_autoptr(GArray) all = new_addresses(), routes = new_addresses();
    struct link link;
    int rc = find_foreign(name, &link);

    for (; rc == 0 && *addresses; addresses++)
        add_prefix(all, &link, *addresses, strchr(*addresses, ':') ? AF_INET6 : AF_INET);
    for (; rc == 0 && *gateways; gateways++)
        add_gateway(routes, &link, *gateways, strchr(*gateways, ':') ? AF_INET6 : AF_INET);
    for (guint i = 0; i < all->len && rc == 0; i++)
        rc = link_put_address(at(all, i));
    for (guint i = 0; i < routes->len && rc == 0; i++)
        rc = link_put_gateway(at(routes, i), false);
    return rc == 0 || failed(error, name, "giving its addresses back", rc);
}
