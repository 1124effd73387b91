/* The guests process: copies what guests write into xenstore to xs-guestd. */
#ifndef XAPID_DOMAINS_GUEST_WATCH_H
#define XAPID_DOMAINS_GUEST_WATCH_H

#include "xapid/domains/worker.h"

/* Its descriptors. */
#define GUESTS_LOOK_FD 3 /* SOCK_SEQPACKET from the parent: domains that changed */
#define GUESTS_KEYS_FD 4 /* SOCK_SEQPACKET to xs-guestd */

/* A guest is copied at most once in this time; twice as long each time it wrote more often than is
 * listened to, up to the maximum. */
#define GUEST_INTERVAL_MS 1000
#define GUEST_INTERVAL_MAX_MS 8000
#define GUEST_SETTLE_MS 50   /* from a first write to its copy: agents write several keys */
#define GUEST_WRITES_MAX 128 /* between two copies; then nobody listens until the next */
#define GUEST_SEND_S 10      /* that xs-guestd has to take a packet */

/* A domain that is there and not ours may still be being built: looked at again after this, ever
 * later, until no build lasts longer. */
#define GUEST_BUILD_LOOK_MS 250

/* Exit status of the process: success when the parent has gone. */
int guests_main(const struct child_options *options);

#endif
