/* What the files of ovs-state.h share. */
#ifndef XAPID_HOST_OVS_STATE_INTERNAL_H
#define XAPID_HOST_OVS_STATE_INTERNAL_H

#include "xapid/host/ovs-state.h"

struct ovs_interface {
    char *ref, *key; /* key: of LACP, "" without one */
};

/* One more of the transaction. */
void ovs_operation(struct ovs_state *state, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* A name that is only in this transaction, and the ref of what has it.  The caller frees. */
char *ovs_new_name(struct ovs_state *state, char **ret_ref);
/* The row of an interface, and its ref, which the caller frees.  details: more of it, from a comma
 * on. */
char *ovs_new_interface(struct ovs_state *state, const char *name, const char *details);
/* A port without interfaces or a ref yet, in the state alone; borrowed. */
struct ovs_port *ovs_note_port(struct ovs_state *state, struct ovs_bridge *bridge,
                               const char *name);
/* It has that interface; takes ref. */
void ovs_note_interface(struct ovs_state *state, struct ovs_port *port, const char *name, char *ref,
                        const char *key);
/* verb: "insert" or "delete". */
void ovs_mutate_ports(struct ovs_state *state, const struct ovs_bridge *bridge, const char *verb,
                      const struct ovs_port *port);

/* --- ovs-bond.c --- */

/* What the row of a port says of a bond.  The caller frees. */
char *ovs_bond_of_row(yajl_val row);
/* The key of LACP in the row of an interface; "". */
const char *ovs_bond_key(yajl_val row);

#endif
