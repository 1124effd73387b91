/* How long a change takes to reach those who wait to hear of it.
 *
 * Changes are numbered from 1.  Each is timed from when its call was sent, and from when that was
 * answered, to when each subscriber knew.  A round begins with a line on the standard input,
 * "CHANGES PAUSE": so many changes, each so many milliseconds after the answer to the one before.
 * Its figures are a line of JSON on the standard output:
 *
 *     {"told": N, "bytes": B, "p50": S, "p99": S, "max": S, "after_p50": S, "after_p99": S} */
#ifndef XAPID_BENCH_TOLD_H
#define XAPID_BENCH_TOLD_H

#include <glib.h>
#include <stdbool.h>

struct told {
    GArray *sent, *answered; /* of double: when; by number */
    GArray *known;           /* of struct knowing */
    guint *newest;           /* the newest change that each subscriber knows */
    guint n_subscribers;
    guint behind; /* subscribers that do not know the newest change */
    gsize bytes;
};

struct knowing {
    guint change;
    double at;
};

void told_init(struct told *told, guint n_subscribers);
/* Reads how a round goes; false at the end of the input. */
bool told_round(guint *ret_changes, guint *ret_pause_ms);
/* The next change is sent now; returns its number. */
guint told_send(struct told *told);
void told_answer(struct told *told);
/* A subscriber knows this change now, and those before. */
void told_know(struct told *told, guint subscriber, guint change);
/* The end of a round: everybody knows all. */
void told_report(struct told *told);

#endif
