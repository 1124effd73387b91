/* Who this host is to iSCSI targets: the file of open-iscsi's that says so.  Main loop only. */
#ifndef XAPID_HOST_INITIATOR_H
#define XAPID_HOST_INITIATOR_H

#include <stdbool.h>

#include "lib/peer/host1.h"

#define INITIATOR_FOLDER "/etc/iscsi"
#define INITIATOR_FILE "initiatorname.iscsi"

/* The name in the text of that file; "": it has none.  The caller frees. */
char *initiator_find(const char *text);
/* Writes the file with a name (lib/iscsi-name.h), of which nobody but root reads. */
bool initiator_write(const char *folder, const char *name, GError **error);
/* Answers SetIscsiName.  sim_dir (may be NULL, outlives skeleton): the file goes there, and nobody
 * is told. */
void initiator_serve(PeerHost1 *skeleton, const char *sim_dir);

#endif
