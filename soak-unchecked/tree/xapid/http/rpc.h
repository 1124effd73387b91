/* The RPC paths of the API on an HTTP server: XML-RPC, JSON-RPC, CORS; and the HTTP actions that
 * are not there yet, which answer 401, 403 or, to whoever has the role, 501.  Main loop only. */
#ifndef XAPID_HTTP_RPC_H
#define XAPID_HTTP_RPC_H

#include "xapid/calls/call.h"
#include "xapid/http/http.h"

struct rpc_service;

/* Large bodies are decoded in threads.  The API must live as long as the server. */
struct rpc_service *rpc_serve(struct http_server *server, struct api *api);
/* After the last request was taken (the server is gone, or the loop has ended) and before the API
 * goes: requests that are still being decoded are answered 503 and not run. */
void rpc_service_free(struct rpc_service *service);

#endif
