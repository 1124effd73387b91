/* What Open vSwitch's database has of bridges, and changes of that: each is noted in the state at
 * once, and as operations of one transaction.  Pure: nothing here talks to anybody. */
#ifndef XAPID_HOST_OVS_STATE_H
#define XAPID_HOST_OVS_STATE_H

#include <glib.h>
#include <stdbool.h>

#include "lib/ovsdb.h"

enum ovs_mark { OVS_FOREIGN, OVS_NETWORK, OVS_UPLINK, OVS_VLAN, OVS_GUEST };

struct ovs_bridge {
    char *name, *ref; /* ref: ["uuid","..."], or ["named-uuid","..."] of one that is new */
    bool is_ours;
    bool is_guarded;  /* the transaction fails when somebody else has changed its ports */
    GPtrArray *ports; /* of struct ovs_port, borrowed */
};

struct ovs_port {
    char *name, *ref;
    char *interface_ref; /* of the first of its interfaces; NULL: it has none */
    enum ovs_mark mark;
    int tag;                   /* VLAN_NONE: none */
    bool is_fake;              /* it stands for a bridge that is this VLAN */
    guint mtu;                 /* that is asked for; 0: none */
    bool is_taken;             /* ovs-vswitchd has it, or one of several, in its bridge */
    char *error;               /* what it says of that; "" */
    GHashTable *interfaces;    /* name -> struct ovs_interface */
    char *bond;                /* how it uses them, in words of ovs-bond.c */
    struct ovs_bridge *bridge; /* borrowed; NULL: in none any more */
};

struct ovs_state {
    GPtrArray *bridges;   /* of struct ovs_bridge */
    GHashTable *ports;    /* name -> struct ovs_port */
    GHashTable *carriers; /* name of an interface -> the port that has it, borrowed */
    GString *operations;  /* of the changes; "": there are none */
    guint n_named;
    long long next_cfg, cur_cfg; /* as ovsdb_settle () takes it, and how far ovs-vswitchd is */
};

/* To be sent, for the parser. */
extern const char ovs_state_query[];

/* From the answers to that. */
struct ovs_state *ovs_state_new(yajl_val results);
void ovs_state_free(struct ovs_state *state);

/* NULL: there is none. */
struct ovs_bridge *ovs_state_bridge(const struct ovs_state *state, const char *name);
struct ovs_port *ovs_state_port(const struct ovs_state *state, const char *name);
/* The port that has the interface, or the bond of that name, if it is what leads a network of ours
 * out. */
struct ovs_port *ovs_state_uplink(const struct ovs_state *state, const char *interface);
/* The VLAN of ours on a bridge, or of somebody else's: NULL. */
struct ovs_port *ovs_bridge_vlan(const struct ovs_bridge *bridge, int tag);
/* Guests' ports on it with that tag, VLAN_NONE: without one; of struct ovs_port, borrowed. */
GPtrArray *ovs_bridge_guests(const struct ovs_bridge *bridge, int tag);

/* ---- changes; names are valid ones (lib/bridge-name.h) ---- */

/* A bridge of ours, borrowed.  datapath: its type, "" that of the kernel. */
struct ovs_bridge *ovs_add_bridge(struct ovs_state *state, const char *name, const char *datapath,
                                  guint mtu);
/* It has no ports but its own. */
void ovs_remove_bridge(struct ovs_state *state, struct ovs_bridge *bridge);
void ovs_add_uplink(struct ovs_state *state, struct ovs_bridge *bridge, const char *interface);
void ovs_add_vlan(struct ovs_state *state, struct ovs_bridge *bridge, const char *name, int tag,
                  guint mtu);
void ovs_remove_port(struct ovs_state *state, struct ovs_port *port);
/* From one bridge or tag to another. */
void ovs_move_port(struct ovs_state *state, struct ovs_port *port, struct ovs_bridge *bridge,
                   int tag);
void ovs_set_mtu(struct ovs_state *state, struct ovs_port *port, guint mtu);
/* After the last of them.  Who took a guest's port for granted, or for gone, is told by a "timed
 * out" when that is not so any more. */
void ovs_guard(struct ovs_state *state);

#endif
