/* Clients that do one thing again and again, each in a thread with a connection of its own, and
 * what that takes them.
 *
 * A round begins with a line on the standard input, the number of calls of each client; its figures
 * are a line of JSON on the standard output.  Connections stay open from round to round, until the
 * input ends:
 *
 *     {"seconds": S, "calls": N, "bytes": B, "p50": S, "p95": S, "p99": S, "max": S} */
#ifndef XAPID_BENCH_LOAD_H
#define XAPID_BENCH_LOAD_H

#include <glib.h>
#include <stdbool.h>

struct load {
    /* A connection of the client of this number, on its thread. */
    void *(*open)(guint client);
    /* Call number `turn` of that client, counted from 0 over all rounds.  Returns the bytes that
     * came back, where they are known.  Ends the program when it fails. */
    gsize (*call)(void *connection, guint turn);
};

/* Returns the program's exit status. */
int load_run(const struct load *load, guint clients);

/* Seconds of a clock that only goes forward. */
double load_now(void);
/* What lies at this part (0 to 1) of the sorted times. */
double load_quantile(const GArray *sorted, double part);
/* Sorts times (of double). */
void load_sort(GArray *times);

#endif
