/* The bridges of a simulated host: each is a file of its folder's BRIDGE_SIM_DIR, with its MTU, and
 * behind that what leads it out, as "1500 eth1", "1500 eth0 10" or "1500 bond0=eth0+eth1 lacp"; or
 * "foreign". */
#include "config.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

#include "xapid/host/bridge.h"
#include "xapid/host/interfaces.h"

static char *
sim_path(const char *sim_dir, const char *name)
{
    return g_build_filename(sim_dir, BRIDGE_SIM_DIR, name, NULL);
}

/* NULL: it is not there. */
static char *
sim_read(const char *path)
{
    char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) ? text : NULL;
}

static char *
text_of_bond(const struct bridge *bridge)
{
    static const char *const modes[] = {[BOND_ACTIVE_BACKUP] = "active-backup",
                                        [BOND_BALANCE_SLB] = "balance-slb",
                                        [BOND_LACP] = "lacp"};
    const struct bond *bond = bridge->bond;
    g_autofree char *members = g_strjoinv("+", (char **)(void *)bond->members);

    return g_strdup_printf("%u %s=%s %s%s%s", bridge->mtu, bridge->uplink, members,
                           modes[bond->settings.mode], bond->settings.by_mac ? " by-mac" : "",
                           bond->settings.is_fast ? " fast" : "");
}

static char *
text_of(const struct bridge *bridge)
{
    if (!*bridge->uplink)
        return g_strdup_printf("%u", bridge->mtu);
    if (bridge->bond)
        return text_of_bond(bridge);
    return bridge->tag == VLAN_NONE
               ? g_strdup_printf("%u %s", bridge->mtu, bridge->uplink)
               : g_strdup_printf("%u %s %d", bridge->mtu, bridge->uplink, bridge->tag);
}

/* Does a bridge have the bond that a VLAN is of? */
static bool
is_bond(const char *sim_dir, const char *name)
{
    g_autofree char *folder = g_build_filename(sim_dir, BRIDGE_SIM_DIR, NULL);
    g_autofree char *wanted = g_strdup_printf(" %s=", name);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *bridge;

    while (dir && (bridge = g_dir_read_name(dir))) {
        g_autofree char *path = sim_path(sim_dir, bridge), *there = sim_read(path);
        if (there && strstr(there, wanted))
            return true;
    }
    return false;
}

/* With as many of its members as are there. */
static const char *
outcome_of_bond(const char *sim_dir, const struct bond *bond)
{
    const char *outcome = BRIDGE_NO_UPLINK;
    bool used;

    for (gsize i = 0; bond->members[i]; i++) {
        if (!interface_is_simulated(sim_dir, bond->members[i], &used))
            continue;
        if (used)
            return BRIDGE_UPLINK_USED;
        outcome = BRIDGE_READY;
    }
    return outcome;
}

static const char *
outcome_of_uplink(const char *sim_dir, const struct bridge *bridge)
{
    bool used;

    if (bridge->bond)
        return outcome_of_bond(sim_dir, bridge->bond);
    if (!*bridge->uplink || (bridge->tag != VLAN_NONE && is_bond(sim_dir, bridge->uplink)))
        return BRIDGE_READY;
    if (!interface_is_simulated(sim_dir, bridge->uplink, &used))
        return BRIDGE_NO_UPLINK;
    return used && bridge->tag == VLAN_NONE ? BRIDGE_UPLINK_USED : BRIDGE_READY;
}

static bool
ensure_ours(const char *sim_dir, const struct bridge *bridge, const char **ret_outcome,
            GError **error)
{
    g_autofree char *path = sim_path(sim_dir, bridge->name), *folder = g_path_get_dirname(path);
    struct bridge alone = *bridge;

    *ret_outcome = outcome_of_uplink(sim_dir, bridge);
    if (!g_str_equal(*ret_outcome, BRIDGE_READY))
        alone.uplink = "";
    g_autofree char *text = text_of(&alone);
    g_mkdir(folder, 0755);
    return g_file_set_contents(path, text, -1, error);
}

bool
bridge_ensure_simulated(const char *sim_dir, const struct bridge *bridge, const char **ret_outcome,
                        GError **error)
{
    g_autofree char *path = sim_path(sim_dir, bridge->name), *there = sim_read(path);

    if (bridge->managed && g_strcmp0(there, BRIDGE_FOREIGN) != 0)
        return ensure_ours(sim_dir, bridge, ret_outcome, error);
    *ret_outcome = bridge->managed ? BRIDGE_FOREIGN : there ? BRIDGE_READY : BRIDGE_MISSING;
    return true;
}

bool
bridge_remove_simulated(const char *sim_dir, const char *name, bool *ret_removed, GError **error)
{
    g_autofree char *path = sim_path(sim_dir, name), *there = sim_read(path);

    *ret_removed = false;
    if (!there || g_str_equal(there, BRIDGE_FOREIGN))
        return true;
    if (g_unlink(path) < 0) {
        g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "bridge %s: removing it: %s",
                    name, g_strerror(errno));
        return false;
    }
    *ret_removed = true;
    return true;
}

static const struct bridge *
find(const struct bridge *bridges, gsize n, const char *name)
{
    for (gsize i = 0; i < n; i++)
        if (bridges[i].managed && g_str_equal(bridges[i].name, name))
            return &bridges[i];
    return NULL;
}

bool
bridge_keep_simulated(const char *sim_dir, const struct bridge *bridges, gsize n, GError **error)
{
    g_autofree char *folder = g_build_filename(sim_dir, BRIDGE_SIM_DIR, NULL);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name;
    bool removed;

    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = sim_path(sim_dir, name), *there = sim_read(path);
        const struct bridge *bridge = find(bridges, n, name);

        if (!bridge && !bridge_remove_simulated(sim_dir, name, &removed, error))
            return false;
        /* Let go; one that is wanted comes again. */
        if (bridge && there && !g_str_equal(there, BRIDGE_FOREIGN)) {
            g_autofree char *alone = g_strdup_printf("%u", bridge->mtu);
            if (!*bridge->uplink && strchr(there, ' ') &&
                !g_file_set_contents(path, alone, -1, error))
                return false;
        }
    }
    return true;
}
