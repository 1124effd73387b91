/* The same as bridge.h on Open vSwitch: a network is a bridge of it, and a VLAN of a card that is
 * in one of ours a fake bridge there (a port with a tag); the VLAN of another card is an interface
 * of the kernel's in a bridge.  What is ours has a mark in its external_ids (lib/ovsdb.h); the rest
 * is left as it is.  Each change is one transaction, guests' ports that it moves included.
 *
 * A Linux bridge of ours that guests are on stays one until they have gone.
 *
 * Blocks for ovsdb-server and ovs-vswitchd, for no longer than OVSDB_MS for each look and change.
 */
#ifndef XAPID_HOST_OVS_H
#define XAPID_HOST_OVS_H

#include "xapid/host/bridge.h"

#define OVS_PROGRAM "/usr/sbin/ovs-vswitchd" /* it is installed */
#define OVS_TRIES 4                          /* when ports changed meanwhile */

/* Strings are borrowed. */
struct ovs {
    const char *socket;   /* OVSDB_SOCKET, but in tests */
    const char *datapath; /* of the bridges that are made: "", the kernel's */
};

bool ovs_ensure(const struct ovs *ovs, const struct bridge *bridge, const char **ret_outcome,
                GError **error);
bool ovs_remove(const struct ovs *ovs, const char *name, bool *ret_removed, GError **error);
/* bridge_keep (), and ovs_ensure () for each that is led out, in one transaction; outcomes has room
 * for n.  One that fails does not keep the others from being made. */
bool ovs_apply(const struct ovs *ovs, const struct bridge *bridges, gsize n, const char **outcomes,
               GError **error);
/* Interfaces that others put into bridges: name -> name of the bridge, both owned. */
GHashTable *ovs_foreign_ports(const struct ovs *ovs, GError **error);

#endif
