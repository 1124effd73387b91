/* Which messages of the XenAPI have code of their own in xapid, and which of them a test proves.
 *
 * tests/coverage.py makes the lists when the tree is built, from the tables of xapid/calls and from
 * the decorators of the tests. */
#ifndef XTOOL_COVERAGE_H
#define XTOOL_COVERAGE_H

#include <glib.h>
#include <stdbool.h>
#include <stdio.h>

/* Full names of messages, each list sorted and ending with NULL. */
extern const char *const coverage_registered[];
extern const char *const coverage_proven[];
extern const char *const coverage_xencenter[]; /* what these clients call */
extern const char *const coverage_xo[];

/* Prints a line a class that has custom messages (how many there are, are registered, are proven)
 * and the line "total: N/M proven, K registered".  client "xencenter" or "xo": a line for each
 * method that it calls, and their counts; NULL: no client.  INVALID_VALUE for another one. */
bool coverage_print(FILE *out, const char *client, GError **error);

#endif
