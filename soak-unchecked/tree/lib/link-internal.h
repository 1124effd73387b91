/* What the files of lib/link.h share. */
#ifndef XAPID_LIB_LINK_INTERNAL_H
#define XAPID_LIB_LINK_INTERNAL_H

#include <libmnl/libmnl.h>

#define LINK_SEQUENCE 1 /* of every message: a socket carries one */

/* Sends the message and calls `each` (which may be NULL) for every part of the answer: 0 or a
 * negative errno. */
int link_talk(const struct nlmsghdr *message, mnl_cb_t each, void *data);

#endif
