#include "config.h"

#include "tests/unit/frames.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glib.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TYPE_OURS 0x88b5 /* for experiments */
#define SECONDS 60       /* for what must come */
#define ROUND_MS 50      /* after which a frame is sent once more */
#define WITNESSED 3 /* frames that the witness hears, before the other is believed to hear none */
#define ANY_TAG (-2)

/* Broadcast, with a number that no other frame of the test has. */
struct frame {
    unsigned char to[ETH_ALEN], from[ETH_ALEN];
    unsigned char rest[48]; /* tag, type, number */
};

static int
open_on(const char *name)
{
    struct sockaddr_ll address = {.sll_family = AF_PACKET,
                                  .sll_protocol = htons(ETH_P_ALL),
                                  .sll_ifindex = (int)if_nametoindex(name)};
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;

    g_assert_cmpint(address.sll_ifindex, >, 0);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof on), ==, 0);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
    return fd;
}

static void
put16(unsigned char *at, unsigned value)
{
    at[0] = (unsigned char)(value >> 8);
    at[1] = (unsigned char)value;
}

/* Each interface has a MAC of its own, as bridges that learn where one is want it. */
static void
put_mac(unsigned char at[ETH_ALEN], int fd)
{
    static const unsigned char ours[ETH_ALEN] = {0x02, 0, 0, 0x77};
    struct sockaddr_ll address;
    socklen_t length = sizeof address;

    g_assert_cmpint(getsockname(fd, (struct sockaddr *)&address, &length), ==, 0);
    memcpy(at, ours, ETH_ALEN);
    put16(at + 4, (unsigned)address.sll_ifindex);
}

static void
send_frame(int fd, int tag, guint32 number)
{
    struct frame frame = {.to = {0}};
    unsigned char *at = frame.rest;

    put_mac(frame.from, fd);
    memset(frame.to, 0xff, sizeof frame.to);
    if (tag != VLAN_NONE) {
        put16(at, ETH_P_8021Q);
        put16(at + 2, (unsigned)tag);
        at += 4;
    }
    put16(at, TYPE_OURS);
    memcpy(at + 2, &number, sizeof number);
    /* A bridge that is being made may not have its interfaces up yet. */
    if (send(fd, &frame, sizeof frame, 0) < 0)
        g_assert_true(errno == ENETDOWN || errno == ENOBUFS || errno == EAGAIN);
}

/* The tag of a frame of that number, as the kernel tells of it beside the frame or in it; false: it
 * is another one. */
static bool
read_frame(struct msghdr *message, const unsigned char *bytes, size_t size, guint32 number,
           int *ret_tag)
{
    int tag = VLAN_NONE;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        struct tpacket_auxdata aux;
        if (c->cmsg_level != SOL_PACKET || c->cmsg_type != PACKET_AUXDATA)
            continue;
        memcpy(&aux, CMSG_DATA(c), sizeof aux);
        if (aux.tp_status & TP_STATUS_VLAN_VALID)
            tag = aux.tp_vlan_tci & 0xfff;
    }
    bytes += 2 * ETH_ALEN;
    if (size < 2 * ETH_ALEN + 10)
        return false;
    if (bytes[0] == 0x81 && bytes[1] == 0) {
        tag = (bytes[2] << 8 | bytes[3]) & 0xfff;
        bytes += 4;
    }
    if (bytes[0] != TYPE_OURS >> 8 || bytes[1] != (TYPE_OURS & 0xff) ||
        memcmp(bytes + 2, &number, sizeof number) != 0)
        return false;
    *ret_tag = tag;
    return true;
}

/* Has one of that number and tag come in?  Takes all that have. */
static bool
has_come(int fd, guint32 number, int tag)
{
    bool any = false;

    for (;;) {
        unsigned char bytes[2048];
        char control[256];
        struct sockaddr_ll from;
        struct iovec part = {bytes, sizeof bytes};
        struct msghdr message = {.msg_name = &from,
                                 .msg_namelen = sizeof from,
                                 .msg_iov = &part,
                                 .msg_iovlen = 1,
                                 .msg_control = control,
                                 .msg_controllen = sizeof control};
        ssize_t n = recvmsg(fd, &message, 0);
        int its;

        if (n < 0 && errno != EINTR && errno != ENETDOWN)
            return any;
        if (n > 0 && from.sll_pkttype != PACKET_OUTGOING &&
            read_frame(&message, bytes, (size_t)n, number, &its))
            any = any || tag == ANY_TAG || its == tag;
    }
}

/* Sends until it was heard there so often; was it heard at `other` (-1: nobody)? */
static bool
send_until(int from, int from_tag, int to, int to_tag, int times, int other)
{
    static guint32 last;
    guint32 number = ++last;
    bool overheard = false;
    int heard = 0;

    for (int ms = 0; ms < SECONDS * 1000 && heard < times; ms += ROUND_MS) {
        struct pollfd one = {.fd = to, .events = POLLIN};
        gint64 until = g_get_monotonic_time() + ROUND_MS * 1000;

        send_frame(from, from_tag, number);
        while (g_get_monotonic_time() < until) {
            poll(&one, 1, 1);
            if (has_come(to, number, to_tag)) {
                heard++;
                break;
            }
        }
        if (other >= 0 && has_come(other, number, ANY_TAG))
            overheard = true;
    }
    g_assert_cmpint(heard, ==, times);
    return overheard;
}

void
frames_assert_pass(const char *from, int from_tag, const char *to, int to_tag)
{
    int source = open_on(from), target = open_on(to);

    send_until(source, from_tag, target, to_tag, 1, -1);
    close(source);
    close(target);
}

void
frames_assert_stop(const char *from, int from_tag, const char *to, const char *witness,
                   int witness_tag)
{
    int source = open_on(from), target = open_on(to), heard = open_on(witness);

    g_assert_false(send_until(source, from_tag, heard, witness_tag, WITNESSED, target));
    close(source);
    close(target);
    close(heard);
}
