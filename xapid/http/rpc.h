/* The RPC paths of the API on an HTTP server: XML-RPC, JSON-RPC, CORS, and 501 for the HTTP actions
 * that are not there yet.  Main loop only. */
#ifndef XAPID_HTTP_RPC_H
#define XAPID_HTTP_RPC_H

#include "xapid/calls/call.h"
#include "xapid/http/http.h"

/* Both must live as long as the server. */
void rpc_serve(struct http_server *server, struct api *api);

#endif
