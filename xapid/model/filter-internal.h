/* Between filter.c and value-text.c. */
#ifndef XAPID_MODEL_FILTER_INTERNAL_H
#define XAPID_MODEL_FILTER_INTERNAL_H

#include "lib/datamodel/datamodel.h"

/* The text that a filter compares a value with. */
char *value_text(const struct dm_type *type, GVariant *value);

#endif
