/* The part of org.xapid.Host1 that is about networks. */
#ifndef XAPID_HOST_NETWORK_H
#define XAPID_HOST_NETWORK_H

#include "lib/peer/host1.h"

#define NETWORKS_MAX 16384 /* that are told of at once */

/* Answers xapid on this skeleton.  sim_dir: of a simulated host, or NULL; borrowed. */
void network_serve(PeerHost1 *skeleton, const char *sim_dir);

#endif
