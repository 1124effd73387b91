/* The network interfaces of this machine, as xapid is told of them. */
#ifndef XAPID_HOST_INTERFACES_H
#define XAPID_HOST_INTERFACES_H

#include <glib.h>
#include <stdbool.h>

#define INTERFACES_MAX 4096 /* of which is told */
/* Of a simulated host's folder: a key file with a group for each interface, which has the keys of
 * the answer; missing ones are empty, 0 and false. */
#define INTERFACES_SIM_FILE "interfaces"

/* switched: interfaces that others put into bridges of Open vSwitch (ovs_foreign_ports ()), or
 * NULL. aa{sv}, floating: Ethernet interfaces that are no bridges, no VLANs, none of ours and none
 * of guests; their keys are in org.xapid.Host1.xml. NULL with an error. */
GVariant *interfaces_read(GHashTable *switched, GError **error);
GVariant *interfaces_read_simulated(const char *sim_dir);
/* *ret_used: by the host itself, or something else. */
bool interface_is_simulated(const char *sim_dir, const char *name, bool *ret_used);

#endif
