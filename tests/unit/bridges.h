/* Bridges and interfaces as tests of them ask; whatever fails ends the test. */
#ifndef TESTS_UNIT_BRIDGES_H
#define TESTS_UNIT_BRIDGES_H

#include "lib/link.h"
#include "xapid/host/bridge.h"

/* The outcome; static. */
const char *bridge_ensured(const struct bridge *bridge);
/* Was there one, of ours? */
bool bridge_removed(const char *name);
/* It must be there. */
struct link link_found(const char *name);

#endif
