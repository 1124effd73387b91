#include "config.h"

#include "xapid/host/bridge.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

#include "lib/link.h"

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

static bool
ensure_ours(const char *name, guint mtu, const char **ret_outcome, GError **error)
{
    struct link link;
    int rc = link_find(name, &link);

    if (rc == -ENODEV) {
        rc = link_make_bridge(name, mtu);
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
    rc = link_set_up(name, &link, mtu);
    if (rc < 0)
        return failed(error, name, "setting it up", rc);
    *ret_outcome = BRIDGE_READY;
    return true;
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
bridge_ensure(const char *name, bool managed, guint mtu, const char **ret_outcome, GError **error)
{
    return managed ? ensure_ours(name, mtu, ret_outcome, error)
                   : look_for_foreign(name, ret_outcome, error);
}

bool
bridge_remove(const char *name, bool *ret_removed, GError **error)
{
    struct link link;
    int rc = link_find(name, &link), ports;

    *ret_removed = false;
    if (rc == -ENODEV || (rc == 0 && !is_ours(&link)))
        return true;
    if (rc < 0)
        return failed(error, name, "looking for it", rc);
    ports = link_has_ports(&link);
    if (ports < 0)
        return failed(error, name, "looking what is in it", ports);
    if (ports)
        return true;
    rc = link_remove(&link);
    if (rc < 0)
        return failed(error, name, "removing it", rc);
    *ret_removed = true;
    return true;
}

/* ---- a simulated host ---- */

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

bool
bridge_ensure_simulated(const char *sim_dir, const char *name, bool managed, guint mtu,
                        const char **ret_outcome, GError **error)
{
    g_autofree char *path = sim_path(sim_dir, name), *folder = g_path_get_dirname(path);
    g_autofree char *there = sim_read(path), *text = g_strdup_printf("%u", mtu);

    if (managed && g_strcmp0(there, BRIDGE_FOREIGN) == 0) {
        *ret_outcome = BRIDGE_FOREIGN;
        return true;
    }
    *ret_outcome = managed || there ? BRIDGE_READY : BRIDGE_MISSING;
    if (!managed)
        return true;
    g_mkdir(folder, 0755);
    return g_file_set_contents(path, text, -1, error);
}

bool
bridge_remove_simulated(const char *sim_dir, const char *name, bool *ret_removed, GError **error)
{
    g_autofree char *path = sim_path(sim_dir, name), *there = sim_read(path);

    *ret_removed = false;
    if (!there || g_str_equal(there, BRIDGE_FOREIGN))
        return true;
    if (g_unlink(path) < 0)
        return failed(error, name, "removing it", -errno);
    *ret_removed = true;
    return true;
}
