/* What the files of lib/link.h share. */
#ifndef XAPID_LIB_LINK_INTERNAL_H
#define XAPID_LIB_LINK_INTERNAL_H

#include <libmnl/libmnl.h>
#include <stddef.h>

#define LINK_SEQUENCE 1 /* of every message: a socket carries one */

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

#endif
