/* What is done about libxl's known hiccups: how often something is asked again, and how long is
 * waited for what libxl does not wait for.  Workers only; the calls block.
 *
 * libxl gives a device model 60 s to start, a hotplug program 40 s, a domain 10 s to be taken
 * apart, and on a busy host one that is late may come the next time.  A domain that was destroyed
 * may still be dying: its memory is on its way back, and what follows at once may fail for that. */
#ifndef XAPID_DOMAINS_RETRY_H
#define XAPID_DOMAINS_RETRY_H

#include "xapid/domains/verbs.h"

#define RETRY_BUILDS 1 /* more, when libxl's time for one was over */
#define RETRY_BUILD_PAUSE_MS 2000
#define RETRY_DESTROYS 2
#define RETRY_DESTROY_PAUSE_MS 500
#define RETRY_DEATH_WAIT_MS 10000 /* longer dies what somebody still maps, perhaps never */
#define RETRY_DEATH_LOOK_MS 20

/* After a call of the backend that failed with *error: is it to be made again?  When it timed out
 * (which the backend tells once), *left allows for it and nobody has aborted: waits, counts down,
 * clears *error. */
bool retry_again(struct verbs *v, const char *what, bool timed_out, int *left, int pause_ms,
                 GError **error);
/* Waits until a domain that was destroyed is no more. */
void retry_wait_gone(struct verbs *v, const char *uuid, int domid);

#endif
