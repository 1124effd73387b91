/* Fields by xe's names, derived from the data model; see fields.h. */
#include "config.h"

#include "xtool/fields.h"

#include <string.h>

#include "xtool/value.h"

#define FEW 4 /* references that are read one by one; more: the class as a whole */

const struct xt_class *
class_find(const char *name)
{
    for (unsigned i = 0; i < xt_n_classes; i++)
        if (g_str_equal(xt_classes[i].name, name))
            return &xt_classes[i];
    return NULL;
}

const struct xt_class *
class_of_api(const struct dm_class *cls)
{
    for (unsigned i = 0; i < xt_n_classes; i++)
        if (g_str_equal(xt_classes[i].api_class, cls->name))
            return &xt_classes[i];
    return NULL;
}

const struct dm_class *
class_api(const struct xt_class *cls)
{
    return dm_class_find(cls->api_class, false);
}

/* ---- the list of fields ---- */

static void
field_free(void *data)
{
    struct field *field = data;

    g_free(field->name);
    g_free(field);
}

/* The class behind a reference or a set of references. */
static const struct dm_class *
target_of(const struct dm_type *type)
{
    const struct dm_type *ref = type->kind == DM_SET ? type->elem : type;

    return ref->kind == DM_REF ? ref->cls : NULL;
}

/* The schema was checked by a test: a source that does not resolve is a mistake in it. */
static struct field *
field_from_source(const struct xt_class *cls, const struct xt_source *source)
{
    struct field *field = g_new0(struct field, 1);
    const struct dm_class *at = class_api(cls);
    g_auto(GStrv) steps = g_strsplit(source->path, ".", -1);

    field->name = g_strdup(source->name);
    if (g_str_has_suffix(source->path, "()")) {
        g_autofree char *message = g_strndup(source->path, strlen(source->path) - 2);
        field->call = dm_message_find(at, message);
        if (!field->call)
            g_error("schema: %s has no message %s", at->name, message);
        return field;
    }
    for (unsigned i = 0; steps[i]; i++) {
        const struct dm_field *step = at ? dm_field_find(at, steps[i]) : NULL;
        if (!step || field->n_path == FIELD_PATH_MAX)
            g_error("schema: %s: cannot follow %s", cls->name, source->path);
        field->path[field->n_path++] = step;
        at = target_of(step->type);
    }
    return field;
}

static bool
is_shown_otherwise(const struct xt_class *cls, const struct dm_field *own)
{
    for (const struct xt_source *source = cls->fields; source->name; source++)
        if (g_str_equal(source->path, own->name))
            return true;
    return false;
}

static struct field *
field_from_api(const struct dm_field *own)
{
    struct field *field = g_new0(struct field, 1);

    field->name = g_strdelimit(g_strdup(own->name), "_", '-');
    field->path[field->n_path++] = own;
    return field;
}

static unsigned
position(const char *const *names, const char *name)
{
    unsigned i = 0;

    while (names[i] && !g_str_equal(names[i], name))
        i++;
    return i;
}

static int
compare_positions(const void *a, const void *b, void *columns)
{
    const struct field *const *left = a, *const *right = b;

    return (int)position(columns, (*left)->name) - (int)position(columns, (*right)->name);
}

GPtrArray *
fields_of(const struct xt_class *cls)
{
    GPtrArray *fields = g_ptr_array_new_with_free_func(field_free);
    const struct dm_class *api = class_api(cls);

    for (unsigned i = 0; i < api->n_fields; i++) {
        const struct dm_field *own = &api->fields[i];
        if (!own->internal_only && own->lifecycle != DM_REMOVED && !is_shown_otherwise(cls, own))
            g_ptr_array_add(fields, field_from_api(own));
    }
    for (const struct xt_source *source = cls->fields; source->name; source++)
        g_ptr_array_add(fields, field_from_source(cls, source));
    for (unsigned i = 0; i < fields->len; i++) {
        struct field *field = fields->pdata[i];
        field->hidden = g_strv_contains(cls->hidden, field->name);
        field->deprecated = g_strv_contains(cls->deprecated, field->name);
    }
    /* Stable, so that the rest stays in the model's order. */
    g_ptr_array_sort_with_data(fields, compare_positions, (void *)cls->columns);
    return fields;
}

const struct field *
field_find(const GPtrArray *fields, const char *name)
{
    const struct field *other_case = NULL;

    for (unsigned i = 0; i < fields->len; i++) {
        const struct field *field = fields->pdata[i];
        if (g_str_equal(field->name, name))
            return field;
        if (g_ascii_strcasecmp(field->name, name) == 0)
            other_case = field;
    }
    return other_case;
}

/* ---- what can be done with one ---- */

const struct dm_field *
field_own(const struct field *field)
{
    return field->n_path == 1 ? field->path[0] : NULL;
}

/* The message PREFIX + the field's name with `n_params` parameters, when users may call it. */
static const struct dm_message *
changer(const struct field *field, const char *prefix, unsigned n_params)
{
    const struct dm_field *own = field_own(field);

    if (!own)
        return NULL;
    g_autofree char *name = g_strconcat(prefix, own->name, NULL);
    const struct dm_message *message = dm_message_find(own->cls, name);
    return message && message->n_params == n_params && message->lifecycle != DM_REMOVED &&
                   !message->pool_internal && message->min_role != DM_ROLE_LOCAL_ROOT
               ? message
               : NULL;
}

const struct dm_message *
field_setter(const struct field *field)
{
    return changer(field, "set_", 2);
}

const struct dm_message *
field_adder(const struct field *field)
{
    return field_is_map(field) ? changer(field, "add_to_", 3) : changer(field, "add_", 2);
}

const struct dm_message *
field_remover(const struct field *field)
{
    return field_is_map(field) ? changer(field, "remove_from_", 2) : changer(field, "remove_", 2);
}

/* current_operations is a map in the API; xe shows what is going on and not which task does it. */
static bool
is_operations(const struct field *field)
{
    return field->n_path == 1 && g_str_equal(field->path[0]->name, "current_operations");
}

static const struct dm_type *
last_type(const struct field *field)
{
    return field->call ? field->call->result : field->path[field->n_path - 1]->type;
}

/* True when a step before the last one goes to several objects. */
static bool
fans_out(const struct field *field)
{
    for (unsigned i = 0; i + 1 < field->n_path; i++)
        if (field->path[i]->type->kind == DM_SET)
            return true;
    return false;
}

bool
field_is_set(const struct field *field)
{
    return is_operations(field) || fans_out(field) || last_type(field)->kind == DM_SET;
}

bool
field_is_map(const struct field *field)
{
    return last_type(field)->kind == DM_MAP && !field_is_set(field);
}

const char *
field_mark(const struct field *field)
{
    if (field_is_map(field))
        return field_adder(field) ? "(MRW)" : "(MRO)";
    if (field_is_set(field))
        return field_adder(field) ? "(SRW)" : "(SRO)";
    return field_setter(field) ? "( RW)" : "( RO)";
}

/* ---- its value ---- */

void
shown_clear(struct shown *shown)
{
    g_clear_pointer(&shown->value, g_variant_unref);
}

/* A reference as a uuid: the same where the class has none.  NULL for nothing, without an error. */
static bool
uuid_of(struct objects *objects, const struct dm_class *cls, const char *ref, bool many,
        GVariant **ret, GError **error)
{
    const struct object *object = NULL;

    *ret = NULL;
    if (cls->in_database && cls->has_uuid) {
        if (!objects_get(objects, cls, ref, many, &object, error))
            return false;
        ref = object ? object_string(object, "uuid") : REF_NULL;
    }
    if (!g_str_equal(ref, REF_NULL))
        *ret = g_variant_ref_sink(g_variant_new_string(ref));
    return true;
}

/* The value with uuids for references; NULL for a reference to nothing. */
static bool
show(struct objects *objects, const struct dm_type *type, GVariant *value, bool many,
     GVariant **ret, GError **error)
{
    GVariantBuilder builder;
    bool map = type->kind == DM_MAP;

    if (type->kind == DM_REF)
        return uuid_of(objects, type->cls, g_variant_get_string(value, NULL), many, ret, error);
    if ((type->kind != DM_SET && !map) || type->elem->kind != DM_REF) {
        *ret = g_variant_ref(value);
        return true;
    }
    gsize n = g_variant_n_children(value);
    g_variant_builder_init(&builder, G_VARIANT_TYPE(type->gvariant));
    for (gsize i = 0; i < n; i++) {
        g_autoptr(GVariant) child = g_variant_get_child_value(value, i);
        g_autoptr(GVariant) ref = map ? g_variant_get_child_value(child, 1) : g_variant_ref(child);
        g_autoptr(GVariant) uuid = NULL;
        if (!uuid_of(objects, type->elem->cls, g_variant_get_string(ref, NULL), many || n > FEW,
                     &uuid, error)) {
            g_variant_builder_clear(&builder);
            return false;
        }
        if (!uuid)
            uuid = g_variant_ref_sink(g_variant_new_string(REF_NULL));
        if (map) {
            const char *key;
            g_variant_get_child(child, 0, "&s", &key);
            g_variant_builder_add(&builder, "{s@s}", key, uuid);
        } else {
            g_variant_builder_add_value(&builder, uuid);
        }
    }
    *ret = g_variant_ref_sink(g_variant_builder_end(&builder));
    return true;
}

static bool
call_value(const struct field *field, struct objects *objects, const struct object *object,
           struct shown *ret, GError **error)
{
    g_autoptr(GVariant) self = g_variant_ref_sink(g_variant_new_string(object->ref));
    g_autoptr(GVariant) value = server_call(objects_server(objects), field->call, &self, 1, error);

    ret->type = field->call->result;
    return value && show(objects, ret->type, value, false, &ret->value, error);
}

/* The objects that the steps before the last one lead to. */
static GPtrArray *
follow(const struct field *field, struct objects *objects, const struct object *object, bool many,
       GError **error)
{
    g_autoptr(GPtrArray) at = g_ptr_array_new();

    g_ptr_array_add(at, (void *)object);
    for (unsigned i = 0; i + 1 < field->n_path; i++) {
        const struct dm_field *step = field->path[i];
        g_autoptr(GPtrArray) next = g_ptr_array_new();
        for (unsigned j = 0; j < at->len; j++) {
            const struct object *from = at->pdata[j];
            g_autoptr(GVariant) value = object_value(from, step);
            gsize n = !value ? 0 : step->type->kind == DM_SET ? g_variant_n_children(value) : 1;
            for (gsize k = 0; k < n; k++) {
                const struct object *to = NULL;
                const char *ref = REF_NULL;
                if (step->type->kind == DM_SET)
                    g_variant_get_child(value, k, "&s", &ref);
                else
                    ref = g_variant_get_string(value, NULL);
                if (!objects_get(objects, target_of(step->type), ref, many || n > FEW, &to, error))
                    return NULL;
                if (to)
                    g_ptr_array_add(next, (void *)to);
            }
        }
        g_ptr_array_unref(at);
        at = g_steal_pointer(&next);
    }
    return g_steal_pointer(&at);
}

/* The texts of the last step, of several objects, as set<string>. */
static bool
fanned_value(const struct field *field, struct objects *objects, const GPtrArray *at, bool many,
             struct shown *ret, GError **error)
{
    const struct dm_field *last = field->path[field->n_path - 1];
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("as"));
    for (unsigned i = 0; i < at->len; i++) {
        const struct object *object = at->pdata[i];
        g_autoptr(GVariant) value = object_value(object, last);
        g_autoptr(GVariant) seen = NULL;
        if (value && !show(objects, last->type, value, many, &seen, error)) {
            g_variant_builder_clear(&builder);
            return false;
        }
        g_autofree char *text = seen ? value_text(last->type, seen) : g_strdup(NOT_IN_DATABASE);
        g_variant_builder_add(&builder, "s", text);
    }
    ret->type = dm_type_find("set<string>");
    ret->value = g_variant_ref_sink(g_variant_builder_end(&builder));
    return true;
}

/* What is going on, without the tasks. */
static void
operations_value(GVariant *map, const struct dm_type *type, struct shown *ret)
{
    GVariantBuilder builder;
    GVariantIter iter;
    const char *operation;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("as"));
    g_variant_iter_init(&iter, map);
    while (g_variant_iter_next(&iter, "{s&s}", NULL, &operation))
        g_variant_builder_add(&builder, "s", enum_text(type->elem->en, operation));
    ret->type = dm_type_find("set<string>");
    ret->value = g_variant_ref_sink(g_variant_builder_end(&builder));
}

bool
field_value(const struct field *field, struct objects *objects, const struct object *object,
            bool many, struct shown *ret, GError **error)
{
    *ret = (struct shown){.type = last_type(field)};
    if (field->call)
        return call_value(field, objects, object, ret, error);
    g_autoptr(GPtrArray) at = follow(field, objects, object, many, error);
    if (!at)
        return false;
    if (fans_out(field))
        return fanned_value(field, objects, at, many, ret, error);
    if (at->len == 0)
        return true;
    const struct object *owner = at->pdata[0];
    g_autoptr(GVariant) value = object_value(owner, field->path[field->n_path - 1]);
    if (!value)
        return true;
    if (is_operations(field)) {
        operations_value(value, ret->type, ret);
        return true;
    }
    return show(objects, ret->type, value, many, &ret->value, error);
}

char *
field_text(const struct field *field, struct objects *objects, const struct object *object,
           bool many, GError **error)
{
    g_auto(shown_owned) shown = {NULL, NULL};

    if (!field_value(field, objects, object, many, &shown, error))
        return NULL;
    return shown.value ? value_text(shown.type, shown.value) : g_strdup(NOT_IN_DATABASE);
}
