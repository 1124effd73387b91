/* Networks with guests and cards, in a network namespace that the test makes, the same over Linux
 * bridges and over Open vSwitch (its datapath in user space): ON_SWITCH.  Whatever fails ends the
 * test. */
#ifndef TESTS_UNIT_NETWORK_BED_H
#define TESTS_UNIT_NETWORK_BED_H

#include "lib/port.h"
#include "tests/unit/frames.h"
#include "tests/unit/ovs-bed.h"

extern struct ovs_bed bed;
extern const bool on_switch;

/* False: it cannot be here, and the test has said so. */
bool network_bed_init(void);
void network_bed_clear(void);
/* A command of the shell's. */
void run(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* As xapid-host and libxl's program do; outcomes are static. */
const char *see_to(struct bridge bridge);
const char *ensure(const char *name, const char *uplink, int tag);
const char *look_for(const char *name);
bool removed(const char *name);
void apply(const struct bridge *bridges, gsize n);
/* The same by a child that ends or fails in between; see dying.h. */
void apply_with(const char *fault, const struct bridge *bridges, gsize n);
void join(const char *interface, const char *bridge);
void leave(const char *interface);

/* A guest's card: NAME is in dom0, NAMEin its other end in the guest. */
void add_guest(const char *name, const char *bridge);
void remove_guest(const char *name);
/* A card of the machine: NAME, and NAMEout the switch that it is plugged into. */
void add_card(const char *name);
void remove_card(const char *name);
bool is_there(const char *name);
/* The lab's kernel has them, if this one has not. */
bool kernel_has_vlans(void);

#endif
