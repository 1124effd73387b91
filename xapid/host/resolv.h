/* The servers of names that go with this machine's own addresses, in resolv.conf.  Main loop only.
 */
#ifndef XAPID_HOST_RESOLV_H
#define XAPID_HOST_RESOLV_H

#include <glib.h>
#include <stdbool.h>

#define RESOLV_FOLDER "/etc"
#define RESOLV_SERVERS_MAX 16 /* more are left out */
#define RESOLV_FILE "resolv.conf"
#define RESOLV_KEPT "resolv.conf.before-xapid"

/* Writes folder/RESOLV_FILE; servers: addresses, separated by commas.  What somebody else wrote is
 * kept as RESOLV_KEPT, and is there again when there are no servers ("").  What is no regular file
 * is a program's (resolvconf's, systemd-resolved's), and left alone. */
bool resolv_write(const char *folder, const char *servers, GError **error);

#endif
