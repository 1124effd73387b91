#include "config.h"

#include "xapid/host/ovs-plan.h"

#include <errno.h>
#include <gio/gio.h>
#include <string.h>

static bool
failed(GError **error, const char *name, const char *what, int rc)
{
    g_set_error(error, G_IO_ERROR, g_io_error_from_errno(-rc), "bridge %s: %s: %s", name, what,
                g_strerror(-rc));
    return false;
}

/* ---- a network becomes another kind of bridge ---- */

/* The VLAN's own name and its fake bridge, or NULL. */
static struct ovs_port *
find_vlan(const struct ovs_state *state, const char *name)
{
    struct ovs_port *port = ovs_state_port(state, name);

    return port && port->mark == OVS_VLAN && port->bridge ? port : NULL;
}

static void
move_guests(struct ovs_state *state, struct ovs_bridge *from, int from_tag, struct ovs_bridge *to,
            int to_tag)
{
    g_autoptr(GPtrArray) guests = ovs_bridge_guests(from, from_tag);

    for (guint i = 0; i < guests->len; i++)
        ovs_move_port(state, guests->pdata[i], to, to_tag);
}

/* A bridge of its own, with the guests of the VLAN. */
static struct ovs_bridge *
become_bridge(struct ovs_state *state, const char *datapath, struct ovs_port *vlan)
{
    g_autofree char *name = g_strdup(vlan->name);
    struct ovs_bridge *parent = vlan->bridge, *bridge;
    guint mtu = MAX(vlan->mtu, BRIDGE_MTU_MIN);
    int tag = vlan->tag;

    ovs_remove_port(state, vlan);
    bridge = ovs_add_bridge(state, name, datapath, mtu);
    move_guests(state, parent, tag, bridge, VLAN_NONE);
    return bridge;
}

/* Has it nothing but its own port, what leads it out, and, with_guests, guests? */
static bool
has_ours_alone(const struct ovs_bridge *bridge, bool with_guests)
{
    for (guint i = 0; i < bridge->ports->len; i++) {
        const struct ovs_port *port = bridge->ports->pdata[i];
        if (!g_str_equal(port->name, bridge->name) && port->mark != OVS_UPLINK &&
            !(with_guests && port->mark == OVS_GUEST))
            return false;
    }
    return true;
}

/* ---- making ---- */

static bool
is_foreign(const struct ovs_state *state, const char *name, bool *ret_foreign, GError **error)
{
    const struct ovs_bridge *bridge = ovs_state_bridge(state, name);
    struct link link;
    int rc;

    if (bridge || ovs_state_port(state, name)) {
        *ret_foreign = bridge ? !bridge->is_ours : !find_vlan(state, name);
        return true;
    }
    rc = link_find(name, &link);
    *ret_foreign = rc == 0 && !link.is_switch; /* ovs-vswitchd has not taken that away yet */
    return rc == 0 || rc == -ENODEV || failed(error, name, "looking for it", rc);
}

static struct ovs_bridge *
need_bridge(struct ovs_state *state, const char *datapath, const struct bridge *wanted)
{
    struct ovs_bridge *bridge = ovs_state_bridge(state, wanted->name);
    struct ovs_port *vlan = find_vlan(state, wanted->name), *own;

    if (!bridge && vlan)
        bridge = become_bridge(state, datapath, vlan);
    if (!bridge)
        return ovs_add_bridge(state, wanted->name, datapath, wanted->mtu);
    own = ovs_state_port(state, wanted->name);
    if (own)
        ovs_set_mtu(state, own, wanted->mtu);
    return bridge;
}

/* An interface of which nobody else has made anything; one that went and came again has lost its
 * mark.  0 or a negative errno. */
static int
put(struct ovs_state *state, struct ovs_bridge *bridge, const struct link *link, guint mtu)
{
    int rc = uplink_is_ours(link) ? 0 : link_mark_uplink(link);

    if (rc < 0)
        return rc;
    if (!g_hash_table_contains(state->carriers, link->name))
        ovs_add_uplink(state, bridge, link->name);
    return link_set_up(link->name, link, mtu);
}

static int
ensure_device(struct ovs_state *state, const char *datapath, const struct link *device,
              const struct bridge *wanted, const char **ret_outcome)
{
    struct ovs_bridge *bridge = need_bridge(state, datapath, wanted);
    const struct ovs_port *uplink = ovs_state_uplink(state, device->name);
    bool is_free = uplink && uplink->bridge == bridge;
    int rc = 0;

    if (!is_free && !g_hash_table_contains(state->carriers, device->name))
        rc = uplink_is_free(device, &is_free);
    *ret_outcome = is_free ? BRIDGE_READY : BRIDGE_UPLINK_USED;
    return rc < 0 || !is_free ? rc : put(state, bridge, device, wanted->mtu);
}

/* The card is in a bridge of ours: the VLAN is a port there. */
static void
ensure_vlan_port(struct ovs_state *state, struct ovs_bridge *parent, const struct bridge *wanted,
                 const char **ret_outcome)
{
    struct ovs_port *there = ovs_bridge_vlan(parent, wanted->tag);
    struct ovs_port *vlan = find_vlan(state, wanted->name);
    struct ovs_bridge *bridge = ovs_state_bridge(state, wanted->name);

    *ret_outcome = BRIDGE_UPLINK_USED;
    if ((there && there != vlan) || (bridge && !has_ours_alone(bridge, true)))
        return;
    *ret_outcome = BRIDGE_READY;
    if (vlan && vlan == there) {
        ovs_set_mtu(state, vlan, wanted->mtu);
        return;
    }
    if (bridge) {
        move_guests(state, bridge, VLAN_NONE, parent, wanted->tag);
        ovs_remove_bridge(state, bridge);
    } else if (vlan) {
        move_guests(state, vlan->bridge, vlan->tag, parent, wanted->tag);
        ovs_remove_port(state, vlan);
    }
    ovs_add_vlan(state, parent, wanted->name, wanted->tag, wanted->mtu);
}

/* The card is not: the VLAN is an interface beside it. */
static int
ensure_vlan_link(struct ovs_state *state, const char *datapath, const struct link *device,
                 const struct bridge *wanted, const char **ret_outcome)
{
    struct ovs_bridge *bridge = need_bridge(state, datapath, wanted);
    const struct ovs_port *port;
    struct link vlan;
    int rc = uplink_ensure_vlan(device, wanted, &vlan, ret_outcome);

    if (rc < 0 || !g_str_equal(*ret_outcome, BRIDGE_READY))
        return rc;
    port = g_hash_table_lookup(state->carriers, vlan.name);
    if (port && port->bridge != bridge) {
        *ret_outcome = BRIDGE_UPLINK_USED;
        return 0;
    }
    return put(state, bridge, &vlan, wanted->mtu);
}

static int
ensure_led_out(struct ovs_state *state, const char *datapath, const struct bridge *wanted,
               const char **ret_outcome)
{
    const struct ovs_port *uplink = ovs_state_uplink(state, wanted->uplink);
    bool is_bond = uplink && g_str_equal(uplink->name, wanted->uplink) &&
                   !g_hash_table_contains(uplink->interfaces, uplink->name);
    struct link device;
    int rc;

    if (wanted->bond)
        return ovs_plan_bond(state, need_bridge(state, datapath, wanted), wanted, ret_outcome);
    if (is_bond && wanted->tag != VLAN_NONE) {
        ensure_vlan_port(state, uplink->bridge, wanted, ret_outcome);
        return 0;
    }
    rc = uplink_find_device(wanted, &device, ret_outcome);
    if (rc < 0)
        return rc;
    if (!g_str_equal(*ret_outcome, BRIDGE_READY)) {
        if (!find_vlan(state, wanted->name))
            need_bridge(state, datapath, wanted);
        return 0;
    }
    if (wanted->tag == VLAN_NONE)
        return ensure_device(state, datapath, &device, wanted, ret_outcome);
    if (!uplink)
        return ensure_vlan_link(state, datapath, &device, wanted, ret_outcome);
    ensure_vlan_port(state, uplink->bridge, wanted, ret_outcome);
    return 0;
}

bool
ovs_plan_ensure(struct ovs_state *state, const char *datapath, const struct bridge *wanted,
                const char **ret_outcome, GError **error)
{
    const char *outcome = BRIDGE_READY;
    bool foreign;
    int rc = 0;

    if (!is_foreign(state, wanted->name, &foreign, error))
        return false;
    if (foreign)
        outcome = BRIDGE_FOREIGN;
    else if (*wanted->uplink)
        rc = ensure_led_out(state, datapath, wanted, &outcome);
    else
        need_bridge(state, datapath, wanted);
    if (rc < 0)
        return failed(error, wanted->name, wanted->uplink, rc);
    *ret_outcome = outcome;
    return true;
}

/* ---- letting go ---- */

/* Takes away what leads it out, unless it is that of the bridge that is wanted. */
static void
release_uplinks(struct ovs_state *state, const struct ovs_bridge *bridge,
                const struct bridge *wanted)
{
    for (guint i = bridge->ports->len; i-- > 0;) {
        struct ovs_port *port = bridge->ports->pdata[i];
        if (port->mark == OVS_UPLINK && !(wanted && uplink_is(port->name, wanted)))
            ovs_remove_port(state, port);
    }
}

static bool
has_vlans(const struct ovs_bridge *bridge)
{
    for (guint i = 0; i < bridge->ports->len; i++)
        if (((const struct ovs_port *)bridge->ports->pdata[i])->is_fake)
            return true;
    return false;
}

/* The VLAN's guests, or who wants the network without it, keep a bridge. */
static bool
release_vlan(struct ovs_state *state, const char *datapath, struct ovs_port *vlan, bool is_wanted)
{
    g_autoptr(GPtrArray) guests = ovs_bridge_guests(vlan->bridge, vlan->tag);

    if (is_wanted || guests->len > 0) {
        become_bridge(state, datapath, vlan);
        return false;
    }
    ovs_remove_port(state, vlan);
    return true;
}

bool
ovs_plan_remove(struct ovs_state *state, const char *datapath, const char *name)
{
    struct ovs_bridge *bridge = ovs_state_bridge(state, name);
    struct ovs_port *vlan = find_vlan(state, name);

    if (!bridge)
        return vlan && release_vlan(state, datapath, vlan, false);
    if (!bridge->is_ours)
        return false;
    if (!has_vlans(bridge))
        release_uplinks(state, bridge, NULL);
    if (!has_ours_alone(bridge, false))
        return false;
    ovs_remove_bridge(state, bridge);
    return true;
}

/* ---- keeping ---- */

static const struct bridge *
find_wanted(GHashTable *wanted, const char *name)
{
    return g_hash_table_lookup(wanted, name);
}

static bool
vlan_is_wanted(const struct ovs_state *state, GHashTable *wanted, const struct ovs_port *vlan)
{
    const struct bridge *its = find_wanted(wanted, vlan->name);
    const struct bridge *parent = find_wanted(wanted, vlan->bridge->name);
    const struct ovs_port *uplink = its ? ovs_state_uplink(state, its->uplink) : NULL;

    return uplink && uplink->bridge == vlan->bridge && its->tag == vlan->tag && parent &&
           parent->tag == VLAN_NONE && g_str_equal(parent->uplink, its->uplink);
}

static void
keep_vlans(struct ovs_state *state, const char *datapath, GHashTable *wanted)
{
    g_autoptr(GList) ports = g_hash_table_get_values(state->ports);

    for (GList *item = ports; item; item = item->next) {
        struct ovs_port *port = item->data;
        if (port->mark == OVS_VLAN && port->bridge && !vlan_is_wanted(state, wanted, port))
            release_vlan(state, datapath, port, find_wanted(wanted, port->name));
    }
}

static void
keep_guests(struct ovs_state *state)
{
    g_autoptr(GList) ports = g_hash_table_get_values(state->ports);
    struct link link;

    for (GList *item = ports; item; item = item->next) {
        struct ovs_port *port = item->data;
        if (port->mark == OVS_GUEST && port->bridge && link_find(port->name, &link) == -ENODEV)
            ovs_remove_port(state, port);
    }
}

static void
keep_bridges(struct ovs_state *state, GHashTable *wanted)
{
    for (guint i = state->bridges->len; i-- > 0;) {
        struct ovs_bridge *bridge = state->bridges->pdata[i];
        const struct bridge *its = find_wanted(wanted, bridge->name);

        if (!bridge->is_ours)
            continue;
        release_uplinks(state, bridge, its);
        if (!its && has_ours_alone(bridge, false))
            ovs_remove_bridge(state, bridge);
    }
}

void
ovs_plan_keep(struct ovs_state *state, const char *datapath, const struct bridge *bridges, gsize n)
{
    g_autoptr(GHashTable) wanted = g_hash_table_new(g_str_hash, g_str_equal);

    for (gsize i = 0; i < n; i++)
        if (bridges[i].managed)
            g_hash_table_insert(wanted, (gpointer)bridges[i].name, (gpointer)&bridges[i]);
    keep_guests(state);
    keep_vlans(state, datapath, wanted);
    keep_bridges(state, wanted);
}
