/* GET and PUT of /pool/xmldbdump: the database as a dump, and a dump as the database. */
#ifndef XAPID_HTTP_DATABASE_H
#define XAPID_HTTP_DATABASE_H

#include "xapid/calls/call.h"
#include "xapid/http/http.h"

struct database_service;

/* path: of the database.  The API must live as long as the server. */
struct database_service *database_serve(struct http_server *server, struct api *api,
                                        const char *path);
/* As rpc_service_free (). */
void database_service_free(struct database_service *service);

#endif
