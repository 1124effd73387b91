#include "config.h"

#include "xapid/host/network.h"

#include "lib/bridge-name.h"
#include "lib/faults.h"
#include "lib/log.h"
#include "xapid/host/bridge.h"
#include "xapid/host/interfaces.h"

#include <string.h>

static void
refuse(GDBusMethodInvocation *invocation, const char *what)
{
    g_dbus_method_invocation_return_error_literal(invocation, G_DBUS_ERROR,
                                                  G_DBUS_ERROR_INVALID_ARGS, what);
}

/* Never in the error's own domain: xapid could take it for one of its own connection. */
static void
fail(GDBusMethodInvocation *invocation, GError *taken)
{
    g_autoptr(GError) error = taken;

    g_dbus_method_invocation_return_error_literal(invocation, G_DBUS_ERROR, G_DBUS_ERROR_FAILED,
                                                  error->message);
}

/* What is wrong with a network, or NULL. */
static const char *
wrong_with(const struct bridge *bridge)
{
    if (!bridge_name_is_valid(bridge->name))
        return "name is none of a bridge";
    if (bridge->mtu < BRIDGE_MTU_MIN || bridge->mtu > BRIDGE_MTU_MAX)
        return "mtu is not in its range";
    if (*bridge->uplink && !bridge_name_is_valid(bridge->uplink))
        return "uplink is no interface that can lead out";
    if (bridge->tag < VLAN_NONE || bridge->tag > VLAN_TAG_MAX)
        return "tag is none of a VLAN";
    return NULL;
}

/* Strings are those of the variant. */
static struct bridge
read_bridge(GVariant *network)
{
    struct bridge bridge;
    gboolean managed;

    g_variant_get(network, "(&sbu&si)", &bridge.name, &managed, &bridge.mtu, &bridge.uplink,
                  &bridge.tag);
    bridge.managed = managed;
    return bridge;
}

/* ---- one bridge ---- */

static bool
ensure(const char *sim_dir, const struct bridge *bridge, const char **ret_outcome, GError **error)
{
    return FAULT_POINT("host.bridge.before", error) &&
           (sim_dir ? bridge_ensure_simulated(sim_dir, bridge, ret_outcome, error)
                    : bridge_ensure(bridge, ret_outcome, error)) &&
           FAULT_POINT("host.bridge.after", error);
}

static gboolean
handle_ensure_bridge(PeerHost1 *skeleton, GDBusMethodInvocation *invocation, GVariant *network,
                     gpointer sim_dir)
{
    const struct bridge bridge = read_bridge(network);
    const char *wrong = wrong_with(&bridge), *outcome;
    GError *error = NULL;

    if (wrong)
        refuse(invocation, wrong);
    else if (!ensure(sim_dir, &bridge, &outcome, &error))
        fail(invocation, error);
    else
        peer_host1_complete_ensure_bridge(skeleton, invocation, outcome);
    return TRUE;
}

static bool
remove_bridge(const char *sim_dir, const char *name, bool *ret_removed, GError **error)
{
    return FAULT_POINT("host.bridge.remove.before", error) &&
           (sim_dir ? bridge_remove_simulated(sim_dir, name, ret_removed, error)
                    : bridge_remove(name, ret_removed, error)) &&
           FAULT_POINT("host.bridge.remove.after", error);
}

static gboolean
handle_remove_bridge(PeerHost1 *skeleton, GDBusMethodInvocation *invocation, const char *name,
                     gpointer sim_dir)
{
    GError *error = NULL;
    bool removed;

    if (!bridge_name_is_valid(name))
        refuse(invocation, "name is none of a bridge");
    else if (!remove_bridge(sim_dir, name, &removed, &error))
        fail(invocation, error);
    else
        peer_host1_complete_remove_bridge(skeleton, invocation, removed);
    return TRUE;
}

/* ---- all of them ---- */

static bool
keep(const char *sim_dir, GArray *bridges, GError **error)
{
    const struct bridge *all = (const struct bridge *)(void *)bridges->data;

    return FAULT_POINT("host.networks.before", error) &&
           (sim_dir ? bridge_keep_simulated(sim_dir, all, bridges->len, error)
                    : bridge_keep(all, bridges->len, error)) &&
           FAULT_POINT("host.networks.after", error);
}

static const char *
apply(const char *sim_dir, const struct bridge *bridge)
{
    g_autoptr(GError) error = NULL;
    const char *outcome = BRIDGE_READY;

    if (!*bridge->uplink || ensure(sim_dir, bridge, &outcome, &error))
        return outcome;
    log_warning("%s", error->message);
    return BRIDGE_FAILED;
}

static void
apply_all(PeerHost1 *skeleton, GDBusMethodInvocation *invocation, GArray *bridges,
          const char *sim_dir)
{
    g_autoptr(GPtrArray) outcomes = g_ptr_array_new();
    GError *error = NULL;

    if (!keep(sim_dir, bridges, &error)) {
        fail(invocation, error);
        return;
    }
    for (guint i = 0; i < bridges->len; i++)
        g_ptr_array_add(outcomes,
                        (void *)apply(sim_dir, &g_array_index(bridges, struct bridge, i)));
    g_ptr_array_add(outcomes, NULL);
    peer_host1_complete_apply_networks(skeleton, invocation, (const char *const *)outcomes->pdata);
}

static gboolean
handle_apply_networks(PeerHost1 *skeleton, GDBusMethodInvocation *invocation, GVariant *networks,
                      gpointer sim_dir)
{
    g_autoptr(GArray) bridges = g_array_new(FALSE, FALSE, sizeof(struct bridge));
    gsize n = g_variant_n_children(networks);
    const char *wrong = n > NETWORKS_MAX ? "too many networks" : NULL;

    for (gsize i = 0; i < n && !wrong; i++) {
        g_autoptr(GVariant) network = g_variant_get_child_value(networks, i);
        const struct bridge bridge = read_bridge(network);
        wrong = wrong_with(&bridge);
        g_array_append_val(bridges, bridge); /* its strings live as long as the call's arguments */
    }
    if (wrong)
        refuse(invocation, wrong);
    else
        apply_all(skeleton, invocation, bridges, sim_dir);
    return TRUE;
}

/* ---- what there is ---- */

static gboolean
handle_interfaces(PeerHost1 *skeleton, GDBusMethodInvocation *invocation, gpointer sim_dir)
{
    GError *error = NULL;
    GVariant *all = sim_dir ? interfaces_read_simulated(sim_dir) : interfaces_read(&error);

    if (all)
        peer_host1_complete_interfaces(skeleton, invocation, all);
    else
        fail(invocation, error);
    return TRUE;
}

void
network_serve(PeerHost1 *skeleton, const char *sim_dir)
{
    static const struct {
        const char *signal;
        GCallback handler;
    } handlers[] = {{"handle-interfaces", G_CALLBACK(handle_interfaces)},
                    {"handle-ensure-bridge", G_CALLBACK(handle_ensure_bridge)},
                    {"handle-remove-bridge", G_CALLBACK(handle_remove_bridge)},
                    {"handle-apply-networks", G_CALLBACK(handle_apply_networks)}};

    for (gsize i = 0; i < G_N_ELEMENTS(handlers); i++)
        g_signal_connect(skeleton, handlers[i].signal, handlers[i].handler, (gpointer)sim_dir);
}
