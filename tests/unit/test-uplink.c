/* What leads bridges out of the host, in a network namespace that this test makes: interfaces that
 * are put into a bridge and let go, VLANs, and what of the administrator's is never touched. */
#include "config.h"

#include <sched.h>
#include <stdlib.h>

#include "tests/unit/bridges.h"
#include "xapid/host/interfaces.h"

static void
run(const char *command)
{
    g_assert_cmpint(system(command), ==, 0);
}

static const char *
ensure(const char *name, guint mtu, const char *uplink, int tag)
{
    const struct bridge bridge = {name, true, mtu, uplink, tag, NULL};

    return bridge_ensured(&bridge);
}

static bool
is_there(const char *name)
{
    struct link link;

    return link_find(name, &link) == 0;
}

static char *
vlan_name(const char *device, int tag)
{
    return g_strdup_printf("xv%d.%d", link_found(device).index, tag);
}

/* The settings of an interface that plugging changes, as the kernel has them. */
static char *
settings(const char *name)
{
    g_autofree char *path = g_strdup_printf("/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
    g_autofree char *flags_path = g_strdup_printf("/sys/class/net/%s/flags", name);
    g_autofree char *alias_path = g_strdup_printf("/sys/class/net/%s/ifalias", name);
    g_autofree char *ipv6 = NULL, *flags = NULL, *alias = NULL;

    g_file_get_contents(path, &ipv6, NULL, NULL);
    g_file_get_contents(flags_path, &flags, NULL, NULL);
    g_file_get_contents(alias_path, &alias, NULL, NULL);
    return g_strdup_printf("%s%s%s", ipv6 ? ipv6 : "", flags ? flags : "", alias ? alias : "");
}

static void
test_interface(void)
{
    run("ip link add wire type veth peer name wall; ip link set wire up; ip link set wall up");
    g_autofree char *before = settings("wire");
    g_assert_cmpstr(ensure("xenbr0", 1500, "wire", VLAN_NONE), ==, BRIDGE_READY);
    struct link wire = link_found("wire"), bridge = link_found("xenbr0");
    g_assert_cmpint(wire.master, ==, bridge.index);
    g_assert_true(wire.is_uplink && wire.is_up && wire.group != LINK_GROUP_OURS);
    g_autofree char *during = settings("wire");
    g_assert_cmpstr(during, !=, before);
    /* Again is the same, with the MTU that is wanted now. */
    g_assert_cmpstr(ensure("xenbr0", 1400, "wire", VLAN_NONE), ==, BRIDGE_READY);
    g_assert_cmpuint(link_found("wire").mtu, ==, 1400);
    g_assert_cmpuint(link_found("xenbr0").mtu, ==, 1400);
    g_assert_cmpstr(ensure("xenbr0", 1500, "wire", VLAN_NONE), ==, BRIDGE_READY);
    /* Nobody else gets it meanwhile. */
    g_assert_cmpstr(ensure("xenbr1", 1500, "wire", VLAN_NONE), ==, BRIDGE_UPLINK_USED);
    g_assert_true(bridge_removed("xenbr1"));
    g_assert_cmpint(link_found("wire").master, ==, link_found("xenbr0").index);
    g_assert_true(bridge_removed("xenbr0"));
    g_assert_cmpint(link_found("wire").master, ==, 0);
    g_autofree char *after = settings("wire");
    g_assert_cmpstr(after, ==, before);
    run("ip link del wire");
}

static void
test_vlans(void)
{
    g_autofree char *ten = NULL, *eleven = NULL;

    run("ip link add wire type veth peer name wall; ip link set wall up; "
        "ip addr add 10.9.1.1/24 dev wire; ip link set wire up");
    g_autofree char *before = settings("wire");
    ten = vlan_name("wire", 10);
    eleven = vlan_name("wire", 11);
    g_assert_cmpstr(ensure("xapi0", 1500, "wire", 10), ==, BRIDGE_READY);
    g_assert_cmpstr(ensure("xapi1", 1500, "wire", 11), ==, BRIDGE_READY);
    g_assert_cmpstr(ensure("xapi0", 1500, "wire", 10), ==, BRIDGE_READY);
    struct link vlan = link_found(ten);
    g_assert_cmpint(vlan.tag, ==, 10);
    g_assert_cmpint(vlan.parent, ==, link_found("wire").index);
    g_assert_cmpint(vlan.master, ==, link_found("xapi0").index);
    g_assert_cmpuint(vlan.group, ==, LINK_GROUP_OURS);
    g_assert_cmpint(link_found(eleven).master, ==, link_found("xapi1").index);
    /* The interface itself, and the host's address on it, are as they were. */
    g_autofree char *during = settings("wire");
    g_assert_cmpstr(during, ==, before);
    run("ip -o addr show dev wire | grep -q 10.9.1.1/24");
    g_assert_cmpint(link_found("wire").master, ==, 0);
    /* It goes down and up under them. */
    run("ip link set wire down; ip link set wire up");
    g_assert_true(link_found(ten).is_up);
    /* A guest is on it: the VLAN goes, the bridge stays. */
    run("ip link add guest type veth peer name end; ip link set guest master xapi0");
    g_assert_false(bridge_removed("xapi0"));
    g_assert_false(is_there(ten));
    g_assert_true(is_there("xapi0"));
    run("ip link del guest");
    g_assert_true(bridge_removed("xapi0"));
    g_assert_true(bridge_removed("xapi1"));
    g_assert_false(is_there(eleven));
    run("ip link del wire");
}

/* What has an address of the machine, or is in something else, never changes. */
static void
test_used(void)
{
    run("ip link add wire type veth peer name wall; ip link set wire up; ip link set wall up");
    run("ip addr add 10.9.1.1/24 dev wire");
    g_assert_cmpstr(ensure("xenbr0", 1500, "wire", VLAN_NONE), ==, BRIDGE_UPLINK_USED);
    run("ip addr flush dev wire; ip addr add fd09::1/64 dev wire");
    g_assert_cmpstr(ensure("xenbr0", 1500, "wire", VLAN_NONE), ==, BRIDGE_UPLINK_USED);
    run("ip addr flush dev wire; ip link add br0 type bridge; ip link set wire master br0");
    g_assert_cmpstr(ensure("xenbr0", 1500, "wire", VLAN_NONE), ==, BRIDGE_UPLINK_USED);
    g_assert_cmpint(link_found("wire").master, ==, link_found("br0").index);
    g_assert_cmpstr(ensure("xenbr0", 1500, "br0", VLAN_NONE), ==, BRIDGE_UPLINK_USED);
    g_assert_cmpstr(ensure("xenbr0", 1500, "lo", VLAN_NONE), ==, BRIDGE_NO_UPLINK);
    g_assert_cmpstr(ensure("xenbr0", 1500, "none", 10), ==, BRIDGE_NO_UPLINK);
    /* One that the administrator put into a bridge of ours is not ours. */
    run("ip link set wire nomaster; ip link set wire master xenbr0");
    g_assert_cmpstr(ensure("xenbr0", 1500, "wire", VLAN_NONE), ==, BRIDGE_UPLINK_USED);
    g_assert_false(bridge_removed("xenbr0"));
    g_assert_cmpint(link_found("wire").master, ==, link_found("xenbr0").index);
    run("ip link del wire; ip link del br0");
    g_assert_true(bridge_removed("xenbr0"));
}

static void
test_used_tags(void)
{
    run("ip link add wire type veth peer name wall; ip link set wire up");
    /* The administrator's own VLAN of that tag, and something else of the name. */
    run("ip link add link wire name wire.10 type vlan id 10");
    g_assert_cmpstr(ensure("xapi0", 1500, "wire", 10), ==, BRIDGE_UPLINK_USED);
    g_assert_cmpint(link_found("wire.10").master, ==, 0);
    g_autofree char *eleven = vlan_name("wire", 11);
    g_autofree char *squat = g_strdup_printf("ip link add %s type bridge", eleven);
    g_autofree char *end = g_strdup_printf("ip link del %s", eleven);
    run(squat);
    g_assert_cmpstr(ensure("xapi0", 1500, "wire", 11), ==, BRIDGE_UPLINK_USED);
    g_assert_true(link_found(eleven).is_bridge && link_found(eleven).master == 0);
    run(end);
    run("ip link del wire");
    g_assert_true(bridge_removed("xapi0"));
}

/* A VLAN has no greater MTU than its interface: an error, and nothing else has changed. */
static void
test_mtu(void)
{
    const struct bridge bridge = {"xapi0", true, 9000, "wire", 10, NULL};
    g_autoptr(GError) error = NULL;
    const char *outcome = NULL;

    run("ip link add wire type veth peer name wall; ip link set wire up");
    g_assert_false(bridge_ensure(&bridge, &outcome, &error));
    g_assert_nonnull(error);
    g_autofree char *vlan = vlan_name("wire", 10);
    g_assert_false(is_there(vlan));
    g_assert_cmpuint(link_found("wire").mtu, ==, 1500);
    g_assert_true(bridge_removed("xapi0"));
    run("ip link del wire");
}

/* What is ours and nobody wants goes; what is wanted, has guests, or is not ours stays. */
static void
test_keep(void)
{
    const struct bridge wanted[] = {{"xenbr0", true, 1500, "wire", VLAN_NONE, NULL},
                                    {"xapi1", true, 1500, "", VLAN_NONE, NULL},
                                    {"xapi5", true, 1500, "", VLAN_NONE, NULL},
                                    {"br0", false, 1500, "", VLAN_NONE, NULL}};
    g_autoptr(GError) error = NULL;

    run("ip link add wire type veth peer name wall; ip link set wire up; ip link set wall up");
    run("ip link add other type veth peer name end; ip link add guest type veth peer name inside");
    run("ip link add br0 type bridge");
    ensure("xenbr0", 1500, "wire", VLAN_NONE);
    ensure("xapi1", 1500, "other", VLAN_NONE);
    ensure("xapi2", 1500, "end", VLAN_NONE);
    ensure("xapi3", 1500, "inside", VLAN_NONE);
    ensure("xapi4", 1500, "", VLAN_NONE);
    run("ip link set guest master xapi2");
    for (int time = 0; time < 2; time++) {
        g_assert_true(bridge_keep(wanted, G_N_ELEMENTS(wanted), &error));
        g_assert_no_error(error);
        g_assert_cmpint(link_found("wire").master, ==, link_found("xenbr0").index);
        g_assert_true(is_there("xapi1") && link_found("other").master == 0);
        g_assert_true(is_there("xapi2") && link_found("end").master == 0); /* a guest is on it */
        g_assert_true(!is_there("xapi3") && link_found("inside").master == 0);
        g_assert_true(!is_there("xapi4"));
        g_assert_true(!is_there("xapi5")); /* nobody needed it yet */
        g_assert_true(is_there("br0"));
    }
    run("ip link del guest; ip link del other; ip link del br0");
    g_assert_true(bridge_keep(NULL, 0, &error));
    g_assert_true(!is_there("xenbr0") && !is_there("xapi1") && !is_there("xapi2"));
    g_assert_true(is_there("wire") && link_found("wire").master == 0);
    run("ip link del wire");
}

static void
test_keep_vlans(void)
{
    const struct bridge wanted[] = {{"xapi0", true, 1500, "wire", 10, NULL},
                                    {"xapi1", true, 1500, "", VLAN_NONE, NULL}};
    g_autofree char *ten = NULL, *eleven = NULL, *twelve = NULL;
    g_autoptr(GError) error = NULL;

    run("ip link add wire type veth peer name wall; ip link set wire up; ip link set wall up");
    run("ip link add link wire name wire.9 type vlan id 9");
    ten = vlan_name("wire", 10);
    eleven = vlan_name("wire", 11);
    twelve = vlan_name("wire", 12);
    ensure("xapi0", 1500, "wire", 10);
    ensure("xapi1", 1500, "wire", 11);
    ensure("xapi2", 1500, "wire", 12);
    /* A kill left it in no bridge. */
    run("ip link add link wire name half type vlan id 13; ip link set half group 2019651689");
    g_assert_true(bridge_keep(wanted, G_N_ELEMENTS(wanted), &error));
    g_assert_no_error(error);
    g_assert_cmpint(link_found(ten).master, ==, link_found("xapi0").index);
    g_assert_true(is_there("xapi1") && !is_there(eleven));
    g_assert_true(!is_there("xapi2") && !is_there(twelve) && !is_there("half"));
    g_assert_true(is_there("wire.9"));
    g_assert_true(bridge_keep(NULL, 0, &error));
    g_assert_true(!is_there("xapi0") && !is_there("xapi1") && !is_there(ten));
    run("ip link del wire");
}

static GVariant *
told(const char *name)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) all = interfaces_read(NULL, &error);
    GVariant *found = NULL;

    g_assert_no_error(error);
    g_variant_ref_sink(all);
    for (gsize i = 0; i < g_variant_n_children(all); i++) {
        g_autoptr(GVariant) one = g_variant_get_child_value(all, i);
        const char *its = "";
        g_variant_lookup(one, "name", "&s", &its);
        if (g_str_equal(its, name))
            found = g_variant_ref(one);
    }
    return found;
}

static void
assert_text(GVariant *facts, const char *key, const char *expected)
{
    const char *value = NULL;

    g_variant_lookup(facts, key, "&s", &value);
    g_assert_cmpstr(value, ==, expected);
}

static void
assert_addresses(GVariant *facts, const char *expected)
{
    g_autofree const char **addresses = NULL;

    g_assert_true(g_variant_lookup(facts, "addresses", "^a&s", &addresses));
    g_autofree char *text = g_strjoinv(" ", (char **)addresses);
    g_assert_cmpstr(text, ==, expected);
}

static void
test_told(void)
{
    gboolean flag = FALSE;
    gint64 mtu = 0;

    run("ip link add wire address 02:00:00:00:00:aa mtu 1400 type veth peer name wall; "
        "ip link set wall up; ip link set wire up; "
        "ip addr add 10.9.1.2/20 dev wire; ip addr add fd09::2/64 dev wire nodad; "
        "ip route add default via 10.9.0.9 dev wire");
    run("ip link add br0 type bridge; ip link set br0 up; ip link set wall master br0; "
        "ip addr add 10.9.2.2/24 dev br0 valid_lft 600 preferred_lft 600");
    g_autoptr(GVariant) wire = told("wire"), wall = told("wall"), none = told("br0");
    g_assert_null(none);
    assert_text(wire, "mac", "02:00:00:00:00:aa");
    assert_text(wire, "bridge", "");
    assert_text(wire, "gateway", "10.9.0.9");
    assert_addresses(wire, "10.9.1.2/20 fd09::2/64");
    g_assert_true(g_variant_lookup(wire, "mtu", "x", &mtu) && mtu == 1400);
    g_assert_true(g_variant_lookup(wire, "up", "b", &flag) && flag);
    g_assert_true(g_variant_lookup(wire, "carrier", "b", &flag) && flag);
    g_assert_true(g_variant_lookup(wire, "dynamic", "b", &flag) && !flag);
    g_assert_true(g_variant_lookup(wire, "physical", "b", &flag) && !flag);
    assert_text(wall, "bridge", "br0");
    assert_addresses(wall, "10.9.2.2/24");
    g_assert_true(g_variant_lookup(wall, "dynamic", "b", &flag) && flag);
    g_assert_null(told("lo"));
    run("ip link set wire down");
    g_autoptr(GVariant) down = told("wire");
    g_assert_true(g_variant_lookup(down, "up", "b", &flag) && !flag);
    g_assert_true(g_variant_lookup(down, "carrier", "b", &flag) && !flag);
    run("ip link del wire; ip link del br0");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (unshare(CLONE_NEWNET) < 0) {
        g_print("1..0 # SKIP needs root, for a network namespace\n");
        return 0;
    }
    if (system("ip link add end0 type veth peer name end1 && ip link add probe type bridge && "
               "ip link del end0 && ip link del probe")) {
        g_print("1..0 # SKIP this kernel has no bridges or no veth\n");
        return 0;
    }
    g_test_add_func("/host/uplink/interface", test_interface);
    g_test_add_func("/host/uplink/used", test_used);
    g_test_add_func("/host/uplink/keep", test_keep);
    g_test_add_func("/host/uplink/told", test_told);
    /* The lab runs this there, if not here (tests/lab/test-network.sh). */
    if (system("ip link add end0 type veth peer name end1 && "
               "ip link add link end0 name end0.1 type vlan id 1 2>/dev/null") == 0) {
        g_test_add_func("/host/uplink/vlans", test_vlans);
        g_test_add_func("/host/uplink/used-tags", test_used_tags);
        g_test_add_func("/host/uplink/mtu", test_mtu);
        g_test_add_func("/host/uplink/keep-vlans", test_keep_vlans);
    }
    run("ip link del end0");
    return g_test_run();
}
