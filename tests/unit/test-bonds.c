/* Bonds as guests and the wire see them: links are cut, and packets go on; over Linux bridges and
 * over Open vSwitch, as test-networks.c has it.  */
#include "config.h"

#include <stdlib.h>

#include "tests/unit/network-bed.h"

/* Of two cards, as "bond0". */
static const char *
ensure_bond(const char *name, const struct bond *bond)
{
    return see_to((struct bridge){name, true, 1500, "bond0", VLAN_NONE, bond});
}

static const struct bond backup = {.members = {"card1", "card2", NULL},
                                   .mac = {2, 0, 0, 0, 0, 1},
                                   .settings = {.mode = BOND_ACTIVE_BACKUP}};

/* With the link of one card cut, packets go by the other one. */
static void
assert_survives(const char *guest, int tag)
{
    static const char *const cards[] = {"card1", "card2"};

    for (int cut = 0; cut < 2; cut++) {
        g_autofree char *out = g_strdup_printf("%sout", cards[!cut]);
        run("ip link set %sout down", cards[cut]);
        frames_assert_pass(guest, VLAN_NONE, out, tag);
        frames_assert_pass(out, tag, guest, VLAN_NONE);
        run("ip link set %sout up", cards[cut]);
    }
}

static void
test_bond(void)
{
    add_card("card1");
    add_card("card2");
    g_assert_cmpstr(ensure_bond("xapi0", &backup), ==, BRIDGE_READY);
    g_assert_cmpstr(ensure_bond("xapi0", &backup), ==, BRIDGE_READY);
    g_assert_cmpstr(ensure("xapi2", "card1", VLAN_NONE), ==, BRIDGE_UPLINK_USED);
    g_assert_cmpstr(ensure("xapi1", "bond0", 10), ==, BRIDGE_READY);
    add_guest("g0", "xapi0");
    add_guest("g1", "xapi1");
    assert_survives("g0in", VLAN_NONE);
    assert_survives("g1in", 10);
    /* Pulled, and there again. */
    remove_card("card1");
    g_assert_cmpstr(ensure_bond("xapi0", &backup), ==, BRIDGE_READY);
    frames_assert_pass("g0in", VLAN_NONE, "card2out", VLAN_NONE);
    add_card("card1");
    g_assert_cmpstr(ensure_bond("xapi0", &backup), ==, BRIDGE_READY);
    /* A datapath in user space goes on with the card that is gone. */
    if (!on_switch)
        assert_survives("g0in", VLAN_NONE);
    g_assert_false(removed("xapi1"));
    remove_guest("g0");
    remove_guest("g1");
    g_assert_true(removed("xapi1") && removed("xapi0") && removed("xapi2"));
    run("! ip -d link show card1 | grep -q 'NOARP\\|alias\\|bond'");
    g_assert_false(is_there("bond0"));
    remove_card("card1");
    remove_card("card2");
}

/* Its mode changes under guests; it comes from cards that led other networks out, and goes back. */
static void
test_bond_changes(void)
{
    struct bond lacp = backup, other = backup;
    const struct bridge first[] = {{"xenbr1", true, 1500, "card1", VLAN_NONE, NULL},
                                   {"xenbr2", true, 1500, "card2", VLAN_NONE, NULL},
                                   {"xapi1", true, 1500, "card1", 10, NULL}};
    const struct bridge second[] = {{"xenbr1", true, 1500, "", VLAN_NONE, NULL},
                                    {"xapi0", true, 1500, "bond0", VLAN_NONE, &backup},
                                    {"xapi1", true, 1500, "bond0", 10, NULL}};

    lacp.settings = (struct bond_settings){.mode = BOND_LACP, .is_fast = true, .key = 5};
    other.settings.mode = on_switch ? BOND_BALANCE_SLB : BOND_ACTIVE_BACKUP;
    add_card("card1");
    add_card("card2");
    apply(first, G_N_ELEMENTS(first));
    add_guest("g1", "xapi1");
    frames_assert_pass("g1in", VLAN_NONE, "card1out", 10);
    for (int time = 0; time < 2; time++)
        apply(second, G_N_ELEMENTS(second));
    assert_survives("g1in", 10);
    g_assert_cmpstr(ensure_bond("xapi0", &lacp), ==, BRIDGE_READY);
    g_assert_cmpstr(ensure_bond("xapi0", &lacp), ==, BRIDGE_READY);
    if (on_switch) {
        g_autofree char *port =
            ovs_bed_vsctl(&bed, "get port bond0 bond_mode lacp other_config mac");
        g_assert_cmpstr(port, ==,
                        "balance-tcp\nactive\n{lacp-fallback-ab=\"false\", lacp-time=fast}\n"
                        "\"02:00:00:00:00:01\"");
        g_autofree char *key = ovs_bed_vsctl(&bed, "get interface card2 other_config");
        g_assert_cmpstr(key, ==, "{lacp-aggregation-key=\"5\"}");
    } else {
        run("ip -d link show bond0 | grep -q 'mode 802.3ad'");
        run("ip -d link show bond0 | grep -q 'layer3+4.*lacp_rate fast.*ad_user_port_key 5'");
    }
    g_assert_cmpstr(ensure_bond("xapi0", &other), ==, BRIDGE_READY);
    assert_survives("g1in", 10);
    for (int time = 0; time < 2; time++)
        apply(first, G_N_ELEMENTS(first));
    frames_assert_pass("g1in", VLAN_NONE, "card1out", 10);
    frames_assert_pass("card1out", 10, "g1in", VLAN_NONE);
    g_assert_false(is_there("bond0") || is_there("xapi0"));
    remove_guest("g1");
    apply(NULL, 0);
    remove_card("card1");
    remove_card("card2");
}

/* Whoever ends in between leaves what the next one puts right. */
static void
test_bond_faults(void)
{
    static const char *const on_switch_faults[] = {"host.ovs.before=kill", "host.ovs.after=kill",
                                                   "host.ovs.after=error", NULL};
    static const char *const in_kernel_faults[] = {
        "host.bond.before=kill", "host.bond.member=kill",  "host.bond.member=kill@2",
        "host.bond.after=kill",  "host.bond.member=error", NULL};
    const char *const *faults = on_switch ? on_switch_faults : in_kernel_faults;
    const struct bridge apart[] = {{"xenbr1", true, 1500, "card1", VLAN_NONE, NULL},
                                   {"xapi1", true, 1500, "card1", 10, NULL}};
    const struct bridge bonded[] = {{"xapi0", true, 1500, "bond0", VLAN_NONE, &backup},
                                    {"xapi1", true, 1500, "bond0", 10, NULL}};

    for (; *faults; faults++) {
        add_card("card1");
        add_card("card2");
        apply(apart, G_N_ELEMENTS(apart));
        add_guest("g1", "xapi1");
        apply_with(*faults, bonded, G_N_ELEMENTS(bonded));
        apply(bonded, G_N_ELEMENTS(bonded));
        assert_survives("g1in", 10);
        apply(NULL, 0);
        apply_with(*faults, bonded, G_N_ELEMENTS(bonded));
        apply(apart, G_N_ELEMENTS(apart));
        frames_assert_pass("g1in", VLAN_NONE, "card1out", 10);
        g_assert_false(is_there("bond0"));
        remove_guest("g1");
        apply(NULL, 0);
        run("! ip -d link show card1 | grep -q 'NOARP\\|alias\\|bond'");
        run("! ip -d link show card2 | grep -q 'NOARP\\|alias\\|bond'");
        remove_card("card1");
        remove_card("card2");
    }
}

/* What the host uses is in no bond, and a bond of the administrator's is none of ours. */
static void
test_bond_refused(void)
{
    add_card("card1");
    add_card("card2");
    run("ip addr add 10.9.1.1/24 dev card2");
    g_assert_cmpstr(ensure_bond("xapi0", &backup), ==, BRIDGE_UPLINK_USED);
    run("ip -o addr show dev card2 | grep -q 10.9.1.1/24");
    run("! ip -d link show card1 | grep -q 'alias'");
    g_assert_false(is_there("bond0"));
    remove_card("card1");
    remove_card("card2");
    g_assert_cmpstr(ensure_bond("xapi0", &backup), ==, BRIDGE_NO_UPLINK);
    g_assert_true(removed("xapi0"));
    if (on_switch)
        return;
    add_card("card1");
    run("ip link add bond0 type bond mode active-backup");
    g_assert_cmpstr(ensure_bond("xapi0", &backup), ==, BRIDGE_UPLINK_USED);
    run("! ip -d link show card1 | grep -q 'alias'");
    g_assert_true(removed("xapi0") && is_there("bond0"));
    run("ip link del bond0");
    remove_card("card1");
}

static bool
kernel_has_bonds(void)
{
    return system("ip link add probe type bond 2>/dev/null && ip link del probe") == 0;
}

int
main(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    if (!network_bed_init())
        return 0;
    if (!on_switch && !(kernel_has_vlans() && kernel_has_bonds())) {
        g_print("1..0 # SKIP this kernel has no bonds\n");
        return 0;
    }
    g_test_add_func("/bonds/links", test_bond);
    g_test_add_func("/bonds/changes", test_bond_changes);
    g_test_add_func("/bonds/faults", test_bond_faults);
    g_test_add_func("/bonds/refused", test_bond_refused);
    status = g_test_run();
    network_bed_clear();
    return status;
}
