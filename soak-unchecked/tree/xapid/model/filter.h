/* The filter language of get_all_records_where: true, false, field "f" = "v", and, or, not, ( ).
 * Parsed once, then matched against rows.  Main loop only; pure.
 *
 * Either side of = is field "name" or "text"; there are no escapes in texts.  `and` and `or` bind
 * alike, from the left; `not` reaches as far to the right as it can: not a and b is not (a and b).
 * Values compare as text: true, false, 42, 1.5, the reference, the name of the enum,
 * 20240131T12:00:00Z,
 * ('a' 'b') for a set, (('k' 'v')) for a map; in these \ and ' are escaped by \. */
#ifndef XAPID_MODEL_FILTER_H
#define XAPID_MODEL_FILTER_H

#include "xapid/model/model.h"

#define FILTER_MAX_LENGTH 65536
#define FILTER_MAX_DEPTH 200

struct filter;

/* Any field of the class may be named: who may read its records may read every field of them, the
 * schema has no others (generate.py).  INVALID_VALUE ["expr", text] when malformed, too long, too
 * deep, or a field is unknown or internal. The text in the error is cut after 256 bytes. */
struct filter *filter_parse(const struct dm_class *cls, const char *text, GError **error);
void filter_free(struct filter *filter);
/* The row must exist and be of the filter's class; false otherwise. */
bool filter_matches(const struct filter *filter, const struct model *model, const char *ref);

#endif
