/* What a bond, several interfaces that lead out as one, can be: one check for who asks for one and
 * for who makes it.  The words are those of the XenAPI.  Any thread. */
#ifndef XAPID_LIB_BOND_H
#define XAPID_LIB_BOND_H

#include <glib.h>
#include <stdbool.h>

#define BOND_MEMBERS_MIN 2
#define BOND_MEMBERS_MAX 8
#define BOND_KEY_MAX 1023 /* as the kernel has it; Open vSwitch would take more */

#define BOND_HASHING "hashing_algorithm" /* of LACP: which packets go by which link */
#define BOND_HASHING_DEFAULT "tcpudp_ports"

enum bond_mode { BOND_ACTIVE_BACKUP, BOND_BALANCE_SLB, BOND_LACP };

struct bond_settings {
    enum bond_mode mode;
    /* Those of LACP alone. */
    bool by_mac;     /* packets are spread by the MAC that sends them, not by their ports */
    bool is_fast;    /* asks the switch to speak each second, not each 30 */
    bool falls_back; /* uses one link while the switch does not speak LACP */
    guint key;       /* the switch bonds what has the same; 0: none is said */
};

/* Without properties; false: there is no such mode. */
bool bond_settings_init(struct bond_settings *settings, const char *mode);
/* false: that mode has no such property, or the property no such value. */
bool bond_settings_set(struct bond_settings *settings, const char *property, const char *value);
/* Can the kernel make it, or Open vSwitch alone?  NULL, or the property or mode (static) that it
 * lacks. */
const char *bond_settings_wrong_for_kernel(const struct bond_settings *settings);

#endif
