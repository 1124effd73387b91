/* Records as they were when this run of xtool first read them, by class and reference. */
#ifndef XAPID_XTOOL_OBJECTS_H
#define XAPID_XTOOL_OBJECTS_H

#include <glib.h>
#include <stdbool.h>

#include "xtool/server.h"

struct objects;

struct object {
    const struct dm_class *cls;
    char *ref;
    GVariant *record; /* a{sv} */
};

/* Keeps a borrowed server. */
struct objects *objects_new(struct server *server);
void objects_free(struct objects *objects);
struct server *objects_server(struct objects *objects);

/* Everything of a class, in the order of names, then references: struct object, borrowed; the array
 * is the caller's. */
GPtrArray *objects_all(struct objects *objects, const struct dm_class *cls, GError **error);

/* One object, borrowed.  *ret is NULL when there is none (REF_NULL, or it is gone).  many: further
 * ones of the class will be asked for, so all are read at once where the API can do that. */
bool objects_get(struct objects *objects, const struct dm_class *cls, const char *ref, bool many,
                 const struct object **ret, GError **error);

/* The object with this uuid, or else all with this name; perhaps none.  As objects_all (). */
GPtrArray *objects_called(struct objects *objects, const struct dm_class *cls, const char *name,
                          GError **error);

/* The one of these; an error says when there is none
 * or when the name is not unique. */
const struct object *objects_named(struct objects *objects, const struct dm_class *cls,
                                   const char *name, GError **error);

/* Forgets all records of a class (after something changed). */
void objects_forget(struct objects *objects, const struct dm_class *cls);

/* The value of a field, a full reference; NULL when the record has none. */
GVariant *object_value(const struct object *object, const struct dm_field *field);
/* The text of a string field, "" where there is none; borrowed. */
const char *object_string(const struct object *object, const char *field);
bool object_bool(const struct object *object, const char *field);

#endif
