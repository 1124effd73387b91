/* Networks as guests and the wire see them: real frames, in a network namespace that this test
 * makes, the same over Linux bridges and over Open vSwitch (its datapath in user space): ON_SWITCH.
 */
#include "config.h"

#include <stdlib.h>

#include "tests/unit/network-bed.h"

static void
test_inside(void)
{
    g_assert_cmpstr(ensure("xapi0", "", VLAN_NONE), ==, BRIDGE_READY);
    g_assert_cmpstr(ensure("xapi0", "", VLAN_NONE), ==, BRIDGE_READY);
    g_assert_cmpstr(ensure("xapi1", "", VLAN_NONE), ==, BRIDGE_READY);
    add_guest("g0", "xapi0");
    add_guest("g1", "xapi0");
    add_guest("g2", "xapi1");
    frames_assert_pass("g0in", VLAN_NONE, "g1in", VLAN_NONE);
    frames_assert_pass("g1in", VLAN_NONE, "g0in", VLAN_NONE);
    frames_assert_stop("g0in", VLAN_NONE, "g2in", "g1in", VLAN_NONE);
    /* Again, and to another network, as VIF.move does. */
    join("g2", "xapi1");
    join("g2", "xapi0");
    frames_assert_pass("g0in", VLAN_NONE, "g2in", VLAN_NONE);
    join("g1", "xapi1");
    frames_assert_stop("g0in", VLAN_NONE, "g1in", "g2in", VLAN_NONE);
    g_assert_false(removed("xapi0"));
    g_assert_false(removed("xapi1"));
    frames_assert_pass("g0in", VLAN_NONE, "g2in", VLAN_NONE);
    remove_guest("g0");
    remove_guest("g1");
    remove_guest("g2");
    g_assert_true(removed("xapi0") && removed("xapi1"));
    g_assert_false(removed("xapi0"));
    g_assert_false(is_there("xapi0") || is_there("xapi1"));
}

static void
test_uplink(void)
{
    add_card("card");
    g_assert_cmpstr(ensure("xenbr0", "card", VLAN_NONE), ==, BRIDGE_READY);
    g_assert_cmpstr(ensure("xenbr0", "card", VLAN_NONE), ==, BRIDGE_READY);
    g_assert_cmpstr(ensure("xenbr1", "card", VLAN_NONE), ==, BRIDGE_UPLINK_USED);
    g_assert_true(removed("xenbr1"));
    add_guest("g0", "xenbr0");
    frames_assert_pass("g0in", VLAN_NONE, "cardout", VLAN_NONE);
    frames_assert_pass("cardout", VLAN_NONE, "g0in", VLAN_NONE);
    /* Pulled, and there again. */
    remove_card("card");
    g_assert_cmpstr(ensure("xenbr0", "card", VLAN_NONE), ==, BRIDGE_NO_UPLINK);
    add_card("card");
    g_assert_cmpstr(ensure("xenbr0", "card", VLAN_NONE), ==, BRIDGE_READY);
    frames_assert_pass("g0in", VLAN_NONE, "cardout", VLAN_NONE);
    g_assert_false(removed("xenbr0")); /* a guest is there, the card not any more */
    add_guest("g1", "xenbr0");
    frames_assert_stop("g0in", VLAN_NONE, "cardout", "g1in", VLAN_NONE);
    remove_guest("g0");
    remove_guest("g1");
    g_assert_true(removed("xenbr0"));
    run("! ip -d link show card | grep -q 'NOARP\\|alias'");
    remove_card("card");
}

static void
test_vlans(void)
{
    add_card("card");
    g_assert_cmpstr(ensure("xenbr0", "card", VLAN_NONE), ==, BRIDGE_READY);
    g_assert_cmpstr(ensure("xapi0", "card", 10), ==, BRIDGE_READY);
    g_assert_cmpstr(ensure("xapi1", "card", 11), ==, BRIDGE_READY);
    g_assert_cmpstr(ensure("xapi0", "card", 10), ==, BRIDGE_READY);
    g_assert_cmpstr(ensure("xapi2", "card", 10), ==, BRIDGE_UPLINK_USED);
    removed("xapi2");
    add_guest("g0", "xapi0");
    add_guest("g1", "xapi0");
    add_guest("g2", "xapi1");
    add_guest("g3", "xenbr0");
    frames_assert_pass("g0in", VLAN_NONE, "cardout", 10);
    frames_assert_pass("g2in", VLAN_NONE, "cardout", 11);
    frames_assert_pass("cardout", 10, "g0in", VLAN_NONE);
    frames_assert_pass("cardout", 11, "g2in", VLAN_NONE);
    frames_assert_pass("cardout", VLAN_NONE, "g3in", VLAN_NONE);
    frames_assert_stop("g0in", VLAN_NONE, "g2in", "g1in", VLAN_NONE);
    frames_assert_stop("cardout", 10, "g2in", "g0in", VLAN_NONE);
    frames_assert_stop("cardout", VLAN_NONE, "g0in", "g3in", VLAN_NONE);
    remove_guest("g3");
    remove_guest("g2");
    g_assert_true(removed("xapi1"));
    /* The guests stay together when the VLAN goes, and have it again when it comes. */
    g_assert_false(removed("xapi0"));
    frames_assert_stop("g0in", VLAN_NONE, "cardout", "g1in", VLAN_NONE);
    g_assert_cmpstr(ensure("xapi0", "card", 12), ==, BRIDGE_READY);
    frames_assert_pass("g0in", VLAN_NONE, "cardout", 12);
    frames_assert_pass("g0in", VLAN_NONE, "g1in", VLAN_NONE);
    remove_guest("g0");
    remove_guest("g1");
    g_assert_true(removed("xapi0") && removed("xenbr0"));
    remove_card("card");
}

/* A VLAN of a card that the host itself uses takes nothing from it. */
static void
test_vlan_beside(void)
{
    add_card("card");
    run("ip addr add 10.9.1.1/24 dev card");
    g_assert_cmpstr(ensure("xenbr0", "card", VLAN_NONE), ==, BRIDGE_UPLINK_USED);
    g_assert_cmpstr(ensure("xapi0", "card", 10), ==, BRIDGE_READY);
    add_guest("g0", "xapi0");
    frames_assert_pass("g0in", VLAN_NONE, "cardout", 10);
    frames_assert_pass("cardout", 10, "g0in", VLAN_NONE);
    run("ip -o addr show dev card | grep -q 10.9.1.1/24");
    /* The address goes, the card becomes guests': the VLAN is where the card is. */
    run("ip addr flush dev card");
    g_assert_cmpstr(ensure("xenbr0", "card", VLAN_NONE), ==, BRIDGE_READY);
    g_assert_cmpstr(ensure("xapi0", "card", 10), ==, BRIDGE_READY);
    frames_assert_pass("g0in", VLAN_NONE, "cardout", 10);
    frames_assert_pass("cardout", 10, "g0in", VLAN_NONE);
    remove_guest("g0");
    g_assert_true(removed("xapi0") && removed("xenbr0"));
    run("! ip -o link show | grep -q ' xv'");
    remove_card("card");
}

static void
test_foreign(void)
{
    add_card("card");
    run("ip link add br0 type bridge; ip link set br0 up; ip link set card master br0");
    g_assert_cmpstr(ensure("br0", "", VLAN_NONE), ==, BRIDGE_FOREIGN);
    g_assert_cmpstr(ensure("lo", "", VLAN_NONE), ==, BRIDGE_FOREIGN);
    g_assert_cmpstr(look_for("br0"), ==, BRIDGE_READY);
    g_assert_cmpstr(look_for("br1"), ==, BRIDGE_MISSING);
    g_assert_cmpstr(look_for("lo"), ==, BRIDGE_MISSING);
    g_assert_cmpstr(ensure("xenbr0", "card", VLAN_NONE), ==, BRIDGE_UPLINK_USED);
    g_assert_cmpstr(ensure("xenbr1", "none", VLAN_NONE), ==, BRIDGE_NO_UPLINK);
    g_assert_cmpstr(ensure("xapi0", "none", 10), ==, BRIDGE_NO_UPLINK);
    g_assert_false(removed("br0") || removed("lo"));
    g_assert_true(removed("xenbr0") && removed("xenbr1") && removed("xapi0"));
    add_guest("g0", "br0");
    frames_assert_pass("g0in", VLAN_NONE, "cardout", VLAN_NONE);
    remove_guest("g0");
    run("ip link del br0");
    remove_card("card");
}

/* What is desired becomes what is, from whatever there is. */
static void
test_apply(void)
{
    const struct bridge first[] = {{"xenbr0", true, 1500, "card", VLAN_NONE, NULL},
                                   {"xapi0", true, 1500, "card", 10, NULL},
                                   {"xapi1", true, 1500, "card", 11, NULL},
                                   {"xapi3", true, 1500, "", VLAN_NONE, NULL}};
    const struct bridge second[] = {{"xenbr0", true, 1500, "card", VLAN_NONE, NULL},
                                    {"xapi0", true, 1500, "", VLAN_NONE, NULL},
                                    {"xapi4", true, 1500, "card", 10, NULL}};

    add_card("card");
    for (int time = 0; time < 2; time++)
        apply(first, G_N_ELEMENTS(first));
    g_assert_false(is_there("xapi3")); /* nobody needed it yet */
    add_guest("g0", "xapi0");
    add_guest("g1", "xapi0");
    add_guest("g2", "xenbr0");
    frames_assert_pass("g0in", VLAN_NONE, "cardout", 10);
    /* Another network has the tag now; the guests of the first keep each other. */
    for (int time = 0; time < 2; time++)
        apply(second, G_N_ELEMENTS(second));
    g_assert_false(is_there("xapi1"));
    add_guest("g3", "xapi4");
    frames_assert_pass("g3in", VLAN_NONE, "cardout", 10);
    frames_assert_stop("g0in", VLAN_NONE, "g3in", "g1in", VLAN_NONE);
    frames_assert_pass("g2in", VLAN_NONE, "cardout", VLAN_NONE);
    /* Nobody wants anything: guests keep each other. */
    for (int time = 0; time < 2; time++)
        apply(NULL, 0);
    frames_assert_stop("g0in", VLAN_NONE, "cardout", "g1in", VLAN_NONE);
    remove_guest("g0");
    remove_guest("g1");
    remove_guest("g2");
    remove_guest("g3");
    apply(NULL, 0);
    g_assert_false(is_there("xenbr0") || is_there("xapi0") || is_there("xapi4"));
    g_assert_true(is_there("card"));
    remove_card("card");
}

static void
test_refused(void)
{
    const struct port_network none = {"xapi9", bed.socket ? bed.socket : "/none"};
    char text[OVSDB_TEXT_MAX];
    struct link link;

    add_card("card");
    g_assert_cmpint(link_find("card", &link), ==, 0);
    g_assert_cmpint(port_find_network(&none, text), <, 0);
    g_assert_cmpint(port_join(&link, &none, text), <, 0);
    remove_card("card");
    /* The kernel lets names have what our messages could not. */
    run("ip link add 'a\"b' type veth peer name ab");
    g_assert_cmpint(link_find("a\"b", &link), ==, 0);
    g_assert_cmpint(port_join(&link, &none, text), <, 0);
    run("ip link del ab");
}

int
main(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    if (!network_bed_init())
        return 0;
    g_test_add_func("/networks/inside", test_inside);
    g_test_add_func("/networks/uplink", test_uplink);
    g_test_add_func("/networks/foreign", test_foreign);
    g_test_add_func("/networks/refused", test_refused);
    if (on_switch || kernel_has_vlans()) {
        g_test_add_func("/networks/vlans", test_vlans);
        g_test_add_func("/networks/apply", test_apply);
    }
    if (kernel_has_vlans())
        g_test_add_func("/networks/vlan-beside", test_vlan_beside);
    status = g_test_run();
    network_bed_clear();
    return status;
}
