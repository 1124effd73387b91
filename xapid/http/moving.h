/* What requests have in common whose bytes another process moves: the client's task, refusals, the
 * connection that is given up, and the operation behind it.  Main loop only. */
#ifndef XAPID_HTTP_MOVING_H
#define XAPID_HTTP_MOVING_H

#include "xapid/calls/call.h"
#include "xapid/http/http.h"

/* In which a client takes no byte of an export; of an import it is body_read_seconds. */
#define EXPORT_SILENT_SECONDS 300

struct moving {
    struct api *api;
    struct http_request *request; /* NULL once it is answered, or the connection was taken */
    struct transfer transfer;
    char *task;                           /* the client's, a reference; NULL: one of ours is made */
    char *head;                           /* of the answer, without what each of them ends with */
    GBytes *first;                        /* what an export begins with, or NULL */
    struct relay *relay;                  /* of a connection over TLS, once it is taken */
    bool ends;                            /* the connection ends well when the operation has, and
                                             not when all has been moved */
    int kept;                             /* that connection, when it is without TLS; or -1 */
    unsigned status;                      /* of a refusal; 0: as the error says */
    void (*freed)(struct moving *moving); /* frees what it is a part of */
};

/* import: the client sends.  With a handle of its own. */
void moving_init(struct moving *moving, struct api *api, struct http_request *request, bool import,
                 void (*freed)(struct moving *moving));
/* TOO_BUSY when as many are under way as may be. */
bool moving_has_room(const struct moving *moving, GError **error);
/* Answers with the error (taken), has it in the client's task, and frees all. */
void moving_refuse(struct moving *moving, GError *error);
void moving_free(struct moving *moving);

/* INVALID_VALUE [name, value]. */
bool moving_invalid(GError **error, const char *name, const char *value);
/* "true" or "false" of the query. */
bool moving_read_flag(const struct moving *moving, const char *name, bool otherwise, bool *ret,
                      GError **error);
/* Routes are prefixes: is it this path, and no longer name?  Else 404. */
bool moving_is_at(struct moving *moving, const char *path, GError **error);
/* The row that the query names by a reference or a uuid, as clients send either; the caller's. */
bool moving_find(const struct moving *moving, const char *class, const char *name, char **ret,
                 GError **error);
/* The task that it names, if any. */
bool moving_find_task(struct moving *moving, const struct caller *caller, GError **error);
/* Reads the length of the body.  Does the client only ask whether it may?  Xen Orchestra does so
 * first, with the request that it is about to make but for task and body, and hangs up: nothing is
 * to be begun, or it would be in the way of what comes next. */
bool moving_read_length(struct moving *moving);
/* Answers that it may, and frees all. */
void moving_answer(struct moving *moving);
/* With a task of ours with that label, within txn, unless the client has named one; and what each
 * head ends with. */
bool moving_take_task(struct moving *moving, struct txn *txn, const struct caller *caller,
                      const char *label, GError **error);
/* Has the plan run (taken; NULL with an error: false) with that task; txn is taken. */
bool moving_submit(struct moving *moving, struct txn *txn, struct plan *plan, GError **error);
/* What was begun without a plan has ended so: its task and connection tell, and all is freed. */
void moving_fail(struct moving *moving, const GError *error);

#endif
