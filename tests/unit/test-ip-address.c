/* lib/ip-address: what of a user's text is an address, a net, a machine's own, and a neighbour's.
 */
#include "config.h"

#include <arpa/inet.h>
#include <glib.h>

#include "lib/ip-address.h"

static bool
is_prefix(const char *text, int family)
{
    struct ip_prefix prefix;

    return ip_parse_prefix(text, family, &prefix);
}

static void
test_prefix(void)
{
    static const char *const bad[] = {"",
                                      "10.0.0.5",
                                      "10.0.0.5/",
                                      "10.0.0.5/0",
                                      "/24",
                                      "10.0.0.5/33",
                                      "10.0.0.5/24 ",
                                      "10.0.0.5/+4",
                                      "10.0.0/24",
                                      "10.0.0.5/24/24",
                                      "fd00::5/64",
                                      "name/24",
                                      "10.0.0.5/-1",
                                      "010.0.0.0x5/24"};
    struct ip_prefix prefix;

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_false(is_prefix(bad[i], AF_INET));
    g_assert_true(ip_parse_prefix("10.0.0.5/24", AF_INET, &prefix));
    g_assert_cmpuint(prefix.bits, ==, 24);
    g_assert_cmpmem(prefix.bytes, 4, "\x0a\0\0\x05", 4);
    g_assert_true(is_prefix("fd00::5/128", AF_INET6) && !is_prefix("fd00::5/129", AF_INET6));
    g_autofree char *many = g_strnfill(1000, ':');
    g_autofree char *endless = g_strconcat(many, "/64", NULL);
    g_assert_false(is_prefix(endless, AF_INET6));
    g_assert_false(is_prefix("fd00::5/99999999999999999999", AF_INET6));
}

static void
test_netmask(void)
{
    static const char *const bad[] = {"",          "0.0.0.0",         "255.0.255.0", "24",
                                      "0.0.0.255", "255.255.255.253", "255.255.255", "::"};
    unsigned bits = 0;

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_false(ip_netmask_bits(bad[i], &bits));
    for (unsigned wanted = 1; wanted <= 32; wanted++) {
        const struct in_addr mask = {htonl((guint32)(G_MAXUINT32 << (32 - wanted)))};
        char text[INET_ADDRSTRLEN];
        inet_ntop(AF_INET, &mask, text, sizeof text);
        g_assert_true(ip_netmask_bits(text, &bits));
        g_assert_cmpuint(bits, ==, wanted);
    }
}

static void
test_host(void)
{
    static const struct {
        const char *text;
        int family;
        bool is;
    } cases[] = {{"10.0.0.5/24", AF_INET, true},
                 {"10.0.0.0/24", AF_INET, false},
                 {"10.0.0.255/24", AF_INET, false},
                 {"10.0.0.255/23", AF_INET, true},
                 {"10.0.0.0/31", AF_INET, true},
                 {"10.0.0.0/32", AF_INET, true},
                 {"0.0.0.5/8", AF_INET, false},
                 {"224.0.0.1/24", AF_INET, false},
                 {"255.255.255.255/32", AF_INET, false},
                 {"fd00::5/64", AF_INET6, true},
                 {"fd00::/64", AF_INET6, false},
                 {"fd00::ffff:ffff:ffff:ffff/64", AF_INET6, true},
                 {"::/64", AF_INET6, false},
                 {"ff02::1/64", AF_INET6, false}};

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct ip_prefix prefix;
        g_assert_true(ip_parse_prefix(cases[i].text, cases[i].family, &prefix));
        if (ip_is_of_host(&prefix) != cases[i].is)
            g_error("%s", cases[i].text);
    }
}

static bool
is_neighbour(const char *net, const char *text, int family)
{
    struct ip_prefix prefix, address;

    g_assert_true(ip_parse_prefix(net, family, &prefix));
    g_assert_true(ip_parse(text, family, &address));
    return ip_is_neighbour(&prefix, &address);
}

static void
test_neighbour(void)
{
    g_assert_true(is_neighbour("10.0.0.5/24", "10.0.0.1", AF_INET));
    g_assert_false(is_neighbour("10.0.0.5/24", "10.0.1.1", AF_INET));
    g_assert_true(is_neighbour("10.0.0.5/23", "10.0.1.1", AF_INET));
    g_assert_false(is_neighbour("10.0.0.5/24", "10.0.0.5", AF_INET));
    g_assert_false(is_neighbour("10.0.0.5/1", "224.0.0.1", AF_INET));
    g_assert_true(is_neighbour("fd00::5/64", "fd00::1", AF_INET6));
    g_assert_false(is_neighbour("fd00::5/64", "fd00:0:0:1::1", AF_INET6));
    g_assert_true(is_neighbour("fd00::5/64", "fe80::1", AF_INET6));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ip-address/prefix", test_prefix);
    g_test_add_func("/ip-address/netmask", test_netmask);
    g_test_add_func("/ip-address/host", test_host);
    g_test_add_func("/ip-address/neighbour", test_neighbour);
    return g_test_run();
}
