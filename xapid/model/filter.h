/* The filter language of get_all_records_where: true, false, field "f" = "v", and, or, not, ( ).
 * Parsed once, then matched against rows.  Main loop only; pure. */
#ifndef XAPID_MODEL_FILTER_H
#define XAPID_MODEL_FILTER_H

#include "xapid/model/model.h"

#define FILTER_MAX_LENGTH 65536
#define FILTER_MAX_DEPTH 200

struct filter;

/* INVALID_VALUE ["expr", text] when malformed, too long, too deep, or a field is unknown. */
struct filter *filter_parse(const struct dm_class *cls, const char *text, GError **error);
void filter_free(struct filter *filter);
bool filter_matches(const struct filter *filter, const struct model *model, const char *ref);

#endif
