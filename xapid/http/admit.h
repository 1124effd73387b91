/* Who may use an HTTP action that is no call of the API. */
#ifndef XAPID_HTTP_ADMIT_H
#define XAPID_HTTP_ADMIT_H

#include "xapid/calls/call.h"
#include "xapid/http/http.h"

/* caller: borrowed. */
typedef void (*admitted_fn)(struct http_request *request, const struct caller *caller, void *data);

/* The request shows a session (session_id in the query, or as a cookie), or a user and password
 * (basic), or comes from root over the unix socket; and its role has http/ACTION.  Then `admitted`
 * is called, now or later, and must reply.  Else it is answered: 401, or 403.  Nothing of the body
 * is looked at before.  Main loop only. */
void admit(struct api *api, struct http_request *request, const struct dm_http_action *action,
           admitted_fn admitted, void *data);
/* The same for what outlives its request.  session (taken) is that of a user who came with a
 * password: it goes on until admit_release (); NULL: whoever came ends his own. */
typedef void (*admitted_hold_fn)(struct http_request *request, const struct caller *caller,
                                 char *session, void *data);
void admit_hold(struct api *api, struct http_request *request, const struct dm_http_action *action,
                admitted_hold_fn admitted, void *data);
void admit_release(struct api *api, const char *session);
/* The action of the data model; it must be there. */
const struct dm_http_action *admit_action(const char *name);

#endif
