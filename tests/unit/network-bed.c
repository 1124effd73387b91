#include "config.h"

#include "tests/unit/network-bed.h"

#include <sched.h>
#include <stdlib.h>

#include "lib/port.h"
#include "tests/unit/dying.h"

struct ovs_bed bed;
const bool on_switch = ON_SWITCH;

void
run(const char *format, ...)
{
    g_autofree char *command = NULL;
    va_list args;

    va_start(args, format);
    command = g_strdup_vprintf(format, args);
    va_end(args);
    g_assert_cmpint(system(command), ==, 0);
}

/* ---- the two kinds, as xapid-host and libxl's program use them ---- */

const char *
see_to(const struct bridge bridge)
{
    g_autoptr(GError) error = NULL;
    const char *outcome = NULL;

    if (on_switch)
        ovs_ensure(&bed.ovs, &bridge, &outcome, &error);
    else
        bridge_ensure(&bridge, &outcome, &error);
    g_assert_no_error(error);
    return outcome;
}

const char *
ensure(const char *name, const char *uplink, int tag)
{
    return see_to((struct bridge){name, true, 1500, uplink, tag, NULL});
}

const char *
look_for(const char *name)
{
    return see_to((struct bridge){name, false, 1500, "", VLAN_NONE, NULL});
}

bool
removed(const char *name)
{
    g_autoptr(GError) error = NULL;
    bool gone = false;

    if (on_switch)
        ovs_remove(&bed.ovs, name, &gone, &error);
    else
        bridge_remove(name, &gone, &error);
    g_assert_no_error(error);
    return gone;
}

struct applying {
    const struct bridge *bridges;
    gsize n;
};

static bool
try_apply(void *data)
{
    const struct applying *applying = data;
    g_autofree const char **outcomes = g_new0(const char *, applying->n + 1);
    bool ok = on_switch ? ovs_apply(&bed.ovs, applying->bridges, applying->n, outcomes, NULL)
                        : bridge_keep(applying->bridges, applying->n, NULL);

    for (gsize i = 0; i < applying->n && ok && !on_switch; i++)
        if (*applying->bridges[i].uplink)
            ok = bridge_ensure(&applying->bridges[i], &outcomes[i], NULL);
    return ok;
}

void
apply_with(const char *fault, const struct bridge *bridges, gsize n)
{
    struct applying applying = {bridges, n};

    dies_at(fault, try_apply, &applying);
}

void
apply(const struct bridge *bridges, gsize n)
{
    g_autofree const char **outcomes = g_new0(const char *, n + 1);
    g_autoptr(GError) error = NULL;

    if (on_switch)
        ovs_apply(&bed.ovs, bridges, n, outcomes, &error);
    else
        bridge_keep(bridges, n, &error);
    g_assert_no_error(error);
    for (gsize i = 0; i < n; i++) {
        if (!on_switch)
            outcomes[i] = *bridges[i].uplink ? see_to(bridges[i]) : BRIDGE_READY;
        g_assert_cmpstr(outcomes[i], ==, BRIDGE_READY);
    }
}

void
join(const char *interface, const char *bridge)
{
    const struct port_network network = {bridge, bed.socket ? bed.socket : "/none"};
    char text[OVSDB_TEXT_MAX];
    struct link link;

    g_assert_cmpint(link_find(interface, &link), ==, 0);
    g_assert_cmpint(link_set_up(interface, &link, 1500), ==, 0);
    g_assert_cmpint(port_join(&link, &network, text), ==, 0);
    g_assert_cmpstr(text, ==, "");
}

void
leave(const char *interface)
{
    char text[OVSDB_TEXT_MAX];

    g_assert_cmpint(port_leave(interface, bed.socket ? bed.socket : "/none", text), ==, 0);
}

/* ---- a bed ---- */

void
add_guest(const char *name, const char *bridge)
{
    run("ip link add %s type veth peer name %sin; ip link set %sin up", name, name, name);
    join(name, bridge);
}

void
remove_guest(const char *name)
{
    run("ip link del %s", name);
    leave(name);
}

void
add_card(const char *name)
{
    run("ip link add %s type veth peer name %sout; ip link set %sout up; ip link set %s up", name,
        name, name, name);
}

void
remove_card(const char *name)
{
    run("ip link del %s", name);
}

bool
is_there(const char *name)
{
    struct link link;

    return link_find(name, &link) == 0;
}

bool
kernel_has_vlans(void)
{
    bool has;

    add_card("probe");
    has = system("ip link add link probe name probe.1 type vlan id 1 2>/dev/null") == 0;
    remove_card("probe");
    return has;
}

bool
network_bed_init(void)
{
    if (unshare(CLONE_NEWNET) < 0) {
        g_print("1..0 # SKIP needs root, for a network namespace\n");
        return false;
    }
    if (link_make_bridge("probe", 1500) < 0) {
        g_print("1..0 # SKIP this kernel has no bridges\n");
        return false;
    }
    if (on_switch && !ovs_bed_is_possible()) {
        g_print("1..0 # SKIP needs openvswitch-switch, and /dev/net/tun\n");
        return false;
    }
    run("ip link del probe");
    if (on_switch)
        ovs_bed_init(&bed);
    return true;
}

void
network_bed_clear(void)
{
    if (on_switch)
        ovs_bed_clear(&bed);
}
