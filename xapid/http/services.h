/* All that the daemon serves over HTTP, and its end.  Main loop only. */
#ifndef XAPID_HTTP_SERVICES_H
#define XAPID_HTTP_SERVICES_H

#include "lib/settings.h"
#include "xapid/calls/call.h"
#include "xapid/http/http.h"

struct http_services;

/* server and api are borrowed, and kept.  database: the path of its file. */
struct http_services *http_services_start(struct http_server *server, struct api *api,
                                          const struct settings *settings, const char *database);
void http_services_free(struct http_services *services);

#endif
