/* The records that were read; see objects.h. */
#include "config.h"

#include "xtool/objects.h"

#include <string.h>

#include "lib/error.h"

/* The objects of one class. */
struct table {
    GHashTable *by_ref; /* ref -> struct object; NULL: looked for and not there */
    bool whole;
};

struct objects {
    struct server *server;
    struct table *tables; /* dm_n_classes */
};

static void
object_free(void *data)
{
    struct object *object = data;

    if (!object)
        return;
    g_free(object->ref);
    g_variant_unref(object->record);
    g_free(object);
}

struct objects *
objects_new(struct server *server)
{
    struct objects *objects = g_new0(struct objects, 1);

    objects->server = server;
    objects->tables = g_new0(struct table, dm_n_classes);
    return objects;
}

void
objects_forget(struct objects *objects, const struct dm_class *cls)
{
    struct table *table = &objects->tables[cls->index];

    g_clear_pointer(&table->by_ref, g_hash_table_unref);
    table->whole = false;
}

void
objects_free(struct objects *objects)
{
    if (!objects)
        return;
    for (unsigned i = 0; i < dm_n_classes; i++)
        objects_forget(objects, &dm_classes[i]);
    g_free(objects->tables);
    g_free(objects);
}

struct server *
objects_server(struct objects *objects)
{
    return objects->server;
}

static struct table *
table_of(struct objects *objects, const struct dm_class *cls)
{
    struct table *table = &objects->tables[cls->index];

    if (!table->by_ref)
        table->by_ref = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, object_free);
    return table;
}

/* Takes the record.  An object that is there already stays, as others may hold it. */
static struct object *
table_add(struct table *table, const struct dm_class *cls, const char *ref, GVariant *record)
{
    struct object *object = g_hash_table_lookup(table->by_ref, ref);

    if (object) {
        g_variant_unref(record);
        return object;
    }
    object = g_new0(struct object, 1);
    object->cls = cls;
    object->ref = g_strdup(ref);
    object->record = record;
    g_hash_table_insert(table->by_ref, g_strdup(ref), object);
    return object;
}

static bool
load_all(struct objects *objects, const struct dm_class *cls, GError **error)
{
    struct table *table = table_of(objects, cls);
    const struct dm_message *message = dm_message_find(cls, "get_all_records");
    GVariantIter iter;
    const char *ref;
    GVariant *record;

    if (table->whole)
        return true;
    g_autoptr(GVariant) all = server_call(objects->server, message, NULL, 0, error);
    if (!all)
        return false;
    g_variant_iter_init(&iter, all);
    while (g_variant_iter_next(&iter, "{&s@a{sv}}", &ref, &record))
        table_add(table, cls, ref, record);
    table->whole = true;
    return true;
}

static int
compare_objects(const void *a, const void *b)
{
    const struct object *const *left = a, *const *right = b;
    int order = strcmp(object_string(*left, "name_label"), object_string(*right, "name_label"));

    return order ? order : strcmp((*left)->ref, (*right)->ref);
}

GPtrArray *
objects_all(struct objects *objects, const struct dm_class *cls, GError **error)
{
    GHashTableIter iter;
    void *object;

    if (!load_all(objects, cls, error))
        return NULL;
    GPtrArray *all = g_ptr_array_new();
    g_hash_table_iter_init(&iter, table_of(objects, cls)->by_ref);
    while (g_hash_table_iter_next(&iter, NULL, &object))
        if (object)
            g_ptr_array_add(all, object);
    g_ptr_array_sort(all, compare_objects);
    return all;
}

bool
objects_get(struct objects *objects, const struct dm_class *cls, const char *ref, bool many,
            const struct object **ret, GError **error)
{
    struct table *table = table_of(objects, cls);
    g_autoptr(GError) failure = NULL;
    void *found = NULL;

    if (many && cls->get_all_exposed && !g_str_equal(ref, REF_NULL) &&
        !load_all(objects, cls, error))
        return false;
    if (g_str_equal(ref, REF_NULL) ||
        g_hash_table_lookup_extended(table->by_ref, ref, NULL, &found)) {
        *ret = found;
        return true;
    }
    g_autoptr(GVariant) self = g_variant_ref_sink(g_variant_new_string(ref));
    GVariant *record =
        server_call(objects->server, dm_message_find(cls, "get_record"), &self, 1, &failure);
    if (record) {
        *ret = table_add(table, cls, ref, record);
        return true;
    }
    if (!api_error_is(failure, "HANDLE_INVALID")) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return false;
    }
    g_hash_table_insert(table->by_ref, g_strdup(ref), NULL);
    *ret = NULL;
    return true;
}

/* Adds the object with the uuid, if there is one. */
static bool
add_by_uuid(struct objects *objects, const struct dm_class *cls, const char *uuid, GPtrArray *out,
            GError **error)
{
    const struct object *object = NULL;
    g_autoptr(GError) failure = NULL;
    g_autoptr(GVariant) text = g_variant_ref_sink(g_variant_new_string(uuid));
    g_autoptr(GVariant) ref =
        server_call(objects->server, dm_message_find(cls, "get_by_uuid"), &text, 1, &failure);

    if (!ref && api_error_is(failure, "UUID_INVALID"))
        return true;
    if (!ref) {
        g_propagate_error(error, g_steal_pointer(&failure));
        return false;
    }
    if (!objects_get(objects, cls, g_variant_get_string(ref, NULL), false, &object, error))
        return false;
    if (object)
        g_ptr_array_add(out, (void *)object);
    return true;
}

/* Adds the objects with the name, where the class has names. */
static bool
add_by_name(struct objects *objects, const struct dm_class *cls, const char *name, GPtrArray *out,
            GError **error)
{
    const struct dm_message *message = dm_message_find(cls, "get_by_name_label");

    if (!message)
        return true;
    g_autoptr(GVariant) label = g_variant_ref_sink(g_variant_new_string(name));
    g_autoptr(GVariant) refs = server_call(objects->server, message, &label, 1, error);
    for (gsize i = 0; refs && i < g_variant_n_children(refs); i++) {
        const struct object *object = NULL;
        const char *ref;
        g_variant_get_child(refs, i, "&s", &ref);
        if (!objects_get(objects, cls, ref, false, &object, error))
            return false;
        if (object)
            g_ptr_array_add(out, (void *)object);
    }
    return refs;
}

GPtrArray *
objects_called(struct objects *objects, const struct dm_class *cls, const char *name,
               GError **error)
{
    g_autoptr(GPtrArray) found = g_ptr_array_new();

    if (!add_by_uuid(objects, cls, name, found, error) ||
        (found->len == 0 && !add_by_name(objects, cls, name, found, error)))
        return NULL;
    return g_steal_pointer(&found);
}

const struct object *
objects_named(struct objects *objects, const struct dm_class *cls, const char *name, GError **error)
{
    g_autoptr(GPtrArray) found = objects_called(objects, cls, name, error);

    if (!found)
        return NULL;
    if (found->len > 1)
        usage_set(error, "%u objects of class %s are called '%s': give a uuid.", found->len,
                  cls->name, name);
    else if (found->len == 0)
        api_error_set(error, "UUID_INVALID", cls->name, name, NULL);
    return found->len == 1 ? found->pdata[0] : NULL;
}

/* A record has its members in the model's order, and a whole one all of them: a look at the field's
 * own place mostly finds it. */
GVariant *
object_value(const struct object *object, const struct dm_field *field)
{
    unsigned place = 0;

    for (unsigned i = 0; i < field->index; i++)
        place += !field->cls->fields[i].internal_only;
    if (place < g_variant_n_children(object->record)) {
        g_autoptr(GVariant) entry = g_variant_get_child_value(object->record, place);
        g_autoptr(GVariant) key = g_variant_get_child_value(entry, 0);
        if (g_str_equal(g_variant_get_string(key, NULL), field->name)) {
            g_autoptr(GVariant) boxed = g_variant_get_child_value(entry, 1);
            return g_variant_get_variant(boxed);
        }
    }
    return g_variant_lookup_value(object->record, field->name, NULL);
}

const char *
object_string(const struct object *object, const char *field)
{
    const char *text = "";

    g_variant_lookup(object->record, field, "&s", &text);
    return text;
}

bool
object_bool(const struct object *object, const char *field)
{
    gboolean value = FALSE;

    g_variant_lookup(object->record, field, "b", &value);
    return value;
}
