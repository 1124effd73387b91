/* The bridges of networks.  Ours carry a mark (lib/link.h); others are looked at and left alone.
 * Names are checked by the caller (lib/bridge-name.h).  Blocks for the kernel's answer alone. */
#ifndef XAPID_HOST_BRIDGE_H
#define XAPID_HOST_BRIDGE_H

#include <glib.h>
#include <stdbool.h>

#define BRIDGE_SIM_DIR "bridges" /* of a simulated host's folder: a file a bridge, see below */

/* What a bridge is, once it was seen to. */
#define BRIDGE_READY "ready"
#define BRIDGE_MISSING "missing" /* one that the administrator makes is not there */
#define BRIDGE_FOREIGN                                                                             \
    "foreign" /* one that we make has the name of something that we did not make */

/* managed: makes it, if it is not there, and sets its MTU and that it is up; else only looks.
 * *ret_outcome is one of the above; false: an error. */
bool bridge_ensure(const char *name, bool managed, guint mtu, const char **ret_outcome,
                   GError **error);
/* Removes it, if it is ours and nothing is in it; *ret_removed says. */
bool bridge_remove(const char *name, bool *ret_removed, GError **error);

/* The same on a simulated host: each bridge is a file of DIR/bridges, with its MTU, or "foreign".
 */
bool bridge_ensure_simulated(const char *sim_dir, const char *name, bool managed, guint mtu,
                             const char **ret_outcome, GError **error);
bool bridge_remove_simulated(const char *sim_dir, const char *name, bool *ret_removed,
                             GError **error);

#endif
