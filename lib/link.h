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
/* The alias of an interface that leads a bridge of ours out of the host: it is the administrator's,
 * or the hardware's, and was put there by us. */
#define LINK_ALIAS_UPLINK "xapid uplink"

/* The alias of a bridge of ours on which this machine has addresses: it answers ARP. */
#define LINK_ALIAS_ADDRESSED "xapid address"

#define LINK_TEXT_MAX 32 /* bytes with the NUL; what is longer is cut */

/* How a bond of Linux uses the interfaces in it, in the kernel's numbers. */
struct link_bond {
    uint8_t mode, hash, lacp_rate;
    uint16_t key;
};

struct link {
    int index;
    uint32_t group;
    uint32_t mtu;
    int master;        /* index of the bridge or bond that it is in; 0: none */
    int parent;        /* index of the interface that a VLAN is of; 0: none */
    int tag;           /* of a VLAN; -1: it is none */
    bool is_bridge;    /* one of Linux */
    bool is_bond;      /* one of Linux */
    bool is_switch;    /* an interface that Open vSwitch's module made */
    bool is_switched;  /* its master is that module; the database says which bridge it is in */
    bool is_uplink;    /* has our alias */
    bool is_addressed; /* has our alias */
    bool is_ethernet;
    bool is_up; /* as was set, whether or not there is a carrier */
    bool has_no_arp;
    bool has_carrier;
    struct link_bond bond;
    uint8_t mac[NIC_MAC_LENGTH]; /* the hardware's own, if it has one */
    char name[LINK_TEXT_MAX];
    char bus[LINK_TEXT_MAX];      /* "pci"; "": no device of the machine's */
    char bus_path[LINK_TEXT_MAX]; /* its name on that bus */
};

/* -ENODEV: there is none of that name. */
int link_find(const char *name, struct link *ret_link);
/* Calls `each` for every interface that there was; it may change them. */
int link_each(void (*each)(const struct link *link, void *data), void *data);
/* Makes a bridge of our group, which is down. */
int link_make_bridge(const char *name, uint32_t mtu);
/* Makes a VLAN of our group, which is down.  It stays as it is when its parent goes down and up.
 * -EEXIST: there is one of the name, or of the tag. */
int link_make_vlan(const char *name, const struct link *parent, int tag, uint32_t mtu);
/* Sets an interface up, as one that carries packets of others alone: this machine has no IPv6 on it
 * and answers no ARP.  One that is so is left as it is; one that is addressed keeps what that says.
 */
int link_set_up(const char *name, const struct link *link, uint32_t mtu);
/* Puts an interface into a bridge. */
int link_join(const struct link *link, const struct link *bridge);
int link_leave(const struct link *link);
int link_set_down(const struct link *link);
/* 1: an interface is in the bridge. */
int link_has_ports(const struct link *bridge);
int link_remove(const struct link *link);
/* Puts an interface that is not ours into a bridge, with the alias of an uplink. */
int link_join_uplink(const struct link *link, const struct link *bridge);
/* The alias alone, of one that another than the kernel puts into a bridge. */
int link_mark_uplink(const struct link *link);
/* Undoes that, and what link_set_up () did, but for its MTU; it is up. */
int link_release_uplink(const struct link *link);
/* Lets through the interface of a guest's card what its lock lets; unlocked: what an earlier lock
 * put there is taken away.  One lock takes the place of another at once. */
int link_lock(const struct link *link, const struct nic_lock *lock,
              const uint8_t mac[NIC_MAC_LENGTH]);

/* ---- link-bond.c ---- */

/* Makes a bond of our group, which is down, with that MAC. */
int link_make_bond(const char *name, const struct link_bond *bond,
                   const uint8_t mac[NIC_MAC_LENGTH], uint32_t mtu);
/* Of one that nothing is in; it is down then. */
int link_change_bond(const struct link *link, const struct link_bond *bond);
/* Puts an interface that is not ours into a bond, with the alias of an uplink; it is down for that
 * moment, and up then. */
int link_join_bond(const struct link *link, const struct link *bond);

/* ---- link-address.c ---- */

#define LINK_ADDRESS_MAX 16 /* bytes */

struct link_address {
    int index;  /* of the interface */
    int family; /* AF_INET, AF_INET6 */
    uint8_t bytes[LINK_ADDRESS_MAX];
    unsigned prefix;   /* bits; 0 of a gateway */
    uint32_t seconds;  /* that one is good for from when it is put on; 0: for ever */
    bool is_permanent; /* no server gave it for a time */
    bool is_local;     /* every IPv6 interface has such a one by itself */
    bool is_ours;      /* a gateway that we put there */
};

/* Calls `each` for every address of this machine. */
int link_addresses(void (*each)(const struct link_address *address, void *data), void *data);
/* The same for the gateways of default routes, with the interfaces that they are behind. */
int link_gateways(void (*each)(const struct link_address *address, void *data), void *data);

/* ---- link-carry.c ---- */

/* The number of the protocol (rtm_protocol) that set the default routes of ours, and their metric:
 * a route of the administrator's, which has none, goes first. */
#define LINK_ROUTE_OURS 0x78
#define LINK_ROUTE_METRIC 100

enum link_ipv6 { LINK_IPV6_NONE, LINK_IPV6_GIVEN, LINK_IPV6_BY_ROUTERS };

/* Makes an interface of ours one on which this machine has addresses, and up. */
int link_carry_addresses(const struct link *link, enum link_ipv6 ipv6);
/* Undoes that: as link_set_up () has it. */
int link_carry_none(const struct link *link);
/* A success, too, when it is there, or is not there any more. */
int link_put_address(const struct link_address *address);
int link_drop_address(const struct link_address *address);
/* of_ours: with our protocol and metric; else as an administrator sets it. */
int link_put_gateway(const struct link_address *gateway, bool of_ours);
int link_drop_gateway(const struct link_address *gateway);

#endif
