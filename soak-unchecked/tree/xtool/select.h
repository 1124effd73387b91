/* Which objects a command means: filters on fields, names, uuids. */
#ifndef XAPID_XTOOL_SELECT_H
#define XAPID_XTOOL_SELECT_H

#include <glib.h>
#include <stdbool.h>

#include "xtool/args.h"
#include "xtool/fields.h"

/* Takes out of `all` (struct object) what does not match one condition on its fields:
 *   field=value   map:key=value (or map-key=value)   set:contains=value
 * A value is compared to what xe would print; enums and MACs without regard to case. */
bool select_filter(GPtrArray *all, const GPtrArray *fields, struct objects *objects,
                   const char *key, const char *value, GError **error);

/* All objects of a class, or those with this uuid or name, that its default filter lets through. */
GPtrArray *select_class(const struct xt_class *cls, const GPtrArray *fields,
                        struct objects *objects, const char *name, GError **error);

/* What a command with a selector works on: vm=NAME-OR-UUID (or host=, sr=), uuid=, and each
 * argument that is not in `own` (the command's arguments) as a filter.  Without any, all are meant.
 * Nothing found is an error, and so are several without `multiple`. */
GPtrArray *select_objects(const struct xt_class *cls, struct objects *objects, struct args *args,
                          const char *const *const own[2], bool multiple, GError **error);

#endif
