/* The D-Bus side of the parent: org.xapid.Domains1 for the one peer that xapid-launch hands us.
 * Main loop only. */
#ifndef XAPID_DOMAINS_SERVICE_H
#define XAPID_DOMAINS_SERVICE_H

#include <glib.h>

#include "xapid/domains/pool.h"

struct service;

/* served () is called once, when the workers are up and what a predecessor left half done is gone;
 * failed () when they cannot start. */
struct service *service_new(const struct pool_options *options, void (*served)(void *data),
                            void (*failed)(const char *why, void *data), void *data);
void service_free(struct service *service);

/* A new peer (takes `fd`); the one before is dropped. */
void service_connect(struct service *service, int fd);

#endif
