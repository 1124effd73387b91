/* The network cards of a guest's config.  Pure functions, any thread. */
#ifndef XAPID_DOMAINS_GUEST_NICS_H
#define XAPID_DOMAINS_GUEST_NICS_H

#include <glib.h>
#include <stdbool.h>

#include "lib/bridge-name.h"

#define CONFIG_NICS_MAX 7
#define MAC_LENGTH 6 /* bytes */

struct guest_nic {
    int device; /* 0 .. CONFIG_NICS_MAX - 1 */
    guint8 mac[MAC_LENGTH];
    int mtu; /* bytes */
    char bridge[BRIDGE_NAME_MAX + 1];
};

/* Of an a{sv}: INVALID_VALUE. */
bool guest_nic_parse(GVariant *args, struct guest_nic *ret_nic, GError **error);
/* Of an aa{sv} (NULL: none): an array of struct guest_nic, the caller's; NULL with INVALID_VALUE.
 */
GArray *guest_nics_parse(GVariant *nics, GError **error);

#endif
