/* The network cards of a guest's config.  Pure functions, any thread. */
#ifndef XAPID_DOMAINS_GUEST_NICS_H
#define XAPID_DOMAINS_GUEST_NICS_H

#include <glib.h>
#include <stdbool.h>

#include "lib/bridge-name.h"
#include "lib/nic-lock.h"

#define CONFIG_NICS_MAX 7
#define CONFIG_KBPS_MAX 10000000 /* KiB a second; more is no limit for anybody */

struct guest_nic {
    int device; /* 0 .. CONFIG_NICS_MAX - 1 */
    guint8 mac[NIC_MAC_LENGTH];
    int mtu;  /* bytes */
    int kbps; /* KiB that the guest may send a second; 0: as many as it can */
    char bridge[BRIDGE_NAME_MAX + 1];
    char lock[NIC_LOCK_TEXT_MAX + 1]; /* what it may send: lib/nic-lock.h */
};

/* Of an a{sv}: INVALID_VALUE. */
bool guest_nic_parse(GVariant *args, struct guest_nic *ret_nic, GError **error);
/* Of an aa{sv} (NULL: none): an array of struct guest_nic, the caller's; NULL with INVALID_VALUE.
 */
GArray *guest_nics_parse(GVariant *nics, GError **error);

#endif
