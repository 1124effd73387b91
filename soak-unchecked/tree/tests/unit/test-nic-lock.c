/* What guests may send: the kernel runs the program about frames, here as a socket's filter. */
#include "config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glib.h>
#include <linux/pkt_cls.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/nic-lock.h"

#define MAC "00:16:3e:12:34:56"
#define OTHER_MAC "00:16:3e:12:34:57"
#define LOCK "locked 10.0.0.1 10.0.0.2 fd00::1 fe80::216:3eff:fe12:3456"

struct frame {
    guint8 bytes[128];
    gsize length;
};

/* What the program returns, TC_ACT_SHOT: as many bytes are received. */
static bool
passes(const char *text, const struct frame *frame)
{
    struct sock_filter code[NIC_PROGRAM_MAX];
    guint8 mac[NIC_MAC_LENGTH], buffer[sizeof frame->bytes];
    struct sock_fprog program = {.filter = code};
    struct nic_lock lock;
    int pair[2];

    G_STATIC_ASSERT(TC_ACT_OK == 0 && TC_ACT_SHOT == 2);
    g_assert_true(nic_lock_parse(text, &lock) && nic_mac_parse(MAC, mac));
    program.len = (unsigned short)nic_lock_program(&lock, mac, code);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    g_assert_cmpint(setsockopt(pair[0], SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program), ==,
                    0);
    (void)!send(pair[1], frame->bytes, frame->length, MSG_DONTWAIT);
    ssize_t n = recv(pair[0], buffer, sizeof buffer, MSG_DONTWAIT);
    close(pair[0]);
    close(pair[1]);
    g_assert_true(n == TC_ACT_SHOT || (n < 0 && errno == EAGAIN));
    return n < 0;
}

/* ---- frames ---- */

static void
put(struct frame *frame, gsize at, const void *bytes, gsize length)
{
    memcpy(frame->bytes + at, bytes, length);
    frame->length = MAX(frame->length, at + length);
}

static void
put_byte(struct frame *frame, gsize at, guint8 byte)
{
    put(frame, at, &byte, 1);
}

static void
put_mac(struct frame *frame, gsize at, const char *text)
{
    guint8 mac[NIC_MAC_LENGTH];

    g_assert_true(nic_mac_parse(text, mac));
    put(frame, at, mac, sizeof mac);
}

static void
put_address(struct frame *frame, gsize at, const char *text)
{
    guint8 address[16];
    bool ipv4 = !strchr(text, ':');

    g_assert_cmpint(inet_pton(ipv4 ? AF_INET : AF_INET6, text, address), ==, 1);
    put(frame, at, address, ipv4 ? 4 : 16);
}

static struct frame
ethernet(guint16 type)
{
    struct frame frame = {.length = 14};
    guint16 wire = htons(type);

    put_mac(&frame, 0, "ff:ff:ff:ff:ff:ff");
    put_mac(&frame, 6, MAC);
    put(&frame, 12, &wire, sizeof wire);
    return frame;
}

static struct frame
arp(const char *sender, const char *target)
{
    static const guint8 head[] = {0, 1, 8, 0, 6, 4, 0, 1};
    struct frame frame = ethernet(0x0806);

    put(&frame, 14, head, sizeof head);
    put_mac(&frame, 22, MAC);
    put_address(&frame, 28, sender);
    put_address(&frame, 38, target);
    return frame;
}

static struct frame
ipv4(const char *source, guint8 protocol, guint8 port)
{
    struct frame frame = ethernet(0x0800);

    put_byte(&frame, 14, 0x45);
    put_byte(&frame, 23, protocol);
    put_address(&frame, 26, source);
    put_byte(&frame, 37, port);
    put_byte(&frame, 41, 0);
    return frame;
}

static struct frame
ipv6(const char *source, guint8 next)
{
    struct frame frame = ethernet(0x86dd);

    put_byte(&frame, 14, 0x60);
    put_byte(&frame, 20, next);
    put_address(&frame, 22, source);
    put_address(&frame, 38, "ff02::1");
    return frame;
}

static struct frame
icmpv6(const char *source, guint8 type, const char *target)
{
    struct frame frame = ipv6(source, 58);

    put_byte(&frame, 54, type);
    put_address(&frame, 62, target);
    return frame;
}

static struct frame
group(const char *source, guint8 next, guint8 length, guint8 type)
{
    struct frame frame = ipv6(source, 0);

    put_byte(&frame, 54, next);
    put_byte(&frame, 55, length);
    put_byte(&frame, 62, type);
    return frame;
}

/* ---- tests ---- */

static void
test_texts(void)
{
    static const char *const bad[] = {"lock",         "locked 1.2.3", "locked  1.2.3.4",
                                      "disabled ",    "unlocked ::1", "locked 1.2.3.4 ",
                                      "locked $(id)", " locked",      "locked fe80::1%eth0"};
    static const char *const bad_macs[] = {"", "00:16:3e:12:34", MAC ":00", "00-16-3e-12-34-56"};
    g_autoptr(GString) many = g_string_new("locked");
    struct nic_lock lock;
    guint8 mac[NIC_MAC_LENGTH];

    g_assert_true(nic_lock_parse("", &lock) && lock.mode == NIC_UNLOCKED);
    g_assert_true(nic_lock_parse("disabled", &lock) && lock.mode == NIC_DISABLED);
    g_assert_true(nic_lock_parse("locked", &lock) && lock.mode == NIC_LOCKED && !lock.n_ipv4);
    g_assert_true(nic_lock_parse(LOCK, &lock) && lock.n_ipv4 == 2 && lock.n_ipv6 == 2);
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_false(nic_lock_parse(bad[i], &lock));
    for (gsize i = 0; i < G_N_ELEMENTS(bad_macs); i++)
        g_assert_false(nic_mac_parse(bad_macs[i], mac));
    for (int i = 0; i < NIC_LOCK_ADDRESSES_MAX; i++)
        g_string_append_printf(many, " 203.0.113.%d", 100 + i);
    for (int i = 0; i < NIC_LOCK_ADDRESSES_MAX; i++)
        g_string_append_printf(many, " 2001:db8:1111:2222:3333:4444:5555:%x", 0x6600 + i);
    g_assert_true(nic_lock_parse(many->str, &lock));
    struct frame last = ipv6("2001:db8:1111:2222:3333:4444:5555:661f", 6);
    g_assert_true(passes(many->str, &last));
    last = ipv4("203.0.113.131", 6, 80);
    g_assert_true(passes(many->str, &last));
    g_string_append(many, " 203.0.113.99");
    g_assert_false(nic_lock_parse(many->str, &lock));
}

static void
test_frames(void)
{
    const struct {
        const char *what;
        struct frame frame;
        bool passes;
    } cases[] = {
        {"its ARP", arp("10.0.0.2", "10.0.0.9"), true},
        {"another's ARP", arp("10.0.0.3", "10.0.0.9"), false},
        {"a probe for its address", arp("0.0.0.0", "10.0.0.1"), true},
        {"a probe for another's", arp("0.0.0.0", "10.0.0.3"), false},
        {"IPv4", ipv4("10.0.0.1", 6, 80), true},
        {"another's IPv4", ipv4("10.0.0.3", 6, 80), false},
        {"a question to DHCP", ipv4("0.0.0.0", 17, 67), true},
        {"an answer of DHCP", ipv4("0.0.0.0", 17, 68), false},
        {"TCP of nobody", ipv4("0.0.0.0", 6, 67), false},
        {"IPv6", ipv6("fd00::1", 6), true},
        {"another's IPv6", ipv6("fd00::2", 6), false},
        {"IPv6 that differs early", ipv6("fc00::1", 6), false},
        {"IPv6 of nobody", ipv6("::", 6), false},
        {"a routing header", ipv6("fd00::1", 43), false},
        {"options for the destination", ipv6("fd00::1", 60), false},
        {"an echo", icmpv6("fd00::1", 128, "::"), true},
        {"a solicitation", icmpv6("fe80::216:3eff:fe12:3456", 135, "fd00::9"), true},
        {"another's solicitation", icmpv6("fd00::2", 135, "fd00::9"), false},
        {"a probe for its IPv6", icmpv6("::", 135, "fd00::1"), true},
        {"a probe for another's IPv6", icmpv6("::", 135, "fd00::2"), false},
        {"an advertisement", icmpv6("fd00::1", 136, "fd00::1"), true},
        {"an advertisement of another's", icmpv6("fd00::1", 136, "fd00::2"), false},
        {"an advertisement by another", icmpv6("fd00::2", 136, "fd00::1"), false},
        {"a router's advertisement", icmpv6("fd00::1", 134, "::"), false},
        {"a redirect", icmpv6("fd00::1", 137, "fd00::1"), false},
        {"a question for routers", icmpv6("::", 133, "::"), true},
        {"another's for routers", icmpv6("fd00::2", 133, "::"), false},
        {"a report of groups", group("::", 58, 0, 143), true},
        {"an old report of groups", group("fd00::1", 58, 0, 131), true},
        {"another's report", group("fd00::2", 58, 0, 143), false},
        {"an advertisement behind options", group("fd00::1", 58, 0, 136), false},
        {"longer options", group("fd00::1", 58, 1, 143), false},
        {"TCP behind options", group("fd00::1", 6, 0, 143), false},
        {"a VLAN's", ethernet(0x8100), false},
        {"another protocol", ethernet(0x88cc), false},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        struct frame stolen = cases[i].frame;
        g_test_message("%s", cases[i].what);
        g_assert_cmpint(passes(LOCK, &cases[i].frame), ==, cases[i].passes);
        g_assert_true(passes("unlocked", &cases[i].frame));
        g_assert_false(passes("disabled", &cases[i].frame));
        g_assert_false(passes("locked", &cases[i].frame));
        put_mac(&stolen, 6, OTHER_MAC);
        g_assert_false(passes(LOCK, &stolen));
    }
    struct frame lying = arp("10.0.0.1", "10.0.0.9");
    put_mac(&lying, 22, OTHER_MAC);
    g_assert_false(passes(LOCK, &lying));
    struct frame fragment = ipv4("0.0.0.0", 17, 67);
    put_byte(&fragment, 21, 1);
    g_assert_false(passes(LOCK, &fragment));
}

/* One that is cut short passes only where all that is asked about it is still there. */
static void
test_short_frames(void)
{
    const struct {
        struct frame frame;
        gsize needed;
    } cases[] = {{arp("10.0.0.1", "10.0.0.9"), 42},
                 {ipv4("10.0.0.1", 6, 80), 34},
                 {ipv4("0.0.0.0", 17, 67), 42},
                 {ipv6("fd00::1", 6), 54},
                 {icmpv6("fd00::1", 136, "fd00::1"), 78},
                 {icmpv6("::", 135, "fd00::1"), 78},
                 {group("::", 58, 0, 143), 63}};

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
        for (struct frame frame = cases[i].frame; frame.length >= TC_ACT_SHOT; frame.length--)
            g_assert_cmpint(passes(LOCK, &frame), ==, frame.length >= cases[i].needed);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/nic-lock/texts", test_texts);
    g_test_add_func("/nic-lock/frames", test_frames);
    g_test_add_func("/nic-lock/short", test_short_frames);
    return g_test_run();
}
