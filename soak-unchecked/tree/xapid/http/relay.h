/* A connection over TLS for another process, which sees a plain socket: a thread passes the bytes
 * of one direction on.  The session stays here, where its keys are. */
#ifndef XAPID_HTTP_RELAY_H
#define XAPID_HTTP_RELAY_H

#include <stdbool.h>

#include "xapid/http/http.h"

/* In which the client moves no byte; whoever has the plain side has shorter limits of his own. */
#define RELAY_SILENT_SECONDS 600

struct relay;

/* Takes fd and tls of `taken`.  upload: the client sends, else it receives.  *ret_plain: the plain
 * side, which blocks; whoever gets it closes it when the transfer has ended.  NULL with errno (both
 * are closed then). */
struct relay *relay_start(struct http_taken *taken, bool upload, int *ret_plain);
/* The transfer has ended, well or not: what is left is passed on, and the client sees it end so.
 * Main loop only. */
void relay_end(struct relay *relay, bool well);

#endif
