/* GET /export: a VM with its disks as one stream; GET /export_metadata: its records alone.
 *
 * As with vdi-stream.h, what can be seen beforehand is refused by an HTTP status, and the rest is
 * xapid-stream's.  Main loop only. */
#ifndef XAPID_HTTP_VM_STREAM_H
#define XAPID_HTTP_VM_STREAM_H

#include "xapid/calls/call.h"
#include "xapid/http/http.h"

struct vm_streams;

/* As rpc_serve (). */
struct vm_streams *vm_streams_serve(struct http_server *server, struct api *api);
void vm_streams_free(struct vm_streams *streams);

#endif
