/* The fields of a class as xe has them: the API's own with - for _, and those of the schema. */
#ifndef XAPID_XTOOL_FIELDS_H
#define XAPID_XTOOL_FIELDS_H

#include <glib.h>
#include <stdbool.h>

#include "xtool/objects.h"
#include "xtool/tables.h"

#define FIELD_PATH_MAX 4

struct field {
    char *name;
    const struct dm_field *path[FIELD_PATH_MAX]; /* from the object through references */
    unsigned n_path;
    const struct dm_message *call; /* instead of a path: a message of the object */
    bool hidden, deprecated;
};

/* xe's class of that name, or NULL. */
const struct xt_class *class_find(const char *name);
/* xe's class for one of the API, the first one (vm, not template), or NULL. */
const struct xt_class *class_of_api(const struct dm_class *cls);
/* The API's class. */
const struct dm_class *class_api(const struct xt_class *cls);

/* All fields: struct field; first the columns of CLASS-list, in that order, then the rest. */
GPtrArray *fields_of(const struct xt_class *cls);
/* By name, as it is or without regard to case; NULL when there is none. */
const struct field *field_find(const GPtrArray *fields, const char *name);

/* The field of the API that is changed by this one, or NULL. */
const struct dm_field *field_own(const struct field *field);
/* Messages that change it, NULL where there are none. */
const struct dm_message *field_setter(const struct field *field);
const struct dm_message *field_adder(const struct field *field);
const struct dm_message *field_remover(const struct field *field);
bool field_is_set(const struct field *field); /* shown as one, current-operations too */
bool field_is_map(const struct field *field);
/* "( RO)", "(MRW)" ... */
const char *field_mark(const struct field *field);

/* A value with every reference in it replaced by a uuid; value NULL: there is none. */
struct shown {
    const struct dm_type *type;
    GVariant *value;
};
void shown_clear(struct shown *shown);
typedef struct shown shown_owned;
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(shown_owned, shown_clear)

/* The field's value for an object.  many: it is one of a list. */
bool field_value(const struct field *field, struct objects *objects, const struct object *object,
                 bool many, struct shown *ret, GError **error);
/* Its text in xe's form, the caller's; NULL on error. */
char *field_text(const struct field *field, struct objects *objects, const struct object *object,
                 bool many, GError **error);

#endif
