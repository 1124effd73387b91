/* Which console an HTTP request means: for those that open one, and for pictures of one. */
#ifndef XAPID_HTTP_CONSOLE_FIND_H
#define XAPID_HTTP_CONSOLE_FIND_H

#include "xapid/calls/call.h"
#include "xapid/http/http.h"

/* What a request named; contents are freed by console_found_clear (). */
struct console_found {
    char *vm, *row; /* references; row NULL: the VM does not run */
};

void console_found_clear(struct console_found *found);

/* By uuid or ref in the query, of a console or a VM; of a VM's consoles the one that is RFB. False:
 * the request has been answered, for there is none, it may not be opened by `caller`, or the VM
 * does not run.  host_sub_action: what of `action` is needed beside for the host's own, which there
 * is not yet. */
bool console_find(const struct api *api, struct http_request *request, const struct caller *caller,
                  const struct dm_http_action *action, const char *host_sub_action,
                  struct console_found *ret_found);

#endif
