/* The addresses that this machine has on bridges of ours, and the names' servers that go with them.
 *
 * What is on an interface of ours is ours; what is on any other is the administrator's, and is left
 * alone until it is taken (TakeInterface).  Default routes of ours are marked (lib/link.h).  Blocks
 * for the kernel's answers alone; main loop only. */
#ifndef XAPID_HOST_ADDRESSES_H
#define XAPID_HOST_ADDRESSES_H

#include <glib.h>
#include <stdbool.h>

#include "lib/peer/host1.h"

#define ADDRESSINGS_MAX 4096 /* that are told of at once */
#define ADDRESSES_MAX 64     /* of one interface */
#define ADDRESS_BY_ROUTERS "autoconf"
/* Of a simulated host's folder: a key file with a group for each interface. */
#define ADDRESSES_SIM_FILE "addresses"

/* What this machine is to have on a bridge; strings are borrowed. */
struct addressing {
    const char *interface;
    const char *address;  /* of IPv4, with its prefix; "": none */
    const char *gateway;  /* of the default route; "": none */
    const char *address6; /* the same of IPv6, or ADDRESS_BY_ROUTERS */
    const char *gateway6;
};

#define ADDRESSES_READY "ready"
#define ADDRESSES_MISSING "missing" /* there is no bridge of ours of that name */

/* What is wrong with it, or NULL. */
const char *addressing_wrong(const struct addressing *wanted);
/* *ret_outcome is one of the above; *ret_there (the caller frees) what is there now, with prefixes.
 */
bool addresses_apply(const struct addressing *wanted, const char **ret_outcome, char ***ret_there,
                     GError **error);
/* Takes addresses and default routes of the administrator's off an interface. */
bool interface_take(const char *name, GError **error);
/* Puts such on one that is not ours; gateways may be "". */
bool interface_give(const char *name, const char *const *addresses, const char *const *gateways,
                    GError **error);

/* The same on a simulated host. */
bool addresses_apply_simulated(const char *sim_dir, const struct addressing *wanted,
                               const char **ret_outcome, char ***ret_there, GError **error);
bool interface_take_simulated(const char *sim_dir, const char *name, GError **error);
bool interface_give_simulated(const char *sim_dir, const char *name, const char *const *addresses,
                              const char *const *gateways, GError **error);

/* Answers xapid on this skeleton; sim_dir: of a simulated host, or NULL. */
void addresses_serve(PeerHost1 *skeleton, const char *sim_dir);

#endif
