/* Selectors and filters; see select.h. */
#include "config.h"

#include "xtool/select.h"

#include <string.h>

#include "lib/error.h"
#include "xtool/print.h"
#include "xtool/value.h"

/* A condition, understood. */
struct condition {
    const struct field *field;
    const char *key; /* of a map, or NULL */
    bool contains;   /* of a set */
    bool fold;       /* without regard to case */
    const char *value;
};

/* The field of "map-key": the longest name of a map that `key` begins with. */
static const struct field *
old_form(const GPtrArray *fields, const char *key)
{
    const struct field *found = NULL;

    for (unsigned i = 0; i < fields->len; i++) {
        const struct field *field = fields->pdata[i];
        size_t length = strlen(field->name);
        if (field_is_map(field) && strncmp(field->name, key, length) == 0 && key[length] == '-' &&
            (!found || length > strlen(found->name)))
            found = field;
    }
    return found;
}

static bool
understand(const GPtrArray *fields, const char *key, const char *value, struct condition *ret,
           GError **error)
{
    const char *colon = strchr(key, ':');
    g_autofree char *name = colon ? g_strndup(key, (gsize)(colon - key)) : g_strdup(key);
    const struct field *field = field_find(fields, name);

    *ret = (struct condition){.field = field, .value = value};
    if (!field && !colon && (ret->field = old_form(fields, key))) {
        ret->key = key + strlen(ret->field->name) + 1;
    } else if (!field) {
        usage_set(error, "Unknown field '%s'.", name);
        return false;
    } else if (colon && field_is_map(field)) {
        ret->key = colon + 1;
    } else if (colon && field_is_set(field) && g_str_equal(colon + 1, "contains")) {
        ret->contains = true;
    } else if (colon) {
        usage_set(error, "%s is no map: its filter is %s=VALUE, or %s:contains=VALUE for a set.",
                  name, name, name);
        return false;
    }
    const struct dm_field *own = field_own(ret->field);
    ret->fold = g_str_equal(ret->field->name, "MAC") || (own && own->type->kind == DM_ENUM);
    return true;
}

static bool
equal(const struct condition *condition, const char *text)
{
    return condition->fold ? g_ascii_strcasecmp(text, condition->value) == 0
                           : g_str_equal(text, condition->value);
}

/* Looks into a map or a set. */
static bool
member_matches(const struct condition *condition, const struct shown *shown)
{
    bool map = shown->type->kind == DM_MAP;

    if (!map && shown->type->kind != DM_SET)
        return false;
    for (gsize i = 0; i < g_variant_n_children(shown->value); i++) {
        g_autoptr(GVariant) child = g_variant_get_child_value(shown->value, i);
        g_autoptr(GVariant) key = map ? g_variant_get_child_value(child, 0) : NULL;
        g_autoptr(GVariant) member =
            map ? g_variant_get_child_value(child, 1) : g_variant_ref(child);
        g_autofree char *name = map ? value_text(shown->type->key, key) : NULL;
        g_autofree char *text = value_text(shown->type->elem, member);
        if ((!map || g_str_equal(name, condition->key)) && equal(condition, text))
            return true;
    }
    return false;
}

static bool
matches(const struct condition *condition, struct objects *objects, const struct object *object,
        bool *ret, GError **error)
{
    g_auto(shown_owned) shown = {NULL, NULL};

    if (!field_value(condition->field, objects, object, true, &shown, error))
        return false;
    if (condition->key || condition->contains) {
        *ret = shown.value && member_matches(condition, &shown);
        return true;
    }
    g_autofree char *text =
        shown.value ? value_text(shown.type, shown.value) : g_strdup(NOT_IN_DATABASE);
    *ret = equal(condition, text);
    return true;
}

bool
select_filter(GPtrArray *all, const GPtrArray *fields, struct objects *objects, const char *key,
              const char *value, GError **error)
{
    struct condition condition;
    unsigned kept = 0;

    if (!understand(fields, key, value, &condition, error))
        return false;
    for (unsigned i = 0; i < all->len; i++) {
        bool match;
        if (!matches(&condition, objects, all->pdata[i], &match, error))
            return false;
        if (match)
            all->pdata[kept++] = all->pdata[i];
    }
    g_ptr_array_set_size(all, (gint)kept);
    return true;
}

GPtrArray *
select_class(const struct xt_class *cls, const GPtrArray *fields, struct objects *objects,
             const char *name, GError **error)
{
    const struct dm_class *api = class_api(cls);
    g_autoptr(GPtrArray) all =
        name ? objects_called(objects, api, name, error) : objects_all(objects, api, error);

    for (unsigned i = 0; all && cls->filter[i]; i++) {
        g_auto(GStrv) pair = g_strsplit(cls->filter[i], "=", 2);
        if (!select_filter(all, fields, objects, pair[0], pair[1], error))
            return NULL;
    }
    return g_steal_pointer(&all);
}

/* True for an argument "config:a" when the command takes "config:". */
static bool
is_own(const char *const *const own[2], const char *key)
{
    const char *colon = strchr(key, ':');
    g_autofree char *map = colon ? g_strndup(key, (gsize)(colon - key) + 1) : NULL;

    for (int i = 0; i < 2; i++)
        if (g_strv_contains(own[i], key) || (map && g_strv_contains(own[i], map)))
            return true;
    return false;
}

static void
set_several(GError **error, const struct xt_class *cls, const GPtrArray *found)
{
    g_autoptr(GString) names = g_string_new(NULL);

    for (unsigned i = 0; i < found->len && i < 8; i++) {
        g_autofree char *name = text_printable(object_string(found->pdata[i], "name_label"));
        g_string_append_printf(names, "\n  %s  %s", object_string(found->pdata[i], "uuid"), name);
    }
    usage_set(error, "%u objects of class %s match: name one, or say --multiple.%s%s", found->len,
              cls->name, names->str, found->len > 8 ? "\n  ..." : "");
}

/* Hosts go by their hostname too. */
static bool
add_by_hostname(GPtrArray *found, struct objects *objects, const char *hostname, GError **error)
{
    g_autoptr(GPtrArray) all = objects_all(objects, dm_class_find("host", false), error);

    for (unsigned i = 0; all && i < all->len; i++)
        if (g_str_equal(object_string(all->pdata[i], "hostname"), hostname) &&
            !g_ptr_array_find(found, all->pdata[i], NULL))
            g_ptr_array_add(found, all->pdata[i]);
    return all;
}

GPtrArray *
select_objects(const struct xt_class *cls, struct objects *objects, struct args *args,
               const char *const *const own[2], bool multiple, GError **error)
{
    const char *name = args_get(args, cls->name), *uuid = args_get(args, "uuid");
    g_autoptr(GPtrArray) fields = fields_of(cls);
    g_autoptr(GPtrArray) found = select_class(cls, fields, objects, name ? name : uuid, error);
    bool asked = name || uuid;

    if (!found ||
        (g_str_equal(cls->name, "vm") &&
         !select_filter(found, fields, objects, "is-control-domain", "false", error)) ||
        (name && g_str_equal(cls->name, "host") && !add_by_hostname(found, objects, name, error)))
        return NULL;
    for (unsigned i = 0; i < args->list->len; i++) {
        struct arg *arg = args->list->pdata[i];
        if (args_is_standard(arg->key) || is_own(own, arg->key) || g_str_equal(arg->key, cls->name))
            continue;
        arg->used = asked = true;
        if (!select_filter(found, fields, objects, arg->key, arg->value, error))
            return NULL;
    }
    if (found->len == 0)
        usage_set(error,
                  asked ? "No object of class %s matches." : "There is no object of class %s.",
                  cls->name);
    else if (found->len > 1 && !multiple)
        set_several(error, cls, found);
    return found->len && (found->len == 1 || multiple) ? g_steal_pointer(&found) : NULL;
}
