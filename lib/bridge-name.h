/* Names of network bridges, and the limits of what they and their VLANs can have: one check for who
 * names them and for who makes them. */
#ifndef XAPID_LIB_BRIDGE_NAME_H
#define XAPID_LIB_BRIDGE_NAME_H

#include <stdbool.h>

#define BRIDGE_NAME_MAX 15   /* bytes: IFNAMSIZ without its NUL */
#define BRIDGE_MTU_MIN 68    /* bytes */
#define BRIDGE_MTU_MAX 65517 /* what the network back end of Linux takes */
#define VLAN_NONE (-1)       /* the tag of what is no VLAN */
#define VLAN_TAG_MAX 4094    /* as XAPI has it; the least is 0 */

/* A letter or digit, then those, dots, dashes and underscores.  Not "all" or "default", which are
 * no interfaces but settings of all of them, nor vif… and tap…, as the back ends of guests are
 * called. */
bool bridge_name_is_valid(const char *name);
/* Of those characters alone, as the back ends of guests are, too; the kernel allows others. */
bool link_name_is_plain(const char *name);

#endif
