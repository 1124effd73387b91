/* Device models of guests of ours, whether they are still there.  libxl does not tell when one
 * ends, and its guest then stands still: disks and devices answer no more.  Such a guest is made a
 * crashed one, so that what its record wants after a crash happens.
 *
 * For the events process; every call returns at once. */
#ifndef XAPID_DOMAINS_LIBXL_MODEL_WATCH_H
#define XAPID_DOMAINS_LIBXL_MODEL_WATCH_H

#include <stdbool.h>

#include "xapid/domains/libxl-internal.h"

struct model_watch;

/* Uses the xenstore connection of `ctx`, whose watches the caller reads; NULL with errno. */
struct model_watch *model_watch_new(struct backend_ctx *ctx);
void model_watch_free(struct model_watch *watch);
/* A domain that was not there before, and one that has gone. */
void model_watch_add(struct model_watch *watch, int domid);
void model_watch_remove(struct model_watch *watch, int domid);
/* Is `token` one of ours?  If so, it is dealt with. */
bool model_watch_heed(struct model_watch *watch, const char *token);
/* What to poll for reading, and for how long (ms; -1: for ever); then call model_watch_run (). */
int model_watch_fd(const struct model_watch *watch);
int model_watch_timeout(const struct model_watch *watch);
void model_watch_run(struct model_watch *watch);

#endif
