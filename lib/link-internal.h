/* What the files of lib/link.h share. */
#ifndef XAPID_LIB_LINK_INTERNAL_H
#define XAPID_LIB_LINK_INTERNAL_H

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stddef.h>

#define LINK_SEQUENCE 1 /* of every message: a socket carries one */

#define LINK_MESSAGE_MAX 512 /* bytes; those about interfaces are shorter */

/* A message about an interface; index 0: about one that it names. */
struct link_message {
    char bytes[LINK_MESSAGE_MAX];
    struct nlmsghdr *header;
    struct ifinfomsg *about;
};
void link_message_init(struct link_message *message, uint16_t type, uint16_t flags, int index);
/* One that makes an interface of our group. */
void link_make_init(struct link_message *message, const char *name, uint32_t mtu);

/* Sends the message and calls `each` (which may be NULL) for every part of the answer: 0 or a
 * negative errno. */
int link_talk(const struct nlmsghdr *message, mnl_cb_t each, void *data);

/* What a dump tells of, all of it before any of it is used: interfaces that change meanwhile would
 * break it off. */
struct link_items {
    size_t size; /* bytes of one */
    size_t n;
    void *all;
};
int link_items_add(struct link_items *items, const void *item);
/* link_talk () with items for data, once more when something changed meanwhile.  The caller frees
 * items->all, whatever is returned. */
int link_dump(const struct nlmsghdr *message, mnl_cb_t each, struct link_items *items);

#define LINK_IPV6_OFF "disable_ipv6"
/* A setting of IPv6 of an interface, of one digit; 0 or a negative errno. */
int link_set_ipv6(const char *name, const char *setting, char value);
/* Whether it has IPv6 becomes what interfaces have from the beginning. */
int link_reset_ipv6(const char *name);

#define LINK_BOND "bond" /* a kind of interfaces */
/* An attribute of a bond's into a struct link_bond; for mnl_attr_parse_nested (). */
int link_read_bond(const struct nlattr *attribute, void *bond);

#endif
