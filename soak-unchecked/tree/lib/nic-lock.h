/* What a guest may send by a network card: all, nothing, or what comes from its own addresses; and
 * the program by which the kernel decides that of each packet.  No GLib: nic-hotplug has this, too.
 * Pure functions, any thread. */
#ifndef XAPID_LIB_NIC_LOCK_H
#define XAPID_LIB_NIC_LOCK_H

#include <linux/filter.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define NIC_LOCK_ADDRESSES_MAX 32 /* of each kind */
#define NIC_LOCK_TEXT_MAX 2047    /* bytes: those addresses fit in */
#define NIC_PROGRAM_MAX 1536      /* instructions: their comparisons fit in */
#define NIC_MAC_LENGTH 6          /* bytes */

enum nic_lock_mode {
    NIC_UNLOCKED,
    NIC_DISABLED,
    NIC_LOCKED,
};

struct nic_lock {
    enum nic_lock_mode mode;
    unsigned n_ipv4, n_ipv6;
    struct in_addr ipv4[NIC_LOCK_ADDRESSES_MAX];
    struct in6_addr ipv6[NIC_LOCK_ADDRESSES_MAX];
};

/* "unlocked" (or ""), "disabled", or "locked" and addresses after it, each behind one space. */
bool nic_lock_parse(const char *text, struct nic_lock *ret_lock);
bool nic_mac_parse(const char *text, uint8_t ret_mac[NIC_MAC_LENGTH]);

/* A classic BPF program about an Ethernet frame that the guest sends: it returns TC_ACT_OK or
 * TC_ACT_SHOT, and never reads beyond the frame.  Returns its length.
 *
 * A locked card sends: from its own MAC address alone, without a VLAN tag; ARP of its addresses,
 * and probes for them; IPv4 from them, and what asks for one by DHCP; IPv6 from them, neighbour
 * advertisements of them alone, no router advertisements and no redirects, and without an address
 * what looks for routers, for who has its addresses, and what joins groups.  Extension headers that
 * could hide those are not let through. */
unsigned nic_lock_program(const struct nic_lock *lock, const uint8_t mac[NIC_MAC_LENGTH],
                          struct sock_filter ret_program[NIC_PROGRAM_MAX]);

#endif
