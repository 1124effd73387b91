/* Bridges of networks, in a network namespace that this test makes. */
#include "config.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <sched.h>
#include <stdlib.h>

#include "lib/bridge-name.h"
#include "tests/unit/bridges.h"
#include "tests/unit/remove-tree.h"

static void
test_names(void)
{
    static const char *const good[] = {"xapi0",     "b",        "0",
                                       "xenbr0.10", "br-lan_1", "abcdefghijklmno"};
    static const char *const bad[] = {
        "",    ".",         "..",  "-x",      "_x",     "a/b",    "a b",        "a:b",
        "a\n", "$(reboot)", "all", "default", "vif1.0", "tap1.0", "br\xc3\xa9", "abcdefghijklmnop"};

    for (gsize i = 0; i < G_N_ELEMENTS(good); i++)
        g_assert_true(bridge_name_is_valid(good[i]));
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_false(bridge_name_is_valid(bad[i]));
}

static const char *
ensure(const char *name, bool managed, guint mtu)
{
    const struct bridge bridge = {name, managed, mtu, "", VLAN_NONE, NULL};

    return bridge_ensured(&bridge);
}

/* A kernel without IPv6 has nothing to switch off. */
static void
assert_no_ipv6(const char *name)
{
    g_autofree char *path = g_strdup_printf("/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
    g_autofree char *text = NULL;

    if (g_file_get_contents(path, &text, NULL, NULL))
        g_assert_cmpstr(g_strchomp(text), ==, "1");
}

static void
test_ours(void)
{
    struct link link;

    g_assert_cmpstr(ensure("xapi0", true, 1500), ==, BRIDGE_READY);
    link = link_found("xapi0");
    g_assert_true(link.is_bridge);
    g_assert_cmpuint(link.group, ==, LINK_GROUP_OURS);
    g_assert_cmpuint(link.mtu, ==, 1500);
    assert_no_ipv6("xapi0");
    /* Again is the same one, with the MTU that is wanted now. */
    g_assert_cmpstr(ensure("xapi0", true, 9000), ==, BRIDGE_READY);
    g_assert_cmpint(link_found("xapi0").index, ==, link.index);
    g_assert_cmpuint(link_found("xapi0").mtu, ==, 9000);
    g_assert_true(bridge_removed("xapi0"));
    g_assert_cmpint(link_find("xapi0", &link), ==, -ENODEV);
    g_assert_false(bridge_removed("xapi0"));
}

/* What somebody else made is never changed and never removed. */
static void
test_foreign(void)
{
    struct link before, after;

    g_assert_cmpint(system("ip link add br0 mtu 1400 type bridge"), ==, 0);
    before = link_found("br0");
    g_assert_cmpstr(ensure("br0", true, 1500), ==, BRIDGE_FOREIGN);
    g_assert_cmpstr(ensure("lo", true, 1500), ==, BRIDGE_FOREIGN);
    g_assert_cmpstr(ensure("br0", false, 1500), ==, BRIDGE_READY);
    g_assert_cmpstr(ensure("lo", false, 1500), ==, BRIDGE_MISSING);
    g_assert_cmpstr(ensure("br1", false, 1500), ==, BRIDGE_MISSING);
    g_assert_false(bridge_removed("br0"));
    g_assert_false(bridge_removed("lo"));
    after = link_found("br0");
    g_assert_cmpmem(&before, sizeof before, &after, sizeof after);
}

static void
test_ports(void)
{
    struct link bridge, port;

    g_assert_cmpstr(ensure("xapi1", true, 1500), ==, BRIDGE_READY);
    g_assert_cmpint(system("ip link add end0 type veth peer name end1"), ==, 0);
    bridge = link_found("xapi1");
    port = link_found("end0");
    g_assert_false(port.is_bridge);
    g_assert_cmpint(link_has_ports(&bridge), ==, 0);
    g_assert_cmpint(link_set_up("end0", &port, 1500), ==, 0);
    g_assert_cmpint(link_join(&port, &bridge), ==, 0);
    g_assert_cmpint(link_found("end0").master, ==, bridge.index);
    g_assert_cmpint(link_has_ports(&bridge), ==, 1);
    g_assert_false(bridge_removed("xapi1"));
    /* Nothing joins what is no bridge. */
    g_assert_cmpint(link_join(&bridge, &port), <, 0);
    g_assert_cmpint(link_remove(&port), ==, 0);
    g_assert_true(bridge_removed("xapi1"));
}

static void
test_kernel_refuses(void)
{
    const struct bridge bridge = {"xapi2", true, 100000, "", VLAN_NONE, NULL};
    g_autoptr(GError) error = NULL;
    const char *outcome = NULL;

    /* More than a bridge takes. */
    g_assert_false(bridge_ensure(&bridge, &outcome, &error));
    g_assert_nonnull(error);
    g_assert_null(outcome);
}

static void
test_simulated(void)
{
    g_autofree char *dir = g_dir_make_tmp("xapid-bridges-XXXXXX", NULL);
    g_autofree char *theirs = g_build_filename(dir, BRIDGE_SIM_DIR, "br0", NULL);
    const struct bridge foreign = {"br0", false, 1500, "", VLAN_NONE, NULL};
    const struct bridge squatted = {"br0", true, 1500, "", VLAN_NONE, NULL};
    const struct bridge ours = {"xapi0", true, 1500, "", VLAN_NONE, NULL};
    const char *outcome;
    bool gone;

    g_assert_true(bridge_ensure_simulated(dir, &foreign, &outcome, NULL));
    g_assert_cmpstr(outcome, ==, BRIDGE_MISSING);
    g_assert_true(bridge_ensure_simulated(dir, &ours, &outcome, NULL));
    g_assert_cmpstr(outcome, ==, BRIDGE_READY);
    g_assert_true(g_file_set_contents(theirs, BRIDGE_FOREIGN, -1, NULL));
    g_assert_true(bridge_ensure_simulated(dir, &squatted, &outcome, NULL));
    g_assert_cmpstr(outcome, ==, BRIDGE_FOREIGN);
    g_assert_true(bridge_ensure_simulated(dir, &foreign, &outcome, NULL));
    g_assert_cmpstr(outcome, ==, BRIDGE_READY);
    g_assert_true(bridge_remove_simulated(dir, "br0", &gone, NULL));
    g_assert_false(gone);
    g_assert_true(bridge_remove_simulated(dir, "xapi0", &gone, NULL));
    g_assert_true(gone);
    remove_tree(dir);
}

int
main(int argc, char **argv)
{
    struct link link;

    g_test_init(&argc, &argv, NULL);
    if (unshare(CLONE_NEWNET) < 0) {
        g_print("1..0 # SKIP needs root, for a network namespace\n");
        return 0;
    }
    if (link_make_bridge("probe", 1500) == -EOPNOTSUPP || link_find("probe", &link) < 0) {
        g_print("1..0 # SKIP this kernel has no bridges\n");
        return 0;
    }
    g_test_add_func("/host/bridge/names", test_names);
    g_test_add_func("/host/bridge/ours", test_ours);
    g_test_add_func("/host/bridge/foreign", test_foreign);
    g_test_add_func("/host/bridge/ports", test_ports);
    g_test_add_func("/host/bridge/kernel-refuses", test_kernel_refuses);
    g_test_add_func("/host/bridge/simulated", test_simulated);
    return g_test_run();
}
