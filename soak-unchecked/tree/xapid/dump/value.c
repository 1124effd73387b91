#include "config.h"

#include "xapid/dump/value.h"

#include <string.h>

#include "lib/wire/value.h"
#include "xapid/model/value-text.h"

void
dump_value_append(GString *out, const struct dm_type *type, GVariant *value)
{
    if (type->kind != DM_DATETIME) {
        value_text_append(out, type, value);
        return;
    }
    gint64 usec = g_variant_get_int64(value);
    int rest = (int)(((usec % G_USEC_PER_SEC) + G_USEC_PER_SEC) % G_USEC_PER_SEC);
    datetime_append(out, usec);
    if (!rest)
        return;
    g_string_truncate(out, out->len - 1); /* the Z */
    g_string_append_printf(out, ".%06dZ", rest);
}

/* 'text' from *at, which moves behind it.  The caller frees; NULL: it is not there. */
static char *
read_quoted(const char **at)
{
    const char *p = *at;

    if (*p != '\'')
        return NULL;
    GString *out = g_string_new(NULL);
    for (p++; *p && *p != '\''; p++) {
        if (*p == '\\' && *++p != '\'' && *p != '\\')
            break;
        g_string_append_c(out, *p);
    }
    if (*p != '\'') {
        g_string_free(out, TRUE);
        return NULL;
    }
    *at = p + 1;
    return g_string_free(out, FALSE);
}

/* Moves behind the character, when it is there. */
static bool
skip(const char **at, char c)
{
    if (**at != c)
        return false;
    (*at)++;
    return true;
}

static GVariant *
read_member(const struct dm_type *type, const char **at)
{
    g_autofree char *text = read_quoted(at);

    return text ? dump_value(type, text) : NULL;
}

/* ('key' 'member') */
static GVariant *
read_entry(const struct dm_type *type, const char **at)
{
    if (!skip(at, '('))
        return NULL;
    g_autoptr(GVariant) key = read_member(type->key, at);
    if (!key || !skip(at, ' '))
        return NULL;
    g_autoptr(GVariant) member = read_member(type->elem, at);
    if (!member || !skip(at, ')'))
        return NULL;
    return g_variant_ref_sink(g_variant_new_dict_entry(key, member));
}

/* (... ...) up to the end of the text. */
static GVariant *
read_members(const struct dm_type *type, const char *at)
{
    g_autoptr(GPtrArray) members = g_ptr_array_new_with_free_func((GDestroyNotify)g_variant_unref);
    const GVariantType *of = g_variant_type_element(G_VARIANT_TYPE(type->gvariant));

    if (!skip(&at, '('))
        return NULL;
    while (*at != ')') {
        if (members->len && !skip(&at, ' '))
            return NULL;
        GVariant *member =
            type->kind == DM_SET ? read_member(type->elem, &at) : read_entry(type, &at);
        if (!member)
            return NULL;
        g_ptr_array_add(members, member);
    }
    if (at[1] != '\0')
        return NULL;
    return g_variant_ref_sink(
        g_variant_new_array(of, (GVariant *const *)members->pdata, members->len));
}

static GVariant *
read_float(const char *text)
{
    char *end;
    double value = g_ascii_strtod(text, &end);

    return end != text && !*end && !g_ascii_isspace(*text) ? g_variant_new_double(value) : NULL;
}

static GVariant *
read_scalar(const struct dm_type *type, const char *text)
{
    gint64 number;

    switch (type->kind) {
    case DM_STRING:
    case DM_ENUM:
        return g_variant_new_string(text);
    case DM_REF:
        return *text ? g_variant_new_string(text) : NULL;
    case DM_BOOL:
        if (!g_str_equal(text, "true") && !g_str_equal(text, "false"))
            return NULL;
        return g_variant_new_boolean(*text == 't');
    case DM_INT:
        if (!g_ascii_string_to_signed(text, 10, G_MININT64, G_MAXINT64, &number, NULL))
            return NULL;
        return g_variant_new_int64(number);
    case DM_FLOAT:
        return read_float(text);
    case DM_DATETIME:
        return datetime_parse(text, &number) ? g_variant_new_int64(number) : NULL;
    default: /* no field of a row has another type */
        return NULL;
    }
}

GVariant *
dump_value(const struct dm_type *type, const char *text)
{
    if (type->kind == DM_OPTION)
        return dump_value(type->elem, text);
    if (type->kind == DM_SET || type->kind == DM_MAP)
        return read_members(type, text);
    GVariant *value = read_scalar(type, text);
    if (!value)
        return NULL;
    g_variant_ref_sink(value);
    if (dm_type_check(type, value))
        return value;
    g_variant_unref(value);
    return NULL;
}
