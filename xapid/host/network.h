/* The part of org.xapid.Host1 that is about networks. */
#ifndef XAPID_HOST_NETWORK_H
#define XAPID_HOST_NETWORK_H

#include "lib/peer/host1.h"

#define NETWORKS_MAX 16384 /* that are told of at once */

struct network;

/* sim_dir: of a simulated host, or NULL; backend: NETWORK_BACKEND_… of lib/settings.h, or "".  Both
 * are borrowed.  It has a thread of its own, for Open vSwitch may be slow: what is asked for is
 * done there, one after another. */
struct network *network_new(const char *sim_dir, const char *backend);
/* After what was asked for is done. */
void network_free(struct network *network);
/* Which kind it is; static. */
const char *network_backend(const struct network *network);
/* Answers xapid on this skeleton. */
void network_serve(struct network *network, PeerHost1 *skeleton);

#endif
