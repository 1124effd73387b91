/* The bridges of networks, and what leads them out of the host.  Bridges and VLANs of ours carry a
 * mark (lib/link.h), as does an interface that we put into one; others are looked at and left
 * alone: an interface that has an address of this machine, or that belongs to something else, is
 * never put into a bridge.  Names are checked by the caller (lib/bridge-name.h).  Blocks for the
 * kernel's answers alone. */
#ifndef XAPID_HOST_BRIDGE_H
#define XAPID_HOST_BRIDGE_H

#include <glib.h>
#include <stdbool.h>

#include "lib/bond.h"
#include "lib/bridge-name.h"
#include "lib/link.h"

/* Of a simulated host's folder: a file a bridge, see sim-bridge.c. */
#define BRIDGE_SIM_DIR "bridges"

/* Interfaces of the machine that lead out as one, which we make. */
struct bond {
    const char *members[BOND_MEMBERS_MAX + 1];         /* names, NULL behind the last */
    char names[BOND_MEMBERS_MAX][BRIDGE_NAME_MAX + 1]; /* room for them, of bond_read () */
    uint8_t mac[NIC_MAC_LENGTH];
    struct bond_settings settings;
};

/* A network as it is to be on this host.  Strings are borrowed. */
struct bridge {
    const char *name;
    bool managed;       /* is made, if it is not there; else it is only looked for */
    guint mtu;          /* bytes */
    const char *uplink; /* the interface that leads out; "": none, guests are among themselves */
    int tag;            /* of the VLAN of that interface; VLAN_NONE: the interface itself */
    const struct bond *bond; /* what that interface is made of; NULL: it is there */
};

/* What a bridge is, once it was seen to. */
#define BRIDGE_READY "ready"
#define BRIDGE_MISSING "missing" /* one that the administrator makes is not there */
#define BRIDGE_FOREIGN                                                                             \
    "foreign" /* one that we make has the name of something that we did not make */
#define BRIDGE_NO_UPLINK "no-uplink"     /* the interface that leads out is not there */
#define BRIDGE_UPLINK_USED "uplink-used" /* it is something else's, or the host's own */
#define BRIDGE_FAILED "failed"           /* the log says why */

/* *ret_outcome is one of the above; false: an error. */
bool bridge_ensure(const struct bridge *bridge, const char **ret_outcome, GError **error);
/* Lets go what leads it out, and removes it if it is ours and has nothing else in it; *ret_removed
 * says. */
bool bridge_remove(const char *name, bool *ret_removed, GError **error);
/* Lets go and removes what is ours and in none of these bridges; one that has guests stays. */
bool bridge_keep(const struct bridge *bridges, gsize n, GError **error);

/* For another kind of bridges: removes a Linux bridge of ours that nothing but what leads it out is
 * in.  *ret_stays: there is one that has guests. */
bool bridge_give_way(const char *name, bool *ret_stays, GError **error);
bool bridges_give_way(GError **error); /* all of them */

/* --- bond.c --- */

#define NETWORK_BOND 5          /* its place in a network, as org.xapid.Host1.xml has one */
#define BOND_TYPE "(asssa{ss})" /* members, MAC, mode, properties */

/* One without members is none. */
bool bond_is_given(GVariant *value);
/* Reads a bond as org.xapid.Host1.xml has it: NULL, or what is wrong with it (static). */
const char *bond_read(GVariant *value, struct bond *ret_bond);
bool bond_has_member(const struct bond *bond, const char *name);
/* A bond of Linux with those of its members that are there.  *ret_outcome as below: when that is
 * not BRIDGE_READY nothing was changed.  0 or a negative errno. */
int bond_ensure(const struct bridge *bridge, struct link *ret_bond, const char **ret_outcome);
/* Lets its members go first. */
int bond_remove(const struct link *bond);

/* The same on a simulated host. */
bool bridge_ensure_simulated(const char *sim_dir, const struct bridge *bridge,
                             const char **ret_outcome, GError **error);
bool bridge_remove_simulated(const char *sim_dir, const char *name, bool *ret_removed,
                             GError **error);
bool bridge_keep_simulated(const char *sim_dir, const struct bridge *bridges, gsize n,
                           GError **error);

/* --- uplink.c, for bridge.c and ovs.c; those of int: 0 or a negative errno --- */

/* Puts what leads out into a bridge of ours.  *ret_outcome as above, when that is not BRIDGE_READY
 * nothing was changed. */
int uplink_ensure(const struct link *link, const struct bridge *bridge, const char **ret_outcome);
/* The interface that its uplink names: BRIDGE_READY or BRIDGE_NO_UPLINK. */
int uplink_find_device(const struct bridge *bridge, struct link *ret_device,
                       const char **ret_outcome);
/* In nothing, and without an address of this machine? */
int uplink_is_free(const struct link *device, bool *ret_free);
void uplink_vlan_name(const struct link *device, int tag, char name[LINK_TEXT_MAX]);
/* The VLAN of an interface, made when it is not there: BRIDGE_READY or BRIDGE_UPLINK_USED. */
int uplink_ensure_vlan(const struct link *device, const struct bridge *bridge,
                       struct link *ret_vlan, const char **ret_outcome);
/* Is an interface, which we put or made, what leads this bridge out? */
bool uplink_is(const char *link_name, const struct bridge *bridge);
/* Is it one that we put, or made?  Those in a bond of ours, too. */
bool uplink_is_ours(const struct link *link);
int uplink_release(const struct link *link);

#endif
