/* Random values of the data model's types, for round trips. */
#ifndef XAPID_TESTS_RANDOM_VALUE_H
#define XAPID_TESTS_RANDOM_VALUE_H

#include <glib.h>

#include "lib/datamodel/datamodel.h"

/* A valid value of `type`, as a codec keeps it: whole seconds, floats of 15 digits, no carriage
 * returns (XML readers turn them into line ends).  A full reference. */
GVariant *random_value(GRand *random, const struct dm_type *type);
/* Any text that XML allows, mostly short; sometimes empty, blank or full of markup. */
char *random_text(GRand *random);

#endif
