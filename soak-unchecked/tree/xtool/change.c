/* What CLASS-param-set, -add, -remove and -clear do to a field of an object. */
#include "config.h"

#include <string.h>

#include "xtool/value.h"
#include "xtool/xtool.h"

/* message (object, then one or two more values, which it takes when they are floating). */
static bool
make_change(struct xtool *x, const struct dm_message *message, const struct object *object,
            GVariant *first, GVariant *second, GError **error)
{
    g_autoptr(GVariant) self = g_variant_ref_sink(g_variant_new_string(object->ref));
    g_autoptr(GVariant) a = g_variant_ref_sink(first);
    g_autoptr(GVariant) b = second ? g_variant_ref_sink(second) : NULL;
    GVariant *params[] = {self, a, b};

    return call_message(x, message->full_name, params, b ? 3 : 2, error);
}

static void
set_read_only(GError **error, const struct field *field)
{
    usage_set(error, "%s is read-only.", field->name);
}

/* The map with a key set to a value. */
static GVariant *
map_with(const struct object *object, const struct dm_field *own, GVariant *key, GVariant *value)
{
    g_autoptr(GVariant) old = object_value(object, own);
    GVariantBuilder map;

    g_variant_builder_init(&map, G_VARIANT_TYPE(own->type->gvariant));
    for (gsize i = 0; old && i < g_variant_n_children(old); i++) {
        g_autoptr(GVariant) entry = g_variant_get_child_value(old, i);
        g_autoptr(GVariant) its_key = g_variant_get_child_value(entry, 0);
        if (!g_variant_equal(its_key, key))
            g_variant_builder_add_value(&map, entry);
    }
    g_variant_builder_add_value(&map, g_variant_new_dict_entry(key, value));
    return g_variant_builder_end(&map);
}

static bool
map_has(const struct object *object, const struct dm_field *own, const char *key)
{
    g_autoptr(GVariant) map = object_value(object, own);
    g_autoptr(GVariant) value = NULL;

    if (own->type->key->kind != DM_STRING)
        return false;
    value = map ? g_variant_lookup_value(map, key, NULL) : NULL;
    return value;
}

/* One key of a map: what was there is replaced. */
static bool
set_key(struct xtool *x, const struct field *field, const struct object *object, const char *key,
        const char *text, GError **error)
{
    const struct dm_message *adder = field_adder(field), *remover = field_remover(field);
    const struct dm_message *setter = field_setter(field);
    const struct dm_field *own = field_own(field);

    if ((!adder || !remover) && !setter) {
        set_read_only(error, field);
        return false;
    }
    g_autoptr(GVariant) name = argument_value(x->objects, own->type->key, key, field->name, error);
    g_autoptr(GVariant) value =
        name ? argument_value(x->objects, own->type->elem, text, key, error) : NULL;
    if (!value)
        return false;
    bool ok;
    if (adder && remover)
        ok = (!map_has(object, own, key) || make_change(x, remover, object, name, NULL, error)) &&
             make_change(x, adder, object, name, value, error);
    else
        ok = make_change(x, setter, object, map_with(object, own, name, value), NULL, error);
    return ok;
}

static bool
set_whole(struct xtool *x, const struct field *field, const struct object *object, const char *text,
          GError **error)
{
    const struct dm_message *setter = field_setter(field);

    if (!setter) {
        set_read_only(error, field);
        return false;
    }
    if (field_is_map(field)) {
        usage_set(error, "%s is a map: %s:KEY=VALUE.", field->name, field->name);
        return false;
    }
    g_autoptr(GVariant) value =
        argument_value(x->objects, setter->params[1].type, text, field->name, error);
    return value && make_change(x, setter, object, value, NULL, error);
}

bool
change_set(struct xtool *x, const struct xt_class *cls, const GPtrArray *fields,
           const struct object *object, GError **error)
{
    for (unsigned i = 0; i < x->args->list->len; i++) {
        const struct arg *arg = x->args->list->pdata[i];
        const char *colon = strchr(arg->key, ':');
        if (args_is_standard(arg->key) || g_str_equal(arg->key, "uuid"))
            continue;
        g_autofree char *name =
            colon ? g_strndup(arg->key, (gsize)(colon - arg->key)) : g_strdup(arg->key);
        const struct field *field = field_find(fields, name);
        if (!field) {
            usage_set(error, "Unknown field '%s'.", name);
            return false;
        }
        if (colon && !field_is_map(field)) {
            usage_set(error, "%s is no map.", name);
            return false;
        }
        if (colon ? !set_key(x, field, object, colon + 1, arg->value, error)
                  : !set_whole(x, field, object, arg->value, error))
            return false;
        /* The next key of the same map adds to what is there now. */
        g_autofree char *uuid = g_strdup(object_string(object, "uuid"));
        objects_forget(x->objects, class_api(cls));
        object = objects_named(x->objects, class_api(cls), uuid, error);
        if (!object)
            return false;
    }
    return true;
}

bool
change_add(struct xtool *x, const struct field *field, const struct object *object, GError **error)
{
    const struct dm_message *adder = field_adder(field);
    const struct dm_field *own = field_own(field);
    const char *member = args_get(x->args, "param-key");
    bool any = false;

    if (!field_is_set(field) && !field_is_map(field)) {
        usage_set(error, "%s is neither a set nor a map.", field->name);
        return false;
    }
    if (!adder) {
        set_read_only(error, field);
        return false;
    }
    if (field_is_set(field)) {
        if (!member) {
            usage_set(error, "%s is a set: param-key=MEMBER says what to add.", field->name);
            return false;
        }
        g_autoptr(GVariant) value =
            argument_value(x->objects, adder->params[1].type, member, field->name, error);
        return xtool_check_unused(x, error) && value &&
               make_change(x, adder, object, value, NULL, error);
    }
    for (unsigned i = 0; i < x->args->list->len; i++) {
        struct arg *arg = x->args->list->pdata[i];
        if (arg->used || args_is_standard(arg->key))
            continue;
        g_autoptr(GVariant) key =
            argument_value(x->objects, own->type->key, arg->key, field->name, error);
        g_autoptr(GVariant) value =
            key ? argument_value(x->objects, own->type->elem, arg->value, arg->key, error) : NULL;
        if (!value || !make_change(x, adder, object, key, value, error))
            return false;
        any = true;
    }
    if (!any)
        usage_set(error, "%s is a map: KEY=VALUE says what to add.", field->name);
    return any;
}

/* True when the set or map has the member or key. */
static bool
has_member(struct xtool *x, const struct field *field, const struct object *object,
           const char *member)
{
    g_auto(shown_owned) shown = {NULL, NULL};

    if (!field_value(field, x->objects, object, false, &shown, NULL) || !shown.value)
        return false;
    for (gsize i = 0; i < g_variant_n_children(shown.value); i++) {
        g_autoptr(GVariant) child = g_variant_get_child_value(shown.value, i);
        g_autoptr(GVariant) key =
            shown.type->kind == DM_MAP ? g_variant_get_child_value(child, 0) : g_variant_ref(child);
        g_autofree char *text =
            value_text(shown.type->kind == DM_MAP ? shown.type->key : shown.type->elem, key);
        if (g_str_equal(text, member))
            return true;
    }
    return false;
}

bool
change_remove(struct xtool *x, const struct field *field, const struct object *object,
              GError **error)
{
    const struct dm_message *remover = field_remover(field);
    const char *member = args_get(x->args, "param-key");

    if (!member || !xtool_check_unused(x, error)) {
        if (!member)
            usage_set(error, "param-key= is missing.");
        return false;
    }
    if (!remover) {
        set_read_only(error, field);
        return false;
    }
    if (!has_member(x, field, object, member)) {
        g_set_error(error, FAILED_ERROR, 0, "'%s' is not in %s.", member, field->name);
        return false;
    }
    g_autoptr(GVariant) key =
        argument_value(x->objects, remover->params[1].type, member, field->name, error);
    return key && make_change(x, remover, object, key, NULL, error);
}

bool
change_clear(struct xtool *x, const struct field *field, const struct object *object,
             GError **error)
{
    const struct dm_message *setter = field_setter(field);
    const struct dm_message *remover = field_remover(field);
    const struct dm_field *own = field_own(field);

    if (!xtool_check_unused(x, error))
        return false;
    if (setter) {
        const struct dm_type *type = setter->params[1].type;
        if (type->kind == DM_BOOL || type->kind == DM_INT || type->kind == DM_FLOAT ||
            type->kind == DM_ENUM || type->kind == DM_DATETIME) {
            usage_set(error, "%s cannot be empty: set it to a value.", field->name);
            return false;
        }
        g_autoptr(GVariant) empty = dm_type_empty(type);
        return make_change(x, setter, object, empty, NULL, error);
    }
    if (!remover) {
        set_read_only(error, field);
        return false;
    }
    g_autoptr(GVariant) all = object_value(object, own);
    for (gsize i = 0; all && i < g_variant_n_children(all); i++) {
        g_autoptr(GVariant) child = g_variant_get_child_value(all, i);
        g_autoptr(GVariant) member =
            field_is_map(field) ? g_variant_get_child_value(child, 0) : g_variant_ref(child);
        if (!make_change(x, remover, object, member, NULL, error))
            return false;
    }
    return true;
}
