/* Has rsyslog send the host's log to another host, too: by a file of ours in its folder.  Main loop
 * only. */
#ifndef XAPID_HOST_SYSLOG_H
#define XAPID_HOST_SYSLOG_H

#include <stdbool.h>

#include "lib/peer/host1.h"

#define SYSLOG_FOLDER "/etc/rsyslog.d"
#define SYSLOG_FILE "60-xapid-forward.conf"

/* Writes the file for a destination (lib/log-destination.h), or ("") removes it. */
bool syslog_write(const char *folder, const char *destination, GError **error);
/* Answers ForwardLog.  sim_dir (may be NULL, outlives skeleton): the file goes there, and nobody is
 * told. */
void syslog_serve(PeerHost1 *skeleton, const char *sim_dir);

#endif
