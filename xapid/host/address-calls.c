/* Answers xapid about addresses: checks what it asks for, on this machine or a simulated one. */
#include "config.h"

#include "xapid/host/addresses.h"

#include <arpa/inet.h>
#include <gio/gio.h>
#include <string.h>

#include "lib/bridge-name.h"
#include "lib/faults.h"
#include "lib/ip-address.h"
#include "lib/log.h"
#include "xapid/host/resolv.h"

static void
refuse(GDBusMethodInvocation *invocation, const char *what)
{
    g_dbus_method_invocation_return_error_literal(invocation, G_DBUS_ERROR,
                                                  G_DBUS_ERROR_INVALID_ARGS, what);
}

/* Never in the error's own domain: xapid could take it for one of its own connection. */
static void
fail(GDBusMethodInvocation *invocation, const GError *error)
{
    g_dbus_method_invocation_return_error_literal(invocation, G_DBUS_ERROR, G_DBUS_ERROR_FAILED,
                                                  error->message);
}

/* ---- ApplyAddresses ---- */

static bool
apply_one(const char *sim_dir, const struct addressing *wanted, GVariantBuilder *all,
          GError **error)
{
    g_auto(GStrv) there = NULL;
    const char *outcome;

    if (sim_dir ? !addresses_apply_simulated(sim_dir, wanted, &outcome, &there, error)
                : !addresses_apply(wanted, &outcome, &there, error))
        return false;
    g_variant_builder_add(all, "(s^as)", outcome, there);
    return true;
}

static bool
apply_all(const char *sim_dir, const GArray *wanted, GVariantBuilder *all, GError **error)
{
    for (guint i = 0; i < wanted->len; i++)
        if (!apply_one(sim_dir, &g_array_index(wanted, struct addressing, i), all, error))
            return false;
    return true;
}

static const char *
read_all(GVariant *all, GArray *wanted)
{
    const char *wrong = NULL;

    if (g_variant_n_children(all) > ADDRESSINGS_MAX)
        return "too many interfaces";
    for (gsize i = 0; i < g_variant_n_children(all) && !wrong; i++) {
        struct addressing one;

        g_variant_get_child(all, i, "(&s&s&s&s&s)", &one.interface, &one.address, &one.gateway,
                            &one.address6, &one.gateway6);
        wrong = addressing_wrong(&one);
        g_array_append_val(wanted, one);
    }
    return wrong;
}

static gboolean
handle_apply(PeerHost1 *skeleton, GDBusMethodInvocation *invocation, GVariant *all,
             const char *servers, gpointer sim_dir)
{
    g_autoptr(GArray) wanted = g_array_new(FALSE, FALSE, sizeof(struct addressing));
    const char *wrong = read_all(all, wanted);
    g_autoptr(GError) error = NULL;
    GVariantBuilder there;

    if (wrong) {
        refuse(invocation, wrong);
        return TRUE;
    }
    g_variant_builder_init(&there, G_VARIANT_TYPE("a(sas)"));
    if (!FAULT_AROUND("host.addresses", &error, apply_all(sim_dir, wanted, &there, &error))) {
        g_variant_builder_clear(&there);
        fail(invocation, error);
        return TRUE;
    }
    /* Without names the host is reached none the less. */
    if (!resolv_write(sim_dir ? sim_dir : RESOLV_FOLDER, servers, &error))
        log_warning("servers of names: %s", error->message);
    peer_host1_complete_apply_addresses(skeleton, invocation, g_variant_builder_end(&there));
    return TRUE;
}

/* ---- the administrator's ---- */

static gboolean
handle_take(PeerHost1 *skeleton, GDBusMethodInvocation *invocation, const char *name,
            gpointer sim_dir)
{
    g_autoptr(GError) error = NULL;

    if (!bridge_name_is_valid(name))
        refuse(invocation, "name is none of an interface");
    else if (!FAULT_AROUND("host.interface.take", &error,
                           sim_dir ? interface_take_simulated(sim_dir, name, &error)
                                   : interface_take(name, &error)))
        fail(invocation, error);
    else
        peer_host1_complete_take_interface(skeleton, invocation);
    return TRUE;
}

static bool
are_addresses(const char *const *texts, bool with_prefix)
{
    struct ip_prefix prefix;

    if (g_strv_length((char **)texts) > ADDRESSES_MAX)
        return false;
    for (; *texts; texts++) {
        int family = strchr(*texts, ':') ? AF_INET6 : AF_INET;
        if (with_prefix ? !ip_parse_prefix(*texts, family, &prefix)
                        : !ip_parse(*texts, family, &prefix))
            return false;
    }
    return true;
}

static gboolean
handle_give(PeerHost1 *skeleton, GDBusMethodInvocation *invocation, const char *name,
            const char *const *addresses, const char *const *gateways, gpointer sim_dir)
{
    g_autoptr(GError) error = NULL;

    if (!bridge_name_is_valid(name) || !are_addresses(addresses, true) ||
        !are_addresses(gateways, false))
        refuse(invocation, "that is no interface, or those are no addresses");
    else if (!FAULT_AROUND(
                 "host.interface.give", &error,
                 sim_dir ? interface_give_simulated(sim_dir, name, addresses, gateways, &error)
                         : interface_give(name, addresses, gateways, &error)))
        fail(invocation, error);
    else
        peer_host1_complete_give_interface(skeleton, invocation);
    return TRUE;
}

void
addresses_serve(PeerHost1 *skeleton, const char *sim_dir)
{
    g_signal_connect(skeleton, "handle-apply-addresses", G_CALLBACK(handle_apply),
                     (gpointer)sim_dir);
    g_signal_connect(skeleton, "handle-take-interface", G_CALLBACK(handle_take), (gpointer)sim_dir);
    g_signal_connect(skeleton, "handle-give-interface", G_CALLBACK(handle_give), (gpointer)sim_dir);
}
