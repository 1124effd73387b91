#include "config.h"

#include "lib/nic-lock.h"

#include <arpa/inet.h>
#include <linux/pkt_cls.h>
#include <net/ethernet.h>
#include <netinet/icmp6.h>
#include <stdio.h>
#include <string.h>

/* ---- texts ---- */

static bool
add_address(struct nic_lock *lock, const char *text)
{
    if (lock->n_ipv4 < NIC_LOCK_ADDRESSES_MAX &&
        inet_pton(AF_INET, text, &lock->ipv4[lock->n_ipv4]) == 1) {
        lock->n_ipv4++;
        return true;
    }
    if (lock->n_ipv6 < NIC_LOCK_ADDRESSES_MAX &&
        inet_pton(AF_INET6, text, &lock->ipv6[lock->n_ipv6]) == 1) {
        lock->n_ipv6++;
        return true;
    }
    return false;
}

bool
nic_lock_parse(const char *text, struct nic_lock *ret_lock)
{
    struct nic_lock lock = {.mode = NIC_LOCKED};
    char copy[NIC_LOCK_TEXT_MAX + 1], *word, *rest = copy;

    if (strlen(text) > NIC_LOCK_TEXT_MAX)
        return false;
    strcpy(copy, text);
    word = strsep(&rest, " ");
    if (strcmp(word, "disabled") == 0)
        lock.mode = NIC_DISABLED;
    else if (!*word || strcmp(word, "unlocked") == 0)
        lock.mode = NIC_UNLOCKED;
    else if (strcmp(word, "locked") != 0)
        return false;
    if (rest && lock.mode != NIC_LOCKED)
        return false;
    while ((word = strsep(&rest, " ")))
        if (!add_address(&lock, word))
            return false;
    *ret_lock = lock;
    return true;
}

bool
nic_mac_parse(const char *text, uint8_t ret_mac[NIC_MAC_LENGTH])
{
    int end = 0;

    return sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &ret_mac[0], &ret_mac[1],
                  &ret_mac[2], &ret_mac[3], &ret_mac[4], &ret_mac[5], &end) == NIC_MAC_LENGTH &&
           !text[end];
}

/* ---- the program ---- */

/* Where things are in a frame, in bytes. */
enum {
    AT_SOURCE_MAC = 6,
    AT_TYPE = 12,
    AT_ARP = 14,
    AT_ARP_LENGTHS = 18,
    AT_ARP_SENDER_MAC = 22,
    AT_ARP_SENDER = 28,
    AT_ARP_TARGET = 38,
    ARP_END = 42,
    AT_IPV4 = 14,
    AT_IPV4_FRAGMENT = 20,
    AT_IPV4_PROTOCOL = 23,
    AT_IPV4_SOURCE = 26,
    IPV4_END = 34,
    AT_UDP_PORT = 36,
    UDP_END = 42,
    AT_IPV6_NEXT = 20,
    AT_IPV6_SOURCE = 22,
    IPV6_END = 54,
    AT_HOP_NEXT = 54,
    AT_HOP_LENGTH = 55,
    AT_HOP_TYPE = 62,
    HOP_END = 63,
    AT_ICMPV6_TYPE = 54,
    ICMPV6_END = 55,
    AT_ND_TARGET = 62,
    ND_END = 78,
};

#define ARP_OF_ETHERNET 0x00010800 /* hardware and protocol */
#define ARP_LENGTHS 0x0604
#define IPV4_WITHOUT_OPTIONS 0x45
#define IPV4_OFFSET 0x1fff
#define DHCP_SERVER 67
#define MLD2_LISTENER_REPORT 143

/* Places that are jumped to: all are behind what jumps there. */
enum label {
    HERE, /* no label */
    NOT_ARP,
    NOT_IPV4,
    NOT_OPTIONS,
    NOT_SOLICITED,
    PROBE,     /* without an IPv6 source: whether somebody has an address */
    FROM_ANY,  /* an IPv6 source that is ours or none */
    FROM_OURS, /* one that is ours */
    PASS,
    DROP,
    LABELS,
};

struct program {
    struct sock_filter *code;
    unsigned n;
    unsigned places[LABELS];
};

static void
emit(struct program *program, uint16_t code, uint32_t k)
{
    program->code[program->n++] = (struct sock_filter){.code = code, .k = k};
}

/* The label waits in jt, which a jump of this kind does not use, for resolve (). */
static void
jump(struct program *program, enum label to)
{
    emit(program, BPF_JMP | BPF_JA, 0);
    program->code[program->n - 1].jt = (uint8_t)to;
}

static void
place(struct program *program, enum label label)
{
    program->places[label] = program->n;
}

static void
resolve(struct program *program)
{
    for (unsigned i = 0; i < program->n; i++) {
        struct sock_filter *one = &program->code[i];
        if (one->code != (BPF_JMP | BPF_JA))
            continue;
        one->k = program->places[one->jt] - i - 1;
        one->jt = 0;
    }
}

/* Goes there if what was loaded is k (`is`), or is not. */
static void
jump_if(struct program *program, uint16_t test, uint32_t k, bool is, enum label to)
{
    emit(program, BPF_JMP | test | BPF_K, k);
    program->code[program->n - 1].jt = !is;
    program->code[program->n - 1].jf = is;
    jump(program, to);
}

static void
load(struct program *program, uint16_t size, uint32_t at)
{
    emit(program, BPF_LD | size | BPF_ABS, at);
}

/* What comes next reads no further. */
static void
must_reach(struct program *program, uint32_t end)
{
    emit(program, BPF_LD | BPF_W | BPF_LEN, 0);
    jump_if(program, BPF_JGE, end, false, DROP);
}

static void
must_be(struct program *program, uint16_t size, uint32_t at, uint32_t k)
{
    load(program, size, at);
    jump_if(program, BPF_JEQ, k, false, DROP);
}

static void
must_be_mac(struct program *program, uint32_t at, const uint8_t mac[NIC_MAC_LENGTH])
{
    uint32_t high;
    uint16_t low;

    memcpy(&high, mac, sizeof high);
    memcpy(&low, mac + sizeof high, sizeof low);
    must_be(program, BPF_W, at, ntohl(high));
    must_be(program, BPF_H, at + sizeof high, ntohs(low));
}

static void
if_ipv4(struct program *program, const struct nic_lock *lock, uint32_t at, enum label to)
{
    load(program, BPF_W, at);
    for (unsigned i = 0; i < lock->n_ipv4; i++)
        jump_if(program, BPF_JEQ, ntohl(lock->ipv4[i].s_addr), true, to);
}

/* Each of the four words that differs goes to behind the comparison. */
static void
if_one_ipv6(struct program *program, const struct in6_addr *address, uint32_t at, enum label to)
{
    uint32_t words[4];
    enum { EACH = 2 }; /* instructions: load, compare */

    memcpy(words, address, sizeof words);
    for (unsigned i = 0; i < 4; i++) {
        load(program, BPF_W, at + i * (uint32_t)sizeof words[0]);
        emit(program, BPF_JMP | BPF_JEQ | BPF_K, ntohl(words[i]));
        program->code[program->n - 1].jf = (uint8_t)((3 - i) * EACH + 1);
    }
    jump(program, to);
}

static void
if_ipv6(struct program *program, const struct nic_lock *lock, uint32_t at, enum label to)
{
    for (unsigned i = 0; i < lock->n_ipv6; i++)
        if_one_ipv6(program, &lock->ipv6[i], at, to);
}

static void
about_arp(struct program *program, const struct nic_lock *lock, const uint8_t mac[NIC_MAC_LENGTH])
{
    jump_if(program, BPF_JEQ, ETHERTYPE_ARP, false, NOT_ARP);
    must_reach(program, ARP_END);
    must_be(program, BPF_W, AT_ARP, ARP_OF_ETHERNET);
    must_be(program, BPF_H, AT_ARP_LENGTHS, ARP_LENGTHS);
    must_be_mac(program, AT_ARP_SENDER_MAC, mac);
    if_ipv4(program, lock, AT_ARP_SENDER, PASS);
    /* Has somebody this address? */
    jump_if(program, BPF_JEQ, INADDR_ANY, false, DROP);
    if_ipv4(program, lock, AT_ARP_TARGET, PASS);
    jump(program, DROP);
    place(program, NOT_ARP);
}

static void
about_ipv4(struct program *program, const struct nic_lock *lock)
{
    jump_if(program, BPF_JEQ, ETHERTYPE_IP, false, NOT_IPV4);
    if (!lock->n_ipv4)
        jump(program, DROP);
    must_reach(program, IPV4_END);
    if_ipv4(program, lock, AT_IPV4_SOURCE, PASS);
    jump_if(program, BPF_JEQ, INADDR_ANY, false, DROP);
    must_reach(program, UDP_END);
    must_be(program, BPF_B, AT_IPV4, IPV4_WITHOUT_OPTIONS);
    must_be(program, BPF_B, AT_IPV4_PROTOCOL, IPPROTO_UDP);
    load(program, BPF_H, AT_IPV4_FRAGMENT);
    emit(program, BPF_ALU | BPF_AND | BPF_K, IPV4_OFFSET);
    jump_if(program, BPF_JEQ, 0, false, DROP);
    must_be(program, BPF_H, AT_UDP_PORT, DHCP_SERVER);
    jump(program, PASS);
    place(program, NOT_IPV4);
}

/* Who listens to which group says so behind a header of options. */
static void
about_groups(struct program *program)
{
    must_reach(program, HOP_END);
    must_be(program, BPF_B, AT_HOP_NEXT, IPPROTO_ICMPV6);
    must_be(program, BPF_B, AT_HOP_LENGTH, 0);
    load(program, BPF_B, AT_HOP_TYPE);
    jump_if(program, BPF_JEQ, MLD_LISTENER_REPORT, true, FROM_ANY);
    jump_if(program, BPF_JEQ, MLD_LISTENER_REDUCTION, true, FROM_ANY);
    jump_if(program, BPF_JEQ, MLD2_LISTENER_REPORT, true, FROM_ANY);
    jump(program, DROP);
}

/* Neighbours and routers; other types are like any packet. */
static void
about_neighbours(struct program *program, const struct nic_lock *lock)
{
    must_reach(program, ICMPV6_END);
    load(program, BPF_B, AT_ICMPV6_TYPE);
    jump_if(program, BPF_JEQ, ND_ROUTER_ADVERT, true, DROP);
    jump_if(program, BPF_JEQ, ND_REDIRECT, true, DROP);
    jump_if(program, BPF_JEQ, ND_ROUTER_SOLICIT, true, FROM_ANY);
    jump_if(program, BPF_JEQ, ND_NEIGHBOR_SOLICIT, false, NOT_SOLICITED);
    must_reach(program, ND_END);
    if_one_ipv6(program, &in6addr_any, AT_IPV6_SOURCE, PROBE);
    jump(program, FROM_OURS);
    place(program, PROBE);
    if_ipv6(program, lock, AT_ND_TARGET, PASS);
    jump(program, DROP);
    place(program, NOT_SOLICITED);
    jump_if(program, BPF_JEQ, ND_NEIGHBOR_ADVERT, false, FROM_OURS);
    must_reach(program, ND_END);
    if_ipv6(program, lock, AT_ND_TARGET, FROM_OURS);
    jump(program, DROP);
}

static void
about_ipv6(struct program *program, const struct nic_lock *lock)
{
    jump_if(program, BPF_JEQ, ETHERTYPE_IPV6, false, DROP);
    if (!lock->n_ipv6)
        jump(program, DROP);
    must_reach(program, IPV6_END);
    load(program, BPF_B, AT_IPV6_NEXT);
    jump_if(program, BPF_JEQ, IPPROTO_ROUTING, true, DROP);
    jump_if(program, BPF_JEQ, IPPROTO_DSTOPTS, true, DROP);
    jump_if(program, BPF_JEQ, IPPROTO_MH, true, DROP);
    jump_if(program, BPF_JEQ, IPPROTO_HOPOPTS, false, NOT_OPTIONS);
    about_groups(program);
    place(program, NOT_OPTIONS);
    jump_if(program, BPF_JEQ, IPPROTO_ICMPV6, false, FROM_OURS);
    about_neighbours(program, lock);
    place(program, FROM_ANY);
    if_one_ipv6(program, &in6addr_any, AT_IPV6_SOURCE, PASS);
    place(program, FROM_OURS);
    if_ipv6(program, lock, AT_IPV6_SOURCE, PASS);
    jump(program, DROP);
}

static void
about_locked(struct program *program, const struct nic_lock *lock,
             const uint8_t mac[NIC_MAC_LENGTH])
{
    must_reach(program, ETH_HLEN);
    /* The kernel has taken the tag out of the frame. */
    must_be(program, BPF_B, (uint32_t)(SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT), 0);
    must_be_mac(program, AT_SOURCE_MAC, mac);
    load(program, BPF_H, AT_TYPE);
    about_arp(program, lock, mac);
    about_ipv4(program, lock);
    about_ipv6(program, lock);
}

unsigned
nic_lock_program(const struct nic_lock *lock, const uint8_t mac[NIC_MAC_LENGTH],
                 struct sock_filter ret_program[NIC_PROGRAM_MAX])
{
    struct program program = {.code = ret_program};

    if (lock->mode == NIC_LOCKED)
        about_locked(&program, lock, mac);
    else if (lock->mode == NIC_DISABLED)
        jump(&program, DROP);
    place(&program, PASS);
    emit(&program, BPF_RET | BPF_K, TC_ACT_OK);
    place(&program, DROP);
    emit(&program, BPF_RET | BPF_K, TC_ACT_SHOT);
    resolve(&program);
    return program.n;
}
