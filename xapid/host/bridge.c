#include "config.h"

#include "xapid/host/bridge.h"

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

static bool
is_ours(const struct link *link)
{
    return link->is_bridge && link->group == LINK_GROUP_OURS;
}

/* ---- making ---- */

static bool
ensure_ours(const struct bridge *bridge, const char **ret_outcome, GError **error)
{
    const char *name = bridge->name;
    struct link link;
    int rc = link_find(name, &link);

    if (rc == -ENODEV) {
        rc = link_make_bridge(name, bridge->mtu);
        if (rc < 0)
            return failed(error, name, "making it", rc);
        rc = link_find(name, &link);
    }
    if (rc < 0)
        return failed(error, name, "looking for it", rc);
    if (!is_ours(&link)) {
        *ret_outcome = BRIDGE_FOREIGN;
        return true;
    }
    /* First, for a bridge has no greater MTU than what is in it. */
    rc = uplink_ensure(&link, bridge, ret_outcome);
    if (rc < 0)
        return failed(error, name, bridge->uplink, rc);
    rc = link_set_up(name, &link, bridge->mtu);
    return rc == 0 || failed(error, name, "setting it up", rc);
}

static bool
look_for_foreign(const char *name, const char **ret_outcome, GError **error)
{
    struct link link;
    int rc = link_find(name, &link);

    if (rc < 0 && rc != -ENODEV)
        return failed(error, name, "looking for it", rc);
    *ret_outcome = rc == 0 && link.is_bridge ? BRIDGE_READY : BRIDGE_MISSING;
    return true;
}

bool
bridge_ensure(const struct bridge *bridge, const char **ret_outcome, GError **error)
{
    return bridge->managed ? ensure_ours(bridge, ret_outcome, error)
                           : look_for_foreign(bridge->name, ret_outcome, error);
}

/* ---- removing ---- */

struct ports {
    int bridge; /* index */
    bool others;
    int rc;
};

static void
release_port(const struct link *link, void *data)
{
    struct ports *ports = data;
    int rc;

    if (link->master != ports->bridge)
        return;
    rc = uplink_is_ours(link) ? uplink_release(link) : 0;
    if (rc < 0 && ports->rc == 0)
        ports->rc = rc;
    if (rc < 0 || !uplink_is_ours(link))
        ports->others = true;
}

bool
bridge_remove(const char *name, bool *ret_removed, GError **error)
{
    struct ports ports = {0};
    struct link link;
    int rc = link_find(name, &link);

    *ret_removed = false;
    if (rc == -ENODEV || (rc == 0 && !is_ours(&link)))
        return true;
    if (rc < 0)
        return failed(error, name, "looking for it", rc);
    ports.bridge = link.index;
    rc = link_each(release_port, &ports);
    if (rc < 0 || ports.rc < 0)
        return failed(error, name, "letting go what is in it", rc < 0 ? rc : ports.rc);
    if (ports.others)
        return true;
    rc = link_remove(&link);
    if (rc < 0)
        return failed(error, name, "removing it", rc);
    *ret_removed = true;
    return true;
}

/* ---- keeping ---- */

struct keeping {
    GHashTable *indices; /* of the bridges that are there -> struct bridge */
    GHashTable *bonds;   /* indices of ours: who is in one goes with it */
    int rc;
};

static void
note_bond(const struct link *link, void *data)
{
    struct keeping *keeping = data;

    if (link->is_bond && link->group == LINK_GROUP_OURS)
        g_hash_table_add(keeping->bonds, GINT_TO_POINTER(link->index));
}

static void
keep_uplink(const struct link *link, void *data)
{
    struct keeping *keeping = data;
    const struct bridge *bridge =
        g_hash_table_lookup(keeping->indices, GINT_TO_POINTER(link->master));
    int rc;

    if (!uplink_is_ours(link) || (link->master && bridge && uplink_is(link->name, bridge)) ||
        g_hash_table_contains(keeping->bonds, GINT_TO_POINTER(link->master)))
        return;
    rc = uplink_release(link);
    if (rc < 0 && rc != -ENODEV) /* a VLAN that went with its bond */
        keeping->rc = rc;
}

static void
keep_bridge(const struct link *link, void *data)
{
    struct keeping *keeping = data;
    int rc;

    if (!is_ours(link) || g_hash_table_contains(keeping->indices, GINT_TO_POINTER(link->index)))
        return;
    rc = link_has_ports(link);
    if (rc == 0)
        rc = link_remove(link);
    if (rc < 0)
        keeping->rc = rc;
}

bool
bridge_keep(const struct bridge *bridges, gsize n, GError **error)
{
    g_autoptr(GHashTable) indices = g_hash_table_new(NULL, NULL);
    g_autoptr(GHashTable) bonds = g_hash_table_new(NULL, NULL);
    struct keeping keeping = {indices, bonds, 0};
    int rc;

    for (gsize i = 0; i < n; i++) {
        struct link link;
        if (bridges[i].managed && link_find(bridges[i].name, &link) == 0 && is_ours(&link))
            g_hash_table_insert(indices, GINT_TO_POINTER(link.index), (void *)&bridges[i]);
    }
    rc = link_each(note_bond, &keeping);
    if (rc == 0)
        rc = link_each(keep_uplink, &keeping);
    if (rc == 0)
        rc = link_each(keep_bridge, &keeping);
    if (rc == 0)
        rc = keeping.rc;
    return rc == 0 || failed(error, "of ours", "removing what nobody wants", rc);
}

/* ---- giving way ---- */

struct guests {
    int bridge; /* index */
    bool any;
};

static void
note_guest(const struct link *link, void *data)
{
    struct guests *guests = data;

    if (link->master == guests->bridge && !uplink_is_ours(link))
        guests->any = true;
}

static bool
give_way(const struct link *link, bool *ret_stays, GError **error)
{
    struct guests guests = {.bridge = link->index};
    int rc = link_each(note_guest, &guests);
    bool removed;

    if (rc < 0)
        return failed(error, link->name, "looking at what is in it", rc);
    *ret_stays = guests.any;
    return guests.any || bridge_remove(link->name, &removed, error);
}

bool
bridge_give_way(const char *name, bool *ret_stays, GError **error)
{
    struct link link;
    int rc = link_find(name, &link);

    *ret_stays = false;
    if (rc == -ENODEV || (rc == 0 && !is_ours(&link)))
        return true;
    return rc < 0 ? failed(error, name, "looking for it", rc) : give_way(&link, ret_stays, error);
}

struct giving_way {
    GError **error;
    bool ok;
};

static void
give_way_each(const struct link *link, void *data)
{
    struct giving_way *giving = data;
    bool stays;

    if (giving->ok && is_ours(link))
        giving->ok = give_way(link, &stays, giving->error);
}

bool
bridges_give_way(GError **error)
{
    struct giving_way giving = {error, true};
    int rc = link_each(give_way_each, &giving);

    return rc < 0 ? failed(error, "of ours", "looking for them", rc) : giving.ok;
}
