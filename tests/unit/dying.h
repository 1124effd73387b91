/* What ends in between, as tests of that do it; whatever fails ends the test. */
#ifndef TESTS_UNIT_DYING_H
#define TESTS_UNIT_DYING_H

#include <stdbool.h>

/* A child that acts, and ends or fails at the fault point, which must be reached: "NAME=kill" or
 * "NAME=error".  act: false, it failed. */
void dies_at(const char *fault, bool (*act)(void *data), void *data);

#endif
