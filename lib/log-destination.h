/* Where a host's log goes besides, as its `logging` has it: a name or an address, with a port or
 * without.  One check for who takes it from a client and for who writes it into a file. */
#ifndef XAPID_LIB_LOG_DESTINATION_H
#define XAPID_LIB_LOG_DESTINATION_H

#include <glib.h>
#include <stdbool.h>

#define LOG_DESTINATION_PORT 514

/* "log.example.com", "10.0.0.5:5514", "fd00::5", "[fd00::5]:5514": the host (the caller's, an
 * address without brackets) and the port; false: it is none.  Either may be NULL. */
bool log_destination_parse(const char *text, char **ret_host, guint16 *ret_port);

#endif
