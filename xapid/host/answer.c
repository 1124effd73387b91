#include "config.h"

#include "xapid/host/answer.h"

#include <stdbool.h>
#include <string.h>

#include "lib/error.h"
#include "lib/wire/jsonrpc.h"

/* members: what objects of a list may have. */
static const struct {
    const char *name;
    const char *type;
} members[] = {
    {"type", "s"},
    {"name_label", "s"},
    {"vendor", "s"},
    {"name_description", "s"},
    {"copyright", "s"},
    {"required_api_version", "s"},
    {"version", "s"},
    {"uuid", "s"},
    {"location", "s"},
    {"kind", "s"},
    {"path", "s"},
    {"format", "s"},
    {"bases", "as"},
    {"read_only", "b"},
    {"disks", "as"},
    {"in_use", "b"},
    {"virtual_size", "x"},
    {"physical_size", "x"},
    {"physical_utilisation", "x"},
    {"capabilities", "as"},
    {"configuration", "a{ss}"},
    {"sm_config", "a{ss}"},
    {"volumes", "aa{sv}"},
    {"repositories", "aa{sv}"},
};

static GVariant *
fail(GError **error, const char *name)
{
    g_autofree char *text = g_strdup_printf("the driver answers a %s of another type", name);

    api_error_set(error, "SR_BACKEND_FAILURE", "", text, "", NULL);
    return NULL;
}

/* Strings from an array (of av) or the values of an object (of a{sv}). */
static GVariant *
check_strings(GVariant *value, const char *name, bool map, GError **error)
{
    g_auto(GVariantBuilder) out =
        G_VARIANT_BUILDER_INIT(map ? G_VARIANT_TYPE("a{ss}") : G_VARIANT_TYPE("as"));
    GVariantIter iter;
    GVariant *child;

    if (!g_variant_is_of_type(value, map ? G_VARIANT_TYPE_VARDICT : G_VARIANT_TYPE("av")))
        return fail(error, name);
    g_variant_iter_init(&iter, value);
    while ((child = g_variant_iter_next_value(&iter))) {
        g_autoptr(GVariant) owned = child;
        g_autoptr(GVariant) boxed =
            map ? g_variant_get_child_value(child, 1) : g_variant_ref(child);
        g_autoptr(GVariant) text = g_variant_get_variant(boxed);
        const char *key;
        if (!g_variant_is_of_type(text, G_VARIANT_TYPE_STRING))
            return fail(error, name);
        if (map) {
            g_variant_get_child(child, 0, "&s", &key);
            g_variant_builder_add(&out, "{s@s}", key, text);
        } else {
            g_variant_builder_add_value(&out, text);
        }
    }
    return g_variant_ref_sink(g_variant_builder_end(&out));
}

static GVariant *check_members(GVariant *object, bool inner, GError **error);

static GVariant *
check_objects(GVariant *value, const char *name, GError **error)
{
    g_auto(GVariantBuilder) out = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("aa{sv}"));
    GVariantIter iter;
    GVariant *child;

    if (!g_variant_is_of_type(value, G_VARIANT_TYPE("av")))
        return fail(error, name);
    g_variant_iter_init(&iter, value);
    while ((child = g_variant_iter_next_value(&iter))) {
        g_autoptr(GVariant) owned = child;
        g_autoptr(GVariant) object = g_variant_get_variant(child);
        if (!g_variant_is_of_type(object, G_VARIANT_TYPE_VARDICT))
            return fail(error, name);
        g_autoptr(GVariant) checked = check_members(object, true, error);
        if (!checked)
            return NULL;
        g_variant_builder_add_value(&out, checked);
    }
    return g_variant_ref_sink(g_variant_builder_end(&out));
}

static GVariant *
check_member(GVariant *value, unsigned i, bool inner, GError **error)
{
    const char *type = members[i].type;

    if (g_variant_is_of_type(value, G_VARIANT_TYPE(type)))
        return g_variant_ref(value);
    if (g_str_equal(type, "as") || g_str_equal(type, "a{ss}"))
        return check_strings(value, members[i].name, g_str_equal(type, "a{ss}"), error);
    if (g_str_equal(type, "aa{sv}") && !inner)
        return check_objects(value, members[i].name, error);
    return fail(error, members[i].name);
}

static GVariant *
check_members(GVariant *object, bool inner, GError **error)
{
    g_auto(GVariantDict) out = G_VARIANT_DICT_INIT(NULL);

    for (unsigned i = 0; i < G_N_ELEMENTS(members); i++) {
        g_autoptr(GVariant) value = g_variant_lookup_value(object, members[i].name, NULL);
        g_autoptr(GVariant) checked = value ? check_member(value, i, inner, error) : NULL;
        if (value && !checked)
            return NULL;
        if (checked)
            g_variant_dict_insert_value(&out, members[i].name, checked);
    }
    return g_variant_ref_sink(g_variant_dict_end(&out));
}

/* The error that a driver tells: a code and parameters, all text. */
static GError *
told_error(GVariant *failure)
{
    g_autoptr(GVariant) params = g_variant_lookup_value(failure, "params", G_VARIANT_TYPE("av"));
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
    const char *code = "";

    g_variant_lookup(failure, "code", "&s", &code);
    for (gsize i = 0; params && i < g_variant_n_children(params); i++) {
        g_autoptr(GVariant) boxed = g_variant_get_child_value(params, i);
        g_autoptr(GVariant) value = g_variant_get_variant(boxed);
        if (g_variant_is_of_type(value, G_VARIANT_TYPE_STRING))
            g_ptr_array_add(texts, g_variant_dup_string(value, NULL));
    }
    g_ptr_array_add(texts, NULL);
    if (!*code || strspn(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != strlen(code))
        return api_error_new("SR_BACKEND_FAILURE", "", "the driver tells no error's name", "",
                             NULL);
    return api_error_newv(code, (const char *const *)texts->pdata);
}

GVariant *
answer_parse(const char *text, gsize length, GError **error)
{
    g_autoptr(GVariant) answer = json_parse(text ? text : "", length, NULL);
    g_autoptr(GVariant) result = NULL;
    g_autoptr(GVariant) failure = NULL;

    if (answer && g_variant_is_of_type(answer, G_VARIANT_TYPE_VARDICT)) {
        result = g_variant_lookup_value(answer, "result", G_VARIANT_TYPE_VARDICT);
        failure = g_variant_lookup_value(answer, "error", G_VARIANT_TYPE_VARDICT);
    }
    if (failure)
        g_propagate_error(error, told_error(failure));
    else if (result)
        return check_members(result, false, error);
    else
        api_error_set(error, "SR_BACKEND_FAILURE", "", "the driver talks nonsense", "", NULL);
    return NULL;
}
