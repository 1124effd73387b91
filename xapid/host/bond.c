/* Bonds of Linux, and what xapid says of a bond.  A bond of ours has our mark (lib/link.h), and so
 * has each interface that we put into one. */
#include "config.h"

#include <errno.h>
#include <linux/if_bonding.h>
#include <string.h>

#include "lib/faults.h"
#include "xapid/host/bridge.h"

/* ---- what xapid says ---- */

bool
bond_is_given(GVariant *value)
{
    g_autoptr(GVariant) members = g_variant_get_child_value(value, 0);

    return g_variant_n_children(members) > 0;
}

static const char *
read_members(GVariant *members, struct bond *bond)
{
    gsize n = g_variant_n_children(members);

    if (n < BOND_MEMBERS_MIN || n > BOND_MEMBERS_MAX)
        return "a bond has not that many interfaces";
    for (gsize i = 0; i < n; i++) {
        const char *name;
        g_variant_get_child(members, i, "&s", &name);
        if (!bridge_name_is_valid(name) || bond_has_member(bond, name))
            return "member is no interface, or twice in the bond";
        g_strlcpy(bond->names[i], name, sizeof bond->names[i]);
        bond->members[i] = bond->names[i];
    }
    return NULL;
}

static const char *
read_settings(const char *mode, GVariantIter *properties, struct bond_settings *settings)
{
    const char *name, *value;

    if (!bond_settings_init(settings, mode))
        return "mode is none of a bond";
    while (g_variant_iter_next(properties, "{&s&s}", &name, &value))
        if (!bond_settings_set(settings, name, value))
            return "property is none of that mode";
    return NULL;
}

const char *
bond_read(GVariant *value, struct bond *ret_bond)
{
    g_autoptr(GVariant) members = NULL;
    g_autoptr(GVariantIter) properties = NULL;
    const char *mac, *mode, *wrong;

    *ret_bond = (struct bond){.mac = {0}};
    g_variant_get(value, "(@as&s&sa{ss})", &members, &mac, &mode, &properties);
    wrong = read_members(members, ret_bond);
    if (wrong)
        return wrong;
    if (!nic_mac_parse(mac, ret_bond->mac))
        return "mac is none";
    return read_settings(mode, properties, &ret_bond->settings);
}

bool
bond_has_member(const struct bond *bond, const char *name)
{
    return g_strv_contains(bond->members, name);
}

/* ---- a bond of Linux ---- */

static bool
is_ours(const struct link *link)
{
    return link->is_bond && link->group == LINK_GROUP_OURS;
}

/* Spread by MAC, a guest's packets take one link, as switches want it that know of no bond. */
static struct link_bond
in_kernel(const struct bond_settings *settings)
{
    if (settings->mode != BOND_LACP)
        return (struct link_bond){.mode = BOND_MODE_ACTIVEBACKUP};
    return (struct link_bond){.mode = BOND_MODE_8023AD,
                              .hash = settings->by_mac ? BOND_XMIT_POLICY_VLAN_SRCMAC
                                                       : BOND_XMIT_POLICY_LAYER34,
                              .lacp_rate = settings->is_fast,
                              .key = (uint16_t)settings->key};
}

static bool
is_as(const struct link_bond *there, const struct link_bond *wanted)
{
    return there->mode == wanted->mode && there->hash == wanted->hash &&
           (wanted->mode != BOND_MODE_8023AD ||
            (there->lacp_rate == wanted->lacp_rate && there->key == wanted->key));
}

struct releasing {
    int bond;                  /* index */
    const struct bond *wanted; /* whose members stay; NULL: none does */
    int rc;
};

static void
release(const struct link *link, void *data)
{
    struct releasing *releasing = data;
    int rc;

    if (link->master != releasing->bond ||
        (releasing->wanted && bond_has_member(releasing->wanted, link->name)))
        return;
    rc = link->is_uplink ? link_release_uplink(link) : link_leave(link);
    if (rc < 0)
        releasing->rc = rc;
}

static int
release_members(const struct link *link, const struct bond *wanted)
{
    struct releasing releasing = {link->index, wanted, 0};
    int rc = link_each(release, &releasing);

    return rc < 0 ? rc : releasing.rc;
}

int
bond_remove(const struct link *link)
{
    int rc = release_members(link, NULL);

    return rc < 0 ? rc : link_remove(link);
}

struct members {
    struct link all[BOND_MEMBERS_MAX];
    gsize n;
};

/* Those that are there.  BRIDGE_UPLINK_USED: one is something else's, or the host's own. */
static int
find_members(const struct bond *bond, int index, struct members *ret_members,
             const char **ret_outcome)
{
    *ret_members = (struct members){.n = 0};
    for (gsize i = 0; bond->members[i]; i++) {
        struct link *link = &ret_members->all[ret_members->n];
        int rc = link_find(bond->members[i], link);
        bool is_free = rc == 0 && link->is_ethernet && index && link->master == index;

        if (rc == -ENODEV)
            continue;
        if (rc == 0 && !is_free)
            rc = uplink_is_free(link, &is_free);
        if (rc < 0)
            return rc;
        if (!is_free) {
            *ret_outcome = BRIDGE_UPLINK_USED;
            return 0;
        }
        ret_members->n++;
    }
    *ret_outcome = ret_members->n ? BRIDGE_READY : BRIDGE_NO_UPLINK;
    return 0;
}

static int
make(const struct bridge *bridge, const struct link_bond *wanted, struct link *ret_link)
{
    int rc = link_make_bond(bridge->uplink, wanted, bridge->bond->mac, bridge->mtu);

    return rc < 0 ? rc : link_find(bridge->uplink, ret_link);
}

static int
change(const struct link *link, const struct link_bond *wanted, struct members *members)
{
    int rc = release_members(link, NULL);

    for (gsize i = 0; i < members->n; i++)
        members->all[i].master = 0;
    return rc < 0 ? rc : link_change_bond(link, wanted);
}

static int
join(struct members *members, const struct link *link)
{
    int rc = 0;

    for (gsize i = 0; i < members->n && rc == 0; i++) {
        if (members->all[i].master != link->index)
            rc = link_join_bond(&members->all[i], link);
        if (!FAULT_POINT("host.bond.member", NULL))
            rc = -ECANCELED;
    }
    return rc;
}

static int
bring_about(const struct bridge *bridge, bool is_there, struct link *link, struct members *members)
{
    const struct link_bond wanted = in_kernel(&bridge->bond->settings);
    int rc;

    if (!is_there)
        rc = make(bridge, &wanted, link);
    else if (!is_as(&link->bond, &wanted))
        rc = change(link, &wanted, members);
    else
        rc = release_members(link, bridge->bond);
    return rc < 0 ? rc : join(members, link);
}

int
bond_ensure(const struct bridge *bridge, struct link *ret_bond, const char **ret_outcome)
{
    struct link link = {0};
    struct members members;
    int rc = link_find(bridge->uplink, &link);
    bool is_there = rc == 0;

    if (bond_settings_wrong_for_kernel(&bridge->bond->settings))
        return -EOPNOTSUPP;
    *ret_outcome = BRIDGE_UPLINK_USED;
    if ((rc < 0 && rc != -ENODEV) || (is_there && !is_ours(&link)))
        return rc;
    rc = find_members(bridge->bond, link.index, &members, ret_outcome);
    if (rc < 0 || strcmp(*ret_outcome, BRIDGE_READY) != 0)
        return rc;
    if (!FAULT_AROUND("host.bond", NULL,
                      (rc = bring_about(bridge, is_there, &link, &members)) == 0))
        return rc < 0 ? rc : -ECANCELED;
    return link_find(bridge->uplink, ret_bond);
}
