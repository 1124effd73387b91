/* Open vSwitch under a network: killed, stopped, killed in between ourselves, and what others have
 * made there.  In a network namespace of the test's own; the datapath is in user space. */
#include "config.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/faults.h"
#include "lib/port.h"
#include "tests/unit/dying.h"
#include "tests/unit/frames.h"
#include "tests/unit/ovs-bed.h"
#include "xapid/host/interfaces.h"

static struct ovs_bed bed;

static void
run(const char *command)
{
    g_assert_cmpint(system(command), ==, 0);
}

static bool
try_ensure(const char *name, const char *uplink, int tag, const char **ret_outcome, GError **error)
{
    const struct bridge bridge = {name, true, 1500, uplink, tag, NULL};

    return ovs_ensure(&bed.ovs, &bridge, ret_outcome, error);
}

static const char *
ensure(const char *name, const char *uplink, int tag)
{
    g_autoptr(GError) error = NULL;
    const char *outcome = NULL;

    try_ensure(name, uplink, tag, &outcome, &error);
    g_assert_no_error(error);
    return outcome;
}

static void
apply(const struct bridge *bridges, gsize n)
{
    g_autofree const char **outcomes = g_new0(const char *, n + 1);
    g_autoptr(GError) error = NULL;

    ovs_apply(&bed.ovs, bridges, n, outcomes, &error);
    g_assert_no_error(error);
    for (gsize i = 0; i < n; i++)
        g_assert_cmpstr(outcomes[i], ==, BRIDGE_READY);
}

static int
join(const char *interface, const char *bridge, char text[OVSDB_TEXT_MAX])
{
    const struct port_network network = {bridge, bed.socket};
    struct link link;

    g_assert_cmpint(link_find(interface, &link), ==, 0);
    g_assert_cmpint(link_set_up(interface, &link, 1500), ==, 0);
    return port_join(&link, &network, text);
}

static void
add_guest(const char *name, const char *bridge)
{
    g_autofree char *command = g_strdup_printf(
        "ip link add %s type veth peer name %sin; ip link set %sin up", name, name, name);
    char text[OVSDB_TEXT_MAX];

    run(command);
    g_assert_cmpint(join(name, bridge, text), ==, 0);
}

static void
add_card(void)
{
    run("ip link add card type veth peer name out; ip link set out up; ip link set card up");
}

/* All that has our mark, or is in it, as the administrator sees it. */
static char *
seen(void)
{
    g_autofree char *bridges =
        ovs_bed_vsctl(&bed, "--format=csv --columns=name,external_ids,datapath_type list Bridge");
    g_autofree char *ports =
        ovs_bed_vsctl(&bed, "--format=csv --columns=name,tag,fake_bridge,external_ids list Port");
    g_autofree char *text = g_strconcat(bridges, "\n", ports, NULL);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    /* Rows have no order. */
    for (gsize i = 0; lines[i]; i++)
        for (gsize j = i + 1; lines[j]; j++)
            if (strcmp(lines[i], lines[j]) > 0) {
                char *line = lines[i];
                lines[i] = lines[j];
                lines[j] = line;
            }
    return g_strjoinv("\n", lines);
}

/* ---- ---- */

static void
test_marks(void)
{
    g_autofree char *before = seen();

    add_card();
    ensure("xenbr0", "card", VLAN_NONE);
    ensure("xapi0", "card", 10);
    add_guest("g0", "xapi0");
    g_autofree char *bridge = ovs_bed_vsctl(&bed, "get Bridge xenbr0 external_ids");
    g_assert_cmpstr(bridge, ==, "{xapid=network}");
    g_autofree char *uplink = ovs_bed_vsctl(&bed, "get Port card external_ids");
    g_assert_cmpstr(uplink, ==, "{xapid=uplink}");
    g_autofree char *guest = ovs_bed_vsctl(&bed, "get Port g0 external_ids tag");
    g_assert_cmpstr(guest, ==, "{xapid=guest}\n10");
    g_autofree char *vlan = ovs_bed_vsctl(&bed, "br-to-vlan xapi0");
    g_assert_cmpstr(vlan, ==, "10");
    g_autofree char *parent = ovs_bed_vsctl(&bed, "br-to-parent xapi0");
    g_assert_cmpstr(parent, ==, "xenbr0");
    g_autofree char *ports = ovs_bed_vsctl(&bed, "list-ports xapi0");
    g_assert_cmpstr(ports, ==, "g0");
    run("ip link del g0; ip link del card");
    /* Nobody said that the guest went. */
    apply(NULL, 0);
    g_autofree char *after = seen();
    g_assert_cmpstr(after, ==, before);
}

/* What others made is never changed, nor what they have put beside it. */
static void
test_others(void)
{
    add_card();
    g_free(ovs_bed_vsctl(&bed, "add-br br0 -- set Bridge br0 datapath_type=netdev -- "
                               "add-port br0 card -- add-br br0.7 br0 7"));
    run("ip addr add 10.9.1.1/24 dev br0; ip link set br0 up");
    g_autofree char *before = seen();
    g_assert_cmpstr(ensure("br0", "", VLAN_NONE), ==, BRIDGE_FOREIGN);
    g_assert_cmpstr(ensure("br0.7", "", VLAN_NONE), ==, BRIDGE_FOREIGN);
    g_assert_cmpstr(ensure("xenbr0", "card", VLAN_NONE), ==, BRIDGE_UPLINK_USED);
    const struct bridge theirs = {"br0", false, 1500, "", VLAN_NONE, NULL};
    const char *outcome = NULL;
    g_assert_true(ovs_ensure(&bed.ovs, &theirs, &outcome, NULL));
    g_assert_cmpstr(outcome, ==, BRIDGE_READY);
    bool gone = true;
    g_assert_true(ovs_remove(&bed.ovs, "br0", &gone, NULL));
    g_assert_false(gone);
    g_assert_true(ovs_remove(&bed.ovs, "card", &gone, NULL));
    g_assert_false(gone);
    apply(NULL, 0);
    g_autofree char *after = seen();
    g_assert_cmpstr(after, ==, before);
    /* Guests can be on it, and on its VLANs. */
    add_guest("g0", "br0");
    add_guest("g1", "br0.7");
    frames_assert_pass("g0in", VLAN_NONE, "out", VLAN_NONE);
    frames_assert_pass("g1in", VLAN_NONE, "out", 7);
    /* A port of somebody else's is not taken away from where it is. */
    char text[OVSDB_TEXT_MAX];
    g_assert_cmpint(join("card", "br0", text), ==, -EEXIST);
    g_assert_cmpint(join("g0", "card", text), ==, -ENODEV);
    /* As Interfaces tells of it: the host is reached by that card. */
    g_autoptr(GHashTable) switched = ovs_foreign_ports(&bed.ovs, NULL);
    g_autoptr(GVariant) all = g_variant_ref_sink(interfaces_read(switched, NULL));
    const char *bridge = "";
    for (gsize i = 0; i < g_variant_n_children(all); i++) {
        g_autoptr(GVariant) one = g_variant_get_child_value(all, i);
        const char *name = "";
        g_variant_lookup(one, "name", "&s", &name);
        if (!g_str_equal(name, "card"))
            continue;
        g_autofree const char **addresses = NULL;
        g_assert_true(g_variant_lookup(one, "addresses", "^a&s", &addresses));
        g_assert_cmpstr(addresses[0], ==, "10.9.1.1/24");
        g_variant_lookup(one, "bridge", "&s", &bridge);
        g_assert_cmpstr(bridge, ==, "br0");
    }
    g_assert_cmpstr(bridge, ==, "br0");
    run("ip link del g0; ip link del g1");
    g_free(ovs_bed_vsctl(&bed, "del-br br0"));
    run("ip link del card");
    apply(NULL, 0);
}

/* A Linux bridge of ours keeps its guests; with the last of them it becomes one of Open vSwitch. */
static void
test_from_linux(void)
{
    const struct bridge wanted[] = {{"xenbr0", true, 1500, "card", VLAN_NONE, NULL},
                                    {"xenbr1", true, 1500, "card1", VLAN_NONE, NULL}};
    g_autoptr(GError) error = NULL;
    const char *outcome;
    struct link link;

    add_card();
    run("ip link add card1 type veth peer name out1; ip link set out1 up");
    for (gsize i = 0; i < G_N_ELEMENTS(wanted); i++) {
        bridge_ensure(&wanted[i], &outcome, &error);
        g_assert_no_error(error);
    }
    add_guest("g0", "xenbr0");
    apply(wanted, G_N_ELEMENTS(wanted));
    g_assert_cmpint(link_find("xenbr0", &link), ==, 0);
    g_assert_true(link.is_bridge);
    g_assert_cmpint(link_find("xenbr1", &link), ==, 0);
    g_assert_false(link.is_bridge);
    add_guest("g1", "xenbr0");
    add_guest("g2", "xenbr1");
    frames_assert_pass("g0in", VLAN_NONE, "out", VLAN_NONE);
    frames_assert_pass("g1in", VLAN_NONE, "out", VLAN_NONE);
    frames_assert_pass("g2in", VLAN_NONE, "out1", VLAN_NONE);
    run("ip link del g0; ip link del g1");
    apply(wanted, G_N_ELEMENTS(wanted));
    g_assert_cmpint(link_find("xenbr0", &link), ==, 0);
    g_assert_false(link.is_bridge);
    add_guest("g0", "xenbr0");
    frames_assert_pass("g0in", VLAN_NONE, "out", VLAN_NONE);
    run("ip link del g0; ip link del g2; ip link del card; ip link del card1");
    apply(NULL, 0);
}

/* ---- it ends, or does not answer ---- */

static void
test_killed(void)
{
    const struct bridge wanted[] = {{"xenbr0", true, 1500, "card", VLAN_NONE, NULL},
                                    {"xapi0", true, 1500, "card", 10, NULL}};
    g_autoptr(GError) error = NULL;
    const char *outcome = NULL;
    char text[OVSDB_TEXT_MAX];

    add_card();
    apply(wanted, G_N_ELEMENTS(wanted));
    add_guest("g0", "xapi0");
    frames_assert_pass("g0in", VLAN_NONE, "out", 10);
    ovs_bed_kill_daemon(&bed);
    /* A guest's card is taken up when it comes back; a bridge is said not to be there. */
    add_guest("g1", "xapi0");
    g_assert_false(try_ensure("xapi1", "", VLAN_NONE, &outcome, &error));
    g_assert_nonnull(strstr(error->message, "ovs-vswitchd does not answer"));
    g_clear_error(&error);
    ovs_bed_start_daemon(&bed);
    frames_assert_pass("g0in", VLAN_NONE, "out", 10);
    frames_assert_pass("g1in", VLAN_NONE, "out", 10);
    /* Without it the datapath in user space rests; the kernel's goes on. */
    ovs_bed_kill_database(&bed);
    g_assert_false(try_ensure("xapi1", "", VLAN_NONE, &outcome, &error));
    g_assert_nonnull(strstr(error->message, bed.socket));
    g_clear_error(&error);
    g_assert_cmpint(join("g0", "xapi0", text), <, 0);
    g_assert_cmpstr(text, !=, "");
    ovs_bed_start_database(&bed);
    apply(wanted, G_N_ELEMENTS(wanted));
    frames_assert_pass("g0in", VLAN_NONE, "out", 10);
    /* Both, and guests with them, as by a reboot. */
    ovs_bed_kill_daemon(&bed);
    ovs_bed_kill_database(&bed);
    run("ip link del g0; ip link del g1");
    ovs_bed_start_database(&bed);
    ovs_bed_start_daemon(&bed);
    apply(wanted, G_N_ELEMENTS(wanted));
    add_guest("g0", "xapi0");
    frames_assert_pass("g0in", VLAN_NONE, "out", 10);
    run("ip link del g0; ip link del card");
    apply(NULL, 0);
}

static void
test_stopped(void)
{
    g_autoptr(GError) error = NULL;
    const char *outcome = NULL;

    kill(bed.database, SIGSTOP);
    g_assert_false(try_ensure("xapi0", "", VLAN_NONE, &outcome, &error));
    g_assert_nonnull(strstr(error->message, "ovsdb-server does not answer"));
    kill(bed.database, SIGCONT);
    g_assert_cmpstr(ensure("xapi0", "", VLAN_NONE), ==, BRIDGE_READY);
    apply(NULL, 0);
}

/* ---- we end in between ---- */

struct applying {
    const struct bridge *bridges;
    gsize n;
};

static bool
act(void *data)
{
    const struct applying *applying = data;
    const char *outcomes[8] = {NULL};

    g_assert_cmpuint(applying->n, <=, G_N_ELEMENTS(outcomes));
    return ovs_apply(&bed.ovs, applying->bridges, applying->n, outcomes, NULL);
}

static void
apply_with(const char *fault, const struct bridge *bridges, gsize n)
{
    struct applying applying = {bridges, n};

    dies_at(fault, act, &applying);
}

static void
test_faults(void)
{
    static const char *const faults[] = {"host.ovs.before=kill", "host.ovs.before=error",
                                         "host.ovs.after=kill", "host.ovs.after=error"};
    const struct bridge first[] = {{"xenbr0", true, 1500, "card", VLAN_NONE, NULL},
                                   {"xapi0", true, 1500, "card", 10, NULL}};
    const struct bridge second[] = {{"xenbr0", true, 1500, "card", VLAN_NONE, NULL},
                                    {"xapi0", true, 1500, "", VLAN_NONE, NULL},
                                    {"xapi1", true, 1500, "card", 10, NULL}};

    for (gsize i = 0; i < G_N_ELEMENTS(faults); i++) {
        add_card();
        g_autofree char *nothing = seen();
        apply(first, G_N_ELEMENTS(first));
        add_guest("g0", "xapi0");
        add_guest("g1", "xapi0");
        g_autofree char *one = seen();
        apply(second, G_N_ELEMENTS(second));
        g_autofree char *two = seen();

        apply_with(faults[i], first, G_N_ELEMENTS(first));
        apply(first, G_N_ELEMENTS(first));
        g_autofree char *now = seen();
        g_assert_cmpstr(now, ==, one);
        frames_assert_pass("g0in", VLAN_NONE, "out", 10);
        apply_with(faults[i], second, G_N_ELEMENTS(second));
        apply(second, G_N_ELEMENTS(second));
        g_autofree char *then = seen();
        g_assert_cmpstr(then, ==, two);
        frames_assert_stop("g0in", VLAN_NONE, "out", "g1in", VLAN_NONE);
        run("ip link del g0; ip link del g1");
        apply_with(faults[i], NULL, 0);
        apply(NULL, 0);
        g_autofree char *end = seen();
        g_assert_cmpstr(end, ==, nothing);
        /* The card is as it was. */
        run("! ip -d link show card | grep -q 'NOARP\\|alias'");
        run("ip link del card");
    }
}

/* ---- the rest ---- */

/* The kernel has the filters of a locked card when Open vSwitch has taken it, too. */
static void
test_lock(void)
{
    const uint8_t mac[NIC_MAC_LENGTH] = {2, 0, 0, 0, 0, 9};
    struct nic_lock lock;
    struct link link;

    run("ip link add g0 type veth peer name g0in; ip link set g0in up");
    g_assert_cmpstr(ensure("xapi0", "", VLAN_NONE), ==, BRIDGE_READY);
    g_assert_true(nic_lock_parse("disabled", &lock));
    g_assert_cmpint(link_find("g0", &link), ==, 0);
    if (link_lock(&link, &lock, mac) < 0) {
        g_test_skip("this kernel has no filters");
    } else {
        char text[OVSDB_TEXT_MAX];
        g_assert_cmpint(join("g0", "xapi0", text), ==, 0);
        run("tc filter show dev g0 ingress | grep -q bpf");
        run("tc filter show dev g0 egress | grep -q bpf");
    }
    run("ip link del g0");
    apply(NULL, 0);
}

/* What ovs-vswitchd cannot do is an error with its words, not a network that is none. */
static void
test_not_taken(void)
{
    const struct ovs none = {bed.socket, "nosuch"};
    const struct bridge bridge = {"xapi0", true, 1500, "", VLAN_NONE, NULL};
    g_autoptr(GError) error = NULL;
    const char *outcome = NULL;

    for (int time = 0; time < 2; time++) {
        g_assert_false(ovs_ensure(&none, &bridge, &outcome, &error));
        g_assert_nonnull(strstr(error->message, "xapi0"));
        g_clear_error(&error);
    }
    apply(NULL, 0);
    g_assert_cmpstr(ensure("xapi0", "", VLAN_NONE), ==, BRIDGE_READY);
    apply(NULL, 0);
}

int
main(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    if (unshare(CLONE_NEWNET) < 0) {
        g_print("1..0 # SKIP needs root, for a network namespace\n");
        return 0;
    }
    if (!ovs_bed_is_possible() || system("ip link add end0 type veth peer name end1") != 0) {
        g_print("1..0 # SKIP needs openvswitch-switch, /dev/net/tun and veth\n");
        return 0;
    }
    run("ip link del end0");
    ovs_bed_init(&bed);
    g_test_add_func("/ovs/marks", test_marks);
    g_test_add_func("/ovs/others", test_others);
    g_test_add_func("/ovs/from-linux", test_from_linux);
    g_test_add_func("/ovs/killed", test_killed);
    g_test_add_func("/ovs/stopped", test_stopped);
    g_test_add_func("/ovs/faults", test_faults);
    g_test_add_func("/ovs/lock", test_lock);
    g_test_add_func("/ovs/not-taken", test_not_taken);
    status = g_test_run();
    ovs_bed_clear(&bed);
    return status;
}
