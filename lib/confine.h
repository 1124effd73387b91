/* Gives up everything but a few open descriptors. */
#ifndef XAPID_LIB_CONFINE_H
#define XAPID_LIB_CONFINE_H

#include <glib.h>
#include <stdbool.h>

/* For good, one way only: no uid of anybody else's, no files (the root is an empty folder that is
 * gone already), no network, no other processes, descriptors of numbers below `descriptors`
 * alone (0: no new ones), at most `memory` bytes of address space, and no system call but those
 * that any program needs and `calls`, up to -1. `user` is looked up, "nobody" stands in where there
 * is none of that name.  Descriptors from `first_closed` on are closed.
 *
 * Called by another user than root (tests), what only root can give up is not held anyway. */
bool confine(const char *user, unsigned first_closed, unsigned descriptors, guint64 memory,
             const int *calls, GError **error);

#endif
