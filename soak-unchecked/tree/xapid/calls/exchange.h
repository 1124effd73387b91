/* The client's side of a call, which dispatch.c opens and call.c answers. */
#ifndef XAPID_CALLS_EXCHANGE_H
#define XAPID_CALLS_EXCHANGE_H

#include "xapid/calls/call.h"

/* From api_call () until reply () was called.  A call that became
 * asynchronous outlives it. */
struct exchange {
    struct api *api;
    struct call *call; /* NULL once the call has ended or gone on without the client */
    bool entering;     /* still inside api_call () */
    bool replied;
    const struct dm_type *type;
    GError *error;
    GVariant *value;
    struct rows *rows; /* instead of a value */
    call_reply_fn reply;
    void *reply_data;
};

void exchange_free(struct exchange *exchange);
/* Takes error and value; they leave once everything that they can show is durable.  The call is not
 * the client's any more. */
void exchange_answer(struct exchange *exchange, const struct dm_type *type, GError *error,
                     GVariant *value);

#endif
