/* PUT /import_raw_vdi and GET /export_raw_vdi: the contents of a disk from a client, or to one.
 *
 * What can be seen beforehand is refused by an HTTP status.  Then "200 OK" leaves, before the body
 * of an import is read, and the connection is xapid-stream's; how it went, the task tells, and the
 * end of the connection.  Main loop only. */
#ifndef XAPID_HTTP_VDI_STREAM_H
#define XAPID_HTTP_VDI_STREAM_H

#include "xapid/calls/call.h"
#include "xapid/http/http.h"

struct vdi_streams;

/* As rpc_serve (). */
struct vdi_streams *vdi_streams_serve(struct http_server *server, struct api *api);
void vdi_streams_free(struct vdi_streams *streams);

#endif
