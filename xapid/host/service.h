/* org.xapid.Host1 for the one peer, xapid.  Main loop only. */
#ifndef XAPID_HOST_SERVICE_H
#define XAPID_HOST_SERVICE_H

#include <gio/gio.h>

#define CHECKS_MAX 64    /* passwords checked at once */
#define CHECK_SECONDS 20 /* for one: a directory may be slow, and so a host that is busy */
#define LOOKUPS_MAX 64   /* accounts looked up at once */
#define LOOKUP_SECONDS 5 /* for one: less than a method call may take */

struct service;

/* sim_dir: the folder of a simulated host, NULL for real hardware; sim_networks: the same of its
 * networks alone.  network_backend: that of the settings.  All are borrowed for the service's life.
 */
struct service *service_new(const char *pam_service, const char *sim_dir, const char *sim_networks,
                            const char *network_backend);
void service_free(struct service *service);
/* Serves on `connection` (a reference is taken) instead of the one before.  Checks that the old
 * peer began are not answered to the new one, whose ids may be the same. */
void service_set_peer(struct service *service, GDBusConnection *connection);

#endif
