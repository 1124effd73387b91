/* Guests' interfaces as ports of networks, be these Linux bridges or bridges of Open vSwitch (a
 * VLAN on one, too, its fake bridge).  As lib/link.h: results are 0 or a negative errno, no GLib.
 */
#ifndef XAPID_LIB_PORT_H
#define XAPID_LIB_PORT_H

#include "lib/link.h"
#include "lib/ovsdb.h"

#define PORT_TRIES 4 /* when the network became another kind of bridge meanwhile */

/* What ports are of.  Strings are borrowed. */
struct port_network {
    const char *bridge; /* a valid name */
    const char *ovsdb;  /* OVSDB_SOCKET, but in tests */
};

/* Puts the interface of a guest's card into it; out of another one, if it is there.  Waits for
 * ovs-vswitchd, but not in vain: one that does not answer takes it when it comes back.  -ENODEV:
 * there is no such bridge.  text: what Open vSwitch says, "" else. */
int port_join(const struct link *link, const struct port_network *network,
              char text[OVSDB_TEXT_MAX]);
/* Is the bridge there? */
int port_find_network(const struct port_network *network, char text[OVSDB_TEXT_MAX]);
/* Takes it out, whether or not it is still there itself. */
int port_leave(const char *name, const char *ovsdb, char text[OVSDB_TEXT_MAX]);

#endif
