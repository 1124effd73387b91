/* The parent's child processes: workers that run requests, one at a time each, and the events
 * process.  A child that does not answer in time is killed, one that ends is replaced; both end the
 * request it had as lost.  Main loop only. */
#ifndef XAPID_DOMAINS_POOL_H
#define XAPID_DOMAINS_POOL_H

#include <glib.h>
#include <stdbool.h>

struct pool;
struct request;

struct pool_options {
    const char *program;      /* of the children: our own executable */
    const char *const *flags; /* passed on to them, NULL terminated */
    const char *run_dir; /* working directory of xs-guestd until it has none; NULL: no guests are
                            watched */
    int workers;         /* that run operations; one more answers questions */
    int lock_fd;         /* inherited by each child */
    int timeout_s;       /* of every request, for tests; 0: each verb's own */
};

/* Which worker may take it: questions never wait behind operations. */
enum request_kind { REQUEST_OPERATION, REQUEST_RECOVERY, REQUEST_QUESTION };

/* Called once.  `lost`: the worker died or was killed before it answered (then `parts` is NULL,
 * and the domain needs recovery).  `error` is "as", empty on success; parts are a{sv}. */
typedef void (*request_done_fn)(bool lost, GVariant *error, GPtrArray *parts, void *data);

/* changed () takes each event; failed () says that the first children could not start; hanging ()
 * that what hangs is other than before, see pool_hanging (). */
struct pool *pool_new(const struct pool_options *options, void (*ready)(void *data),
                      void (*changed)(const char *uuid, void *data), void (*hanging)(void *data),
                      void (*failed)(const char *why, void *data), void *data);
/* Kills the children; requests that were not answered are dropped without a call. */
void pool_free(struct pool *pool);

/* All strings and `args` are copied or referenced.  The request is good until `done`. */
struct request *pool_submit(struct pool *pool, enum request_kind kind, const char *verb,
                            const char *uuid, const char *op_id, GVariant *args,
                            request_done_fn done, void *data);
/* "VERB of UUID" of each worker that has been silent for WORKER_HANGS_S, NULL terminated: the
 * caller's. */
char **pool_hanging(const struct pool *pool);
/* One that waits ends at once with TASK_CANCELLED; one that runs is asked to end. */
void pool_abort(struct pool *pool, struct request *request);

#endif
