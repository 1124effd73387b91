/* Fields as members of records.  Most of a record's fields have their default, and the text of such
 * a member is made once. */
#ifndef XAPID_LIB_FIELD_TEXT_H
#define XAPID_LIB_FIELD_TEXT_H

#include "lib/datamodel/datamodel.h"

struct field_text;

/* Of one form of text; static and zero but for `encode`. */
struct field_texts {
    void (*encode)(GString *out, const struct dm_field *field, GVariant *value);
    gsize once;
    struct field_text **of; /* by field; those that were asked for */
};

/* As encode () does.  A default is known by its address: that of dm_field_default ().  Any thread.
 */
void field_text_append(struct field_texts *texts, GString *out, const struct dm_field *field,
                       GVariant *value);

#endif
