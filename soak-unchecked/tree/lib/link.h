/* Network interfaces of this machine, by rtnetlink: one message a change, and no process.
 *
 * Each call asks the kernel and waits for its answer, which takes no time to speak of.  Results are
 * 0 or a negative errno.  Names are valid ones (lib/bridge-name.h) or the kernel's own.  No GLib: a
 * program that libxl starts for each network card has this, too. */
#ifndef XAPID_LIB_LINK_H
#define XAPID_LIB_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/nic-lock.h"

/* "xapi": the group of interfaces that we made, by which we know them again (ip link show group
 * 2019651689).  An interface has it from its first moment on. */
#define LINK_GROUP_OURS 0x78617069u

struct link {
    int index;
    uint32_t group;
    uint32_t mtu;
    int master; /* index of the bridge that it is in; 0: none */
    bool is_bridge;
};

/* -ENODEV: there is none of that name. */
int link_find(const char *name, struct link *ret_link);
/* Makes a bridge of our group, which is down. */
int link_make_bridge(const char *name, uint32_t mtu);
/* Sets an interface up, as one that carries packets of others alone: this machine has no IPv6 on it
 * and answers no ARP. */
int link_set_up(const char *name, const struct link *link, uint32_t mtu);
/* Puts an interface into a bridge. */
int link_join(const struct link *link, const struct link *bridge);
int link_leave(const struct link *link);
/* 1: an interface is in the bridge. */
int link_has_ports(const struct link *bridge);
int link_remove(const struct link *link);
/* Lets through the interface of a guest's card what its lock lets; unlocked: what an earlier lock
 * put there is taken away.  One lock takes the place of another at once. */
int link_lock(const struct link *link, const struct nic_lock *lock,
              const uint8_t mac[NIC_MAC_LENGTH]);

#endif
