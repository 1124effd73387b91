/* Values as text that says all of them, and back. */
#ifndef XAPID_DUMP_VALUE_H
#define XAPID_DUMP_VALUE_H

#include "lib/datamodel/datamodel.h"

void dump_value_append(GString *out, const struct dm_type *type, GVariant *value);
/* A full reference; NULL: the text is no value of the type, to the letter. */
GVariant *dump_value(const struct dm_type *type, const char *text);

#endif
