/* The processes that touch the hypervisor, on descriptors CHILD_*_FD (domains.h).  Neither has a
 * main loop, and both end when the parent does. */
#ifndef XAPID_DOMAINS_WORKER_H
#define XAPID_DOMAINS_WORKER_H

#include "xapid/domains/backend.h"

struct child_options {
    const struct backend *backend;
    struct backend_options backend_options;
    const char *run_dir, *state_dir;
    const char *disks; /* folder of the disks' handles */
};

/* One request after the other until the socket closes.  Returns the exit status. */
int worker_main(const struct child_options *options);

/* Tells the parent which domains need a look.  Returns the exit status. */
int events_main(const struct child_options *options);

/* Has the kernel end this process with its parent, and names it. */
void child_prepare(const char *name);

#endif
