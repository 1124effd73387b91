/* The bridges of networks, and what leads them out of the host.  Bridges and VLANs of ours carry a
 * mark (lib/link.h), as does an interface that we put into one; others are looked at and left
 * alone: an interface that has an address of this machine, or that belongs to something else, is
 * never put into a bridge.  Names are checked by the caller (lib/bridge-name.h).  Blocks for the
 * kernel's answers alone. */
#ifndef XAPID_HOST_BRIDGE_H
#define XAPID_HOST_BRIDGE_H

#include <glib.h>
#include <stdbool.h>

#include "lib/bridge-name.h"
#include "lib/link.h"

/* Of a simulated host's folder: a file a bridge, see sim-bridge.c. */
#define BRIDGE_SIM_DIR "bridges"

/* A network as it is to be on this host.  Strings are borrowed. */
struct bridge {
    const char *name;
    bool managed;       /* is made, if it is not there; else it is only looked for */
    guint mtu;          /* bytes */
    const char *uplink; /* the interface that leads out; "": none, guests are among themselves */
    int tag;            /* of the VLAN of that interface; VLAN_NONE: the interface itself */
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
/* Is it one that we put, or made? */
bool uplink_is_ours(const struct link *link);
int uplink_release(const struct link *link);

#endif
