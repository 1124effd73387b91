/* HTTP requests of a server's session, for server.c, actions.c and console.c alone. */
#ifndef XAPID_XTOOL_SERVER_INTERNAL_H
#define XAPID_XTOOL_SERVER_INTERNAL_H

#include <libsoup/soup.h>

#include "xtool/server.h"

/* With the session; body (may be NULL) is borrowed. */
SoupMessage *server_request(struct server *server, const char *method, const char *path,
                            const char *type, GBytes *body, GError **error);
/* The answer's body, when the status is 200.  called: the message of a call, of which the user may
 * see how far it is; NULL: it is none. */
GInputStream *server_send(struct server *server, SoupMessage *request, const char *path,
                          const char *called, GError **error);
/* The same of a request that was sent: takes what came of it, stream or cause. */
GInputStream *server_answer(struct server *server, SoupMessage *request, const char *path,
                            GInputStream *stream, GError *cause, GError **error);
SoupSession *server_http(const struct server *server);
GCancellable *server_interrupt(const struct server *server);

#endif
