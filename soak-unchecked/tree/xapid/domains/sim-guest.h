/* What simulated guests wrote into xenstore: the files below DIR/xenstore/DOMID, a directory a
 * level. Who writes one then sends the domid to DIR/guests (a datagram, in decimal): the watch
 * fires. */
#ifndef XAPID_DOMAINS_SIM_GUEST_H
#define XAPID_DOMAINS_SIM_GUEST_H

#include "xapid/domains/guest-keys.h"
#include "xapid/domains/sim-world.h"

extern const struct guest_store sim_guest_store;

/* A test's "write UUID PATH VALUE". False: it cannot be written. */
bool sim_guest_write(struct world *world, int domid, const char *path, const char *value);

#endif
