/* Values as XAPI's database spells them: sets ('a' 'b'), maps (('key' 'value')), a backslash before
 * a quote or a backslash. */
#ifndef XAPID_MODEL_VALUE_TEXT_H
#define XAPID_MODEL_VALUE_TEXT_H

#include "lib/datamodel/datamodel.h"

/* The text that a filter compares a value with: whole seconds, floats of 12 digits.  The caller
 * frees. */
char *value_text(const struct dm_type *type, GVariant *value);
/* The same with floats of 17 digits, which is all of them. */
void value_text_append(GString *out, const struct dm_type *type, GVariant *value);

#endif
