/* What a guest writes, taken apart and put together again as a terminal is to see it: whole
 * sequences of what a text console needs, with numbers that are not absurd.  vterm (0.1.4) does
 * not end on some others: one that repeats a character of no width, for one.  One thread. */
#ifndef XAPID_TERMINAL_FILTER_H
#define XAPID_TERMINAL_FILTER_H

#include <glib.h>
#include <vterm.h>

#define FILTER_NUMBER_MAX 9999  /* in a sequence */
#define FILTER_REPEATS_MAX 1920 /* of a character: a screen */

struct filter;

/* Passes it on to `terminal`, which is borrowed. */
struct filter *filter_new(VTerm *terminal);
void filter_free(struct filter *filter);
void filter_write(struct filter *filter, const void *bytes, gsize length);

#endif
