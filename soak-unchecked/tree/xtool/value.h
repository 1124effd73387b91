/* Values of the data model as text in xe's form, and back. */
#ifndef XAPID_XTOOL_VALUE_H
#define XAPID_XTOOL_VALUE_H

#include <glib.h>
#include <stdbool.h>

#include "lib/datamodel/datamodel.h"

#define NOT_IN_DATABASE "<not in database>" /* a reference to nothing */

/* The text of a value; a set joined by "; ", a map as "k: v; k: v".  References stand as they are,
 * REF_NULL as NOT_IN_DATABASE. */
char *value_text(const struct dm_type *type, GVariant *value);
/* A value of `type` from text: whole numbers also with KiB, MiB, GiB or TiB, sets separated by
 * commas.  A full reference, or NULL with a usage error that names `what`.  Not for references. */
GVariant *value_parse(const struct dm_type *type, const char *text, const char *what,
                      GError **error);
/* "running" for Running and so on: enums that xe spells in another way. */
const char *enum_text(const struct dm_enum *en, const char *value);

#endif
