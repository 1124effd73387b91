/* The signal Changed of org.xapid.Domains1: which domains changed is sent while the peer takes it,
 * and gathered while it does not, one mention a domain.  Main loop only. */
#ifndef XAPID_DOMAINS_CHANGES_H
#define XAPID_DOMAINS_CHANGES_H

#include <gio/gio.h>

#include "lib/peer/domains1.h"

struct changes;

struct changes *changes_new(PeerDomains1 *object);
void changes_free(struct changes *changes);
/* The peer, of which the object has been exported, or NULL: it has gone.  A new one is told to look
 * at all. */
void changes_connect(struct changes *changes, GDBusConnection *connection);
/* A uuid; "": any may have changed. */
void changes_add(struct changes *changes, const char *uuid);
/* From now on they are sent; nothing is before. */
void changes_open(struct changes *changes);

#endif
