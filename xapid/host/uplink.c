/* What leads a bridge out of the host: an interface of the machine, a bond, or a VLAN of one.  A
 * VLAN is beside its interface and takes nothing from it, so it may be of one that the host itself
 * uses. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "xapid/host/bridge.h"

#define VLAN_NAME "xv%d.%d" /* index of the interface, tag: fits, and is found without a search */

/* ---- the machine's own addresses ---- */

struct carried {
    int index;
    bool any;
};

static void
note_address(const struct link_address *address, void *data)
{
    struct carried *carried = data;

    if (address->index == carried->index && !address->is_local)
        carried->any = true;
}

static int
has_addresses(const struct link *link, bool *ret_has)
{
    struct carried carried = {.index = link->index};
    int rc = link_addresses(note_address, &carried);

    *ret_has = carried.any;
    return rc;
}

/* ---- an interface ---- */

int
uplink_is_free(const struct link *device, bool *ret_free)
{
    bool has = true;
    int rc = 0;

    if (!device->master && device->group != LINK_GROUP_OURS && !device->is_bridge)
        rc = has_addresses(device, &has);
    *ret_free = !has;
    return rc;
}

static int
join_device(const struct link *link, const struct link *device, const struct bridge *bridge,
            const char **ret_outcome)
{
    bool is_free;
    int rc;

    *ret_outcome = BRIDGE_UPLINK_USED;
    if (device->master != link->index) {
        rc = uplink_is_free(device, &is_free);
        if (rc < 0 || !is_free)
            return rc;
        rc = link_join_uplink(device, link);
        if (rc < 0)
            return rc;
    } else if (!device->is_uplink) {
        return 0; /* the administrator put it there */
    }
    *ret_outcome = BRIDGE_READY;
    return link_set_up(device->name, device, bridge->mtu);
}

/* ---- a VLAN ---- */

static bool
is_vlan_of(const struct link *vlan, const struct link *device, int tag)
{
    return vlan->group == LINK_GROUP_OURS && vlan->parent == device->index && vlan->tag == tag;
}

void
uplink_vlan_name(const struct link *device, int tag, char name[LINK_TEXT_MAX])
{
    snprintf(name, LINK_TEXT_MAX, VLAN_NAME, device->index, tag);
}

static int
find_vlan(const struct link *device, const struct bridge *bridge, struct link *ret_vlan)
{
    char name[LINK_TEXT_MAX];
    int rc;

    uplink_vlan_name(device, bridge->tag, name);
    rc = link_find(name, ret_vlan);
    if (rc != -ENODEV)
        return rc;
    rc = link_make_vlan(name, device, bridge->tag, bridge->mtu);
    return rc < 0 ? rc : link_find(name, ret_vlan);
}

int
uplink_ensure_vlan(const struct link *device, const struct bridge *bridge, struct link *ret_vlan,
                   const char **ret_outcome)
{
    int rc = find_vlan(device, bridge, ret_vlan);

    *ret_outcome = BRIDGE_UPLINK_USED;
    if (rc == -EEXIST)
        return 0; /* another one has the tag */
    if (rc == 0 && is_vlan_of(ret_vlan, device, bridge->tag))
        *ret_outcome = BRIDGE_READY;
    return rc;
}

static int
join_vlan(const struct link *link, const struct link *device, const struct bridge *bridge,
          const char **ret_outcome)
{
    struct link vlan;
    int rc = uplink_ensure_vlan(device, bridge, &vlan, ret_outcome);

    if (rc < 0 || strcmp(*ret_outcome, BRIDGE_READY) != 0)
        return rc;
    if (vlan.master != link->index)
        rc = link_join(&vlan, link);
    if (rc < 0)
        return rc;
    return link_set_up(vlan.name, &vlan, bridge->mtu);
}

/* ---- a bond ---- */

static int
join_bond(const struct link *link, const struct bridge *bridge, const char **ret_outcome)
{
    struct link bond;
    int rc = bond_ensure(bridge, &bond, ret_outcome);

    if (rc < 0 || strcmp(*ret_outcome, BRIDGE_READY) != 0)
        return rc;
    if (bond.master != link->index)
        rc = link_join(&bond, link);
    return rc < 0 ? rc : link_set_up(bond.name, &bond, bridge->mtu);
}

/* ---- all of them ---- */

int
uplink_find_device(const struct bridge *bridge, struct link *ret_device, const char **ret_outcome)
{
    int rc = link_find(bridge->uplink, ret_device);

    if (rc == -ENODEV || (rc == 0 && !ret_device->is_ethernet)) {
        *ret_outcome = BRIDGE_NO_UPLINK;
        return 0;
    }
    *ret_outcome = BRIDGE_READY;
    return rc;
}

int
uplink_ensure(const struct link *link, const struct bridge *bridge, const char **ret_outcome)
{
    struct link device;
    int rc;

    *ret_outcome = BRIDGE_READY;
    if (!*bridge->uplink)
        return 0;
    if (bridge->bond)
        return join_bond(link, bridge, ret_outcome);
    rc = uplink_find_device(bridge, &device, ret_outcome);
    if (rc < 0 || strcmp(*ret_outcome, BRIDGE_READY) != 0)
        return rc;
    return bridge->tag == VLAN_NONE ? join_device(link, &device, bridge, ret_outcome)
                                    : join_vlan(link, &device, bridge, ret_outcome);
}

bool
uplink_is(const char *link_name, const struct bridge *bridge)
{
    char name[LINK_TEXT_MAX];
    struct link device;

    if (!*bridge->uplink)
        return false;
    if (bridge->tag == VLAN_NONE)
        return strcmp(link_name, bridge->uplink) == 0;
    if (link_find(bridge->uplink, &device) < 0)
        return false;
    uplink_vlan_name(&device, bridge->tag, name);
    return strcmp(link_name, name) == 0;
}

bool
uplink_is_ours(const struct link *link)
{
    return link->is_uplink || (link->group == LINK_GROUP_OURS && (link->tag >= 0 || link->is_bond));
}

int
uplink_release(const struct link *link)
{
    if (link->is_bond && !link->is_uplink)
        return bond_remove(link);
    return link->is_uplink ? link_release_uplink(link) : link_remove(link);
}
