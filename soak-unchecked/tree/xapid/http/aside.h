/* Work aside: pure functions on large input run in a few threads, and end on the main loop. */
#ifndef XAPID_HTTP_ASIDE_H
#define XAPID_HTTP_ASIDE_H

#include <glib.h>

#define ASIDE_THREADS 2

struct aside;

/* For each job work () runs in a thread, then done () in the main context that was the default
 * here.  Jobs queue without a limit of their own: their bodies count in
 * http_limits.max_bodies_total. */
struct aside *aside_new(void (*work)(void *job), void (*done)(void *job));
void aside_push(struct aside *aside, void *job);
/* Waits for work () that runs; jobs that have not begun skip it.  done () is called for every job
 * before this returns. */
void aside_free(struct aside *aside);

#endif
