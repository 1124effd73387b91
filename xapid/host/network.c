#include "config.h"

#include "xapid/host/network.h"

#include "lib/bridge-name.h"
#include "lib/faults.h"
#include "lib/log.h"
#include "lib/ovsdb.h"
#include "lib/settings.h"
#include "xapid/host/bridge.h"
#include "xapid/host/interfaces.h"
#include "xapid/host/ovs.h"

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

/* What is wrong with it, or NULL.  Strings are those of the variant; *bond is room for one. */
static const char *
read_bridge(GVariant *network, struct bridge *ret_bridge, struct bond *bond)
{
    g_autoptr(GVariant) bonded = g_variant_get_child_value(network, NETWORK_BOND);
    gboolean managed;
    const char *wrong;

    g_variant_get(network, "(&sbu&si@" BOND_TYPE ")", &ret_bridge->name, &managed, &ret_bridge->mtu,
                  &ret_bridge->uplink, &ret_bridge->tag, NULL);
    ret_bridge->managed = managed;
    ret_bridge->bond = NULL;
    wrong = wrong_with(ret_bridge);
    if (wrong || !bond_is_given(bonded))
        return wrong;
    ret_bridge->bond = bond;
    return *ret_bridge->uplink && ret_bridge->tag == VLAN_NONE ? bond_read(bonded, bond)
                                                               : "a bond leads out itself";
}

/* ---- in the thread ---- */

struct network {
    const char *sim_dir;
    bool on_switch; /* Open vSwitch's */
    struct ovs ovs;
    GThreadPool *thread;
};

typedef void (*job_fn)(const struct network *network, PeerHost1 *skeleton,
                       GDBusMethodInvocation *taken);

struct job {
    job_fn run;
    PeerHost1 *skeleton;
    GDBusMethodInvocation *invocation;
};

static void
run(gpointer data, gpointer network)
{
    struct job *job = data;

    job->run(network, job->skeleton, job->invocation);
    g_object_unref(job->skeleton);
    g_free(job);
}

static gboolean
put(struct network *network, job_fn job_run, PeerHost1 *skeleton, GDBusMethodInvocation *taken)
{
    const struct job job = {job_run, g_object_ref(skeleton), taken};

    g_thread_pool_push(network->thread, g_memdup2(&job, sizeof job), NULL);
    return TRUE;
}

/* ---- one bridge ---- */

static bool
ensure_of_kind(const struct network *network, const struct bridge *bridge, const char **ret_outcome,
               GError **error)
{
    if (network->sim_dir)
        return bridge_ensure_simulated(network->sim_dir, bridge, ret_outcome, error);
    return network->on_switch ? ovs_ensure(&network->ovs, bridge, ret_outcome, error)
                              : bridge_ensure(bridge, ret_outcome, error);
}

static bool
ensure(const struct network *network, const struct bridge *bridge, const char **ret_outcome,
       GError **error)
{
    return FAULT_POINT("host.bridge.before", error) &&
           ensure_of_kind(network, bridge, ret_outcome, error) &&
           FAULT_POINT("host.bridge.after", error);
}

static void
ensure_bridge(const struct network *network, PeerHost1 *skeleton, GDBusMethodInvocation *taken)
{
    g_autoptr(GVariant) wanted =
        g_variant_get_child_value(g_dbus_method_invocation_get_parameters(taken), 0);
    struct bridge bridge;
    struct bond bond;
    const char *wrong = read_bridge(wanted, &bridge, &bond), *outcome;
    GError *error = NULL;

    if (wrong)
        refuse(taken, wrong);
    else if (!ensure(network, &bridge, &outcome, &error))
        fail(taken, error);
    else
        peer_host1_complete_ensure_bridge(skeleton, taken, outcome);
}

static gboolean
handle_ensure_bridge(PeerHost1 *skeleton, GDBusMethodInvocation *invocation, GVariant *wanted,
                     gpointer network)
{
    (void)wanted;
    return put(network, ensure_bridge, skeleton, invocation);
}

static bool
remove_of_kind(const struct network *network, const char *name, bool *ret_removed, GError **error)
{
    if (network->sim_dir)
        return bridge_remove_simulated(network->sim_dir, name, ret_removed, error);
    return network->on_switch ? ovs_remove(&network->ovs, name, ret_removed, error)
                              : bridge_remove(name, ret_removed, error);
}

static void
remove_bridge(const struct network *network, PeerHost1 *skeleton, GDBusMethodInvocation *taken)
{
    GError *error = NULL;
    const char *name;
    bool removed;

    g_variant_get(g_dbus_method_invocation_get_parameters(taken), "(&s)", &name);
    if (!bridge_name_is_valid(name))
        refuse(taken, "name is none of a bridge");
    else if (!FAULT_AROUND("host.bridge.remove", &error,
                           remove_of_kind(network, name, &removed, &error)))
        fail(taken, error);
    else
        peer_host1_complete_remove_bridge(skeleton, taken, removed);
}

static gboolean
handle_remove_bridge(PeerHost1 *skeleton, GDBusMethodInvocation *invocation, const char *name,
                     gpointer network)
{
    (void)name;
    return put(network, remove_bridge, skeleton, invocation);
}

/* ---- all of them ---- */

/* Open vSwitch does all of it at once, and has outcomes then. */
static bool
keep_of_kind(const struct network *network, const struct bridge *bridges, gsize n,
             const char **outcomes, GError **error)
{
    if (network->sim_dir)
        return bridge_keep_simulated(network->sim_dir, bridges, n, error);
    return network->on_switch ? ovs_apply(&network->ovs, bridges, n, outcomes, error)
                              : bridge_keep(bridges, n, error);
}

static const char *
apply(const struct network *network, const struct bridge *bridge)
{
    g_autoptr(GError) error = NULL;
    const char *outcome = BRIDGE_READY;

    if (!*bridge->uplink || ensure(network, bridge, &outcome, &error))
        return outcome;
    log_warning("%s", error->message);
    return BRIDGE_FAILED;
}

static void
apply_all(const struct network *network, PeerHost1 *skeleton, GDBusMethodInvocation *taken,
          GArray *bridges)
{
    const struct bridge *all = (const struct bridge *)(void *)bridges->data;
    g_autofree const char **outcomes = g_new0(const char *, bridges->len + 1);
    GError *error = NULL;

    if (!FAULT_AROUND("host.networks", &error,
                      keep_of_kind(network, all, bridges->len, outcomes, &error))) {
        fail(taken, error);
        return;
    }
    for (guint i = 0; i < bridges->len; i++)
        if (!outcomes[i])
            outcomes[i] = apply(network, &all[i]);
    peer_host1_complete_apply_networks(skeleton, taken, outcomes);
}

static void
apply_networks(const struct network *network, PeerHost1 *skeleton, GDBusMethodInvocation *taken)
{
    g_autoptr(GVariant) networks =
        g_variant_get_child_value(g_dbus_method_invocation_get_parameters(taken), 0);
    g_autoptr(GArray) bridges = g_array_new(FALSE, FALSE, sizeof(struct bridge));
    g_autoptr(GPtrArray) bonds = g_ptr_array_new_with_free_func(g_free);
    gsize n = g_variant_n_children(networks);
    const char *wrong = n > NETWORKS_MAX ? "too many networks" : NULL;

    for (gsize i = 0; i < n && !wrong; i++) {
        g_autoptr(GVariant) wanted = g_variant_get_child_value(networks, i);
        struct bond *bond = g_new(struct bond, 1);
        struct bridge bridge;

        g_ptr_array_add(bonds, bond);
        wrong = read_bridge(wanted, &bridge, bond);
        g_array_append_val(bridges, bridge); /* its strings live as long as the call's arguments */
    }
    if (wrong)
        refuse(taken, wrong);
    else
        apply_all(network, skeleton, taken, bridges);
}

static gboolean
handle_apply_networks(PeerHost1 *skeleton, GDBusMethodInvocation *invocation, GVariant *networks,
                      gpointer network)
{
    (void)networks;
    return put(network, apply_networks, skeleton, invocation);
}

/* ---- what there is ---- */

static GVariant *
interfaces_of_kind(const struct network *network, GError **error)
{
    g_autoptr(GHashTable) switched = NULL;

    if (network->sim_dir)
        return interfaces_read_simulated(network->sim_dir);
    if (network->on_switch && !(switched = ovs_foreign_ports(&network->ovs, error)))
        return NULL;
    return interfaces_read(switched, error);
}

static void
interfaces(const struct network *network, PeerHost1 *skeleton, GDBusMethodInvocation *taken)
{
    GError *error = NULL;
    GVariant *all = interfaces_of_kind(network, &error);

    if (all)
        peer_host1_complete_interfaces(skeleton, taken, all);
    else
        fail(taken, error);
}

static gboolean
handle_interfaces(PeerHost1 *skeleton, GDBusMethodInvocation *invocation, gpointer network)
{
    return put(network, interfaces, skeleton, invocation);
}

/* ---- the whole ---- */

struct network *
network_new(const char *sim_dir, const char *backend)
{
    struct network *network = g_new0(struct network, 1);

    network->sim_dir = sim_dir;
    network->on_switch = *backend ? g_str_equal(backend, NETWORK_BACKEND_OVS)
                                  : !sim_dir && g_file_test(OVS_PROGRAM, G_FILE_TEST_IS_EXECUTABLE);
    network->ovs = (struct ovs){OVSDB_SOCKET, ""};
    network->thread = g_thread_pool_new(run, network, 1, TRUE, NULL);
    return network;
}

void
network_free(struct network *network)
{
    if (!network)
        return;
    g_thread_pool_free(network->thread, FALSE, TRUE);
    g_free(network);
}

const char *
network_backend(const struct network *network)
{
    return network->on_switch ? NETWORK_BACKEND_OVS : NETWORK_BACKEND_BRIDGE;
}

void
network_serve(struct network *network, PeerHost1 *skeleton)
{
    static const struct {
        const char *signal;
        GCallback handler;
    } handlers[] = {{"handle-interfaces", G_CALLBACK(handle_interfaces)},
                    {"handle-ensure-bridge", G_CALLBACK(handle_ensure_bridge)},
                    {"handle-remove-bridge", G_CALLBACK(handle_remove_bridge)},
                    {"handle-apply-networks", G_CALLBACK(handle_apply_networks)}};

    for (gsize i = 0; i < G_N_ELEMENTS(handlers); i++)
        g_signal_connect(skeleton, handlers[i].signal, handlers[i].handler, network);
}
