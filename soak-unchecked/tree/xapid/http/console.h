/* CONNECT /console, and GET /console for websockets: the console of a guest for one who looks at
 * it, as bytes from then on.  It ends with the guest's domain, with the session or the role of who
 * looks, and when nothing came from him for pool.vm_console_idle_timeout seconds.  Main loop only.
 */
#ifndef XAPID_HTTP_CONSOLE_H
#define XAPID_HTTP_CONSOLE_H

#include "xapid/calls/call.h"
#include "xapid/http/http.h"

#define CONSOLES_MAX 256       /* open at once; beyond: 503 */
#define CONSOLES_OF_VM_MAX 16  /* the same of one VM; 1 when pool.limit_console_sessions says so */
#define CONSOLE_LOOK_SECONDS 1 /* between two looks whether each may go on */

struct console_service;

/* As rpc_serve (). */
struct console_service *consoles_serve(struct http_server *server, struct api *api);
/* Those that are open end with the process. */
void console_service_free(struct console_service *service);

#endif
