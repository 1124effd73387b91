/* What leads a bridge out of the host: an interface of the machine, or a VLAN of one.  A VLAN is
 * beside its interface and takes nothing from it, so it may be of one that the host itself uses. */
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

static int
join_device(const struct link *link, const struct link *device, const struct bridge *bridge,
            const char **ret_outcome)
{
    bool has = false;
    int rc;

    *ret_outcome = BRIDGE_UPLINK_USED;
    if (device->master != link->index) {
        if (device->master || device->group == LINK_GROUP_OURS || device->is_bridge)
            return 0;
        rc = has_addresses(device, &has);
        if (rc < 0 || has)
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

static int
find_vlan(const struct link *device, const struct bridge *bridge, struct link *ret_vlan)
{
    char name[LINK_TEXT_MAX];
    int rc;

    snprintf(name, sizeof name, VLAN_NAME, device->index, bridge->tag);
    rc = link_find(name, ret_vlan);
    if (rc != -ENODEV)
        return rc;
    rc = link_make_vlan(name, device, bridge->tag, bridge->mtu);
    return rc < 0 ? rc : link_find(name, ret_vlan);
}

static int
join_vlan(const struct link *link, const struct link *device, const struct bridge *bridge,
          const char **ret_outcome)
{
    struct link vlan;
    int rc = find_vlan(device, bridge, &vlan);

    *ret_outcome = BRIDGE_UPLINK_USED;
    if (rc == -EEXIST)
        return 0; /* another one has the tag */
    if (rc < 0 || !is_vlan_of(&vlan, device, bridge->tag))
        return rc;
    if (vlan.master != link->index)
        rc = link_join(&vlan, link);
    if (rc < 0)
        return rc;
    *ret_outcome = BRIDGE_READY;
    return link_set_up(vlan.name, &vlan, bridge->mtu);
}

/* ---- both ---- */

int
uplink_ensure(const struct link *link, const struct bridge *bridge, const char **ret_outcome)
{
    struct link device;
    int rc;

    *ret_outcome = BRIDGE_READY;
    if (!*bridge->uplink)
        return 0;
    rc = link_find(bridge->uplink, &device);
    if (rc == -ENODEV || (rc == 0 && !device.is_ethernet)) {
        *ret_outcome = BRIDGE_NO_UPLINK;
        return 0;
    }
    if (rc < 0)
        return rc;
    return bridge->tag == VLAN_NONE ? join_device(link, &device, bridge, ret_outcome)
                                    : join_vlan(link, &device, bridge, ret_outcome);
}

bool
uplink_is(const struct link *link, const struct bridge *bridge)
{
    char name[LINK_TEXT_MAX];
    struct link device;

    if (!*bridge->uplink)
        return false;
    if (bridge->tag == VLAN_NONE)
        return link->is_uplink && strcmp(link->name, bridge->uplink) == 0;
    if (link_find(bridge->uplink, &device) < 0)
        return false;
    snprintf(name, sizeof name, VLAN_NAME, device.index, bridge->tag);
    return strcmp(link->name, name) == 0;
}

bool
uplink_is_ours(const struct link *link)
{
    return link->is_uplink || (link->group == LINK_GROUP_OURS && link->tag >= 0);
}

int
uplink_release(const struct link *link)
{
    return link->is_uplink ? link_release_uplink(link) : link_remove(link);
}
