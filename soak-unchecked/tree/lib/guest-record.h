/* What a guest says of itself, once xs-guestd has made sense of it: a{sv} with some of
 *
 *   os_version, netbios_name, PV_drivers_version, networks, other, services   a{ss}
 *   PV_drivers_detected                                                       b
 *   can_use_hotplug_vbd, can_use_hotplug_vif                                  s "yes" | "no"
 *
 * named as the fields of VM_guest_metrics.  A guest that says nothing: empty.  Whoever takes one
 * from another process checks it. */
#ifndef XAPID_LIB_GUEST_RECORD_H
#define XAPID_LIB_GUEST_RECORD_H

#include <glib.h>
#include <stdbool.h>

#define GUEST_TEXT_MAX 1024           /* bytes of a key or a value */
#define GUEST_ENTRIES_MAX 256         /* of a map */
#define GUEST_RECORD_MAX (64 * 1024)  /* bytes, serialised */
#define GUEST_RECORD_TEXT (32 * 1024) /* bytes of all keys and values; leaves room for the rest */

/* The type string of a member; NULL when there is none of that name. */
const char *guest_record_type(const char *member);
/* Known members of the right types, each once, texts that XML allows, nothing beyond the limits. */
bool guest_record_check(GVariant *record);

#endif
