/* PUT /import: a VM with its disks from a client, an XVA.
 *
 * "200 OK" leaves before the body is read; what is in it, and how it went, the task tells.  Main
 * loop only. */
#ifndef XAPID_HTTP_VM_IMPORT_H
#define XAPID_HTTP_VM_IMPORT_H

#include "xapid/calls/call.h"
#include "xapid/http/http.h"

struct vm_imports;

/* As rpc_serve (). */
struct vm_imports *vm_imports_serve(struct http_server *server, struct api *api);
void vm_imports_free(struct vm_imports *imports);

#endif
