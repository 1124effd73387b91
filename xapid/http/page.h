/* GET /: the page for browsers, and the files that it is made of: ours, and the modules of Debian's
 * package novnc when that is installed.  Which files there are is a table; no path of a request is
 * ever looked for on disk.  Nobody is asked who he is: the page is the same for all, and logs in by
 * the API as any client does.
 *
 * Passwords are typed into it, so it goes over TLS (or the unix socket); who asks without is sent
 * there.  Main loop only. */
#ifndef XAPID_HTTP_PAGE_H
#define XAPID_HTTP_PAGE_H

#include "lib/settings.h"
#include "xapid/http/http.h"

#define PAGE_DIR XAPID_DATADIR "/page"
#define PAGE_FILE_MAX (1024 * 1024) /* bytes; a longer file is not served */

struct page_service;

/* Files are looked at in threads, at each request, and read when they have changed. */
struct page_service *page_serve(struct http_server *server, const struct settings *settings);
/* As rpc_service_free (). */
void page_service_free(struct page_service *service);

#endif
