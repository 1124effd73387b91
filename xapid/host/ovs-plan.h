/* How networks become what is desired, in a state of Open vSwitch's database: what ovs.c then does
 * in one transaction.  Looks at interfaces, and makes ready those that are put into a bridge: marks
 * them first, so that whatever ends in between leaves nothing that nobody knows. */
#ifndef XAPID_HOST_OVS_PLAN_H
#define XAPID_HOST_OVS_PLAN_H

#include "xapid/host/bridge.h"
#include "xapid/host/ovs-state.h"

/* datapath: of the bridges that are made.  *ret_outcome: what it is once that is done. */
bool ovs_plan_ensure(struct ovs_state *state, const char *datapath, const struct bridge *bridge,
                     const char **ret_outcome, GError **error);
/* Part of that: a bond leads the bridge out.  0 or a negative errno. */
int ovs_plan_bond(struct ovs_state *state, struct ovs_bridge *bridge, const struct bridge *wanted,
                  const char **ret_outcome);
/* What leads out and is in none of these goes, as do bridges without guests, and ports of guests
 * that have gone. */
void ovs_plan_keep(struct ovs_state *state, const char *datapath, const struct bridge *bridges,
                   gsize n);
/* As bridge_remove (). */
bool ovs_plan_remove(struct ovs_state *state, const char *datapath, const char *name);

#endif
