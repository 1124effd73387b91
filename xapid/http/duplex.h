/* A connection that the door has given up, joined to a socket of ours: bytes go both ways, in a
 * thread, which holds at most a piece of each. */
#ifndef XAPID_HTTP_DUPLEX_H
#define XAPID_HTTP_DUPLEX_H

#include <stdbool.h>

#include "xapid/http/http.h"

#define DUPLEX_STUCK_SECONDS 60 /* in which the client takes no byte of what there is for it */

struct duplex;

/* Takes fd, tls and ahead of `taken`, and `inner`, a stream socket.  websocket: what the client
 * sends and gets are frames of one.  ended () is called once, on the main loop, when either side
 * has ended or duplex_stop () was called, and then the duplex is no more.  NULL with errno: there
 * is no thread; everything is closed then, too.  Main loop only. */
struct duplex *duplex_start(struct http_taken *taken, bool websocket, int inner,
                            void (*ended)(void *data), void *data);
/* Ends it, soon. */
void duplex_stop(struct duplex *duplex);
/* Seconds since the client's last byte came. */
gint64 duplex_silent_seconds(const struct duplex *duplex);

#endif
