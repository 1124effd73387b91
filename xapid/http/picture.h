/* GET /vncsnapshot: what a guest's screen, or its text console, shows now, as a JPEG.  It is made
 * by xapid-picture, beside xapid-domains.  Main loop only. */
#ifndef XAPID_HTTP_PICTURE_H
#define XAPID_HTTP_PICTURE_H

#include "xapid/calls/call.h"
#include "xapid/http/http.h"

struct picture_service;

/* As rpc_serve (). */
struct picture_service *pictures_serve(struct http_server *server, struct api *api);
/* Those that are being made end with the process. */
void picture_service_free(struct picture_service *service);

#endif
