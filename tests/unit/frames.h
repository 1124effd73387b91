/* Ethernet frames of a test's own, from one interface to another; whatever fails ends the test. */
#ifndef TESTS_UNIT_FRAMES_H
#define TESTS_UNIT_FRAMES_H

#include <stdbool.h>

#include "lib/bridge-name.h"

/* Frames that are sent from one interface, with that tag (VLAN_NONE: none), come to the other, with
 * that tag: waits for it. */
void frames_assert_pass(const char *from, int from_tag, const char *to, int to_tag);
/* No frame from the first comes to `to`, while those to `witness`, which must hear it, do. */
void frames_assert_stop(const char *from, int from_tag, const char *to, const char *witness,
                        int witness_tag);

#endif
