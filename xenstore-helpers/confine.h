/* Gives up everything but a few open descriptors. */
#ifndef XAPID_CONFINE_H
#define XAPID_CONFINE_H

#include <glib.h>
#include <stdbool.h>

#define CONFINE_MEMORY (64 * 1024 * 1024) /* bytes of address space */

/* For good, one way only: no uid of anybody else's, no files (the root is an empty folder that is
 * gone already), no network, no other processes, no new descriptors, a bounded memory, and no
 * system call but those that a loop around recvmsg and send needs.  `user` is looked up, "nobody"
 * stands in where there is none of that name.  Descriptors from `first_closed` on are closed.
 *
 * Called by another user than root (tests), what only root can give up is not held anyway. */
bool confine(const char *user, unsigned first_closed, GError **error);

#endif
