/* A guest's text console at the terminal, through its host. */
#ifndef XAPID_XTOOL_CONSOLE_H
#define XAPID_XTOOL_CONSOLE_H

#include "xtool/server.h"

#define CONSOLE_LEAVE 0x1d /* Ctrl-], as xl's */

/* Until the user leaves it, his input ends, or the console does: what he types goes to `path`, an
 * action for websockets, and what comes to standard output.  The terminal gives single keys
 * meanwhile. */
bool console_attend(struct server *server, const char *path, GError **error);

#endif
