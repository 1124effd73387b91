/* Texts of values; see value.h. */
#include "config.h"

#include "xtool/value.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "lib/wire/value.h"
#include "xtool/args.h"
#include "xtool/tables.h"

/* ---- to text ---- */

const char *
enum_text(const struct dm_enum *en, const char *value)
{
    for (unsigned i = 0; i < xt_n_spellings; i++)
        if (g_str_equal(xt_spellings[i].en, en->name) && g_str_equal(xt_spellings[i].value, value))
            return xt_spellings[i].text;
    return value;
}

static void
append(GString *out, const struct dm_type *type, GVariant *value)
{
    gsize n = g_variant_is_container(value) ? g_variant_n_children(value) : 0;

    switch (type->kind) {
    case DM_BOOL:
        g_string_append(out, g_variant_get_boolean(value) ? "true" : "false");
        break;
    case DM_INT:
        g_string_append_printf(out, "%" G_GINT64_FORMAT, g_variant_get_int64(value));
        break;
    case DM_FLOAT: {
        char text[G_ASCII_DTOSTR_BUF_SIZE];
        g_string_append(out,
                        g_ascii_formatd(text, sizeof text, "%.3f", g_variant_get_double(value)));
        break;
    }
    case DM_DATETIME:
        datetime_append(out, g_variant_get_int64(value));
        break;
    case DM_ENUM:
        g_string_append(out, enum_text(type->en, g_variant_get_string(value, NULL)));
        break;
    case DM_REF: {
        const char *ref = g_variant_get_string(value, NULL);
        g_string_append(out, g_str_equal(ref, REF_NULL) ? NOT_IN_DATABASE : ref);
        break;
    }
    case DM_STRING:
        g_string_append(out, g_variant_get_string(value, NULL));
        break;
    case DM_OPTION:
        append(out, type->elem, value);
        break;
    case DM_SET:
        for (gsize i = 0; i < n; i++) {
            g_autoptr(GVariant) child = g_variant_get_child_value(value, i);
            if (i)
                g_string_append(out, "; ");
            append(out, type->elem, child);
        }
        break;
    case DM_MAP:
        for (gsize i = 0; i < n; i++) {
            g_autoptr(GVariant) entry = g_variant_get_child_value(value, i);
            g_autoptr(GVariant) key = g_variant_get_child_value(entry, 0);
            g_autoptr(GVariant) member = g_variant_get_child_value(entry, 1);
            if (i)
                g_string_append(out, "; ");
            append(out, type->key, key);
            g_string_append(out, ": ");
            append(out, type->elem, member);
        }
        break;
    case DM_RECORD:
        for (gsize i = 0; i < n; i++) {
            const char *name;
            GVariant *member;
            g_variant_get_child(value, i, "{&sv}", &name, &member);
            g_string_append_printf(out, "%s%s: ", i ? "; " : "", name);
            append(out, dm_field_find(type->cls, name)->type, member);
            g_variant_unref(member);
        }
        break;
    case DM_VOID:
    case DM_EVENT:
    case DM_EVENT_BATCH:
        break;
    }
}

char *
value_text(const struct dm_type *type, GVariant *value)
{
    GString *out = g_string_new(NULL);

    append(out, type, value);
    return g_string_free(out, FALSE);
}

/* ---- from text ---- */

/* "512MiB" as bytes. */
static bool
parse_int(const char *text, gint64 *ret_number)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    gint64 number, scale = 1;
    char *end;

    errno = 0;
    number = g_ascii_strtoll(text, &end, 10);
    if (end == text || errno)
        return false;
    for (size_t i = 0; *end && i < G_N_ELEMENTS(units); i++) {
        if (g_ascii_strcasecmp(end, units[i]) == 0) {
            scale = INT64_C(1) << (10 * (i + 1));
            end += strlen(end);
        }
    }
    return !*end && !__builtin_mul_overflow(number, scale, ret_number);
}

/* The enum's value for xe's spelling or its own. */
static const char *
parse_enum(const struct dm_enum *en, const char *text)
{
    for (unsigned i = 0; i < en->n_values; i++)
        if (g_ascii_strcasecmp(en->values[i], text) == 0 ||
            g_ascii_strcasecmp(enum_text(en, en->values[i]), text) == 0)
            return en->values[i];
    return NULL;
}

static GVariant *
parse_set(const struct dm_type *type, const char *text, const char *what, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(text, ",", -1);
    GVariantBuilder set;

    g_variant_builder_init(&set, G_VARIANT_TYPE(type->gvariant));
    for (unsigned i = 0; *text && parts[i]; i++) {
        g_autoptr(GVariant) member = value_parse(type->elem, parts[i], what, error);
        if (!member) {
            g_variant_builder_clear(&set);
            return NULL;
        }
        g_variant_builder_add_value(&set, member);
    }
    return g_variant_ref_sink(g_variant_builder_end(&set));
}

GVariant *
value_parse(const struct dm_type *type, const char *text, const char *what, GError **error)
{
    const char *expected = "text without control characters";
    GVariant *value = NULL;
    gint64 number;
    bool flag;

    switch (type->kind) {
    case DM_SET:
        return parse_set(type, text, what, error);
    case DM_OPTION:
        return value_parse(type->elem, text, what, error);
    case DM_BOOL:
        expected = "true or false";
        value = text_to_bool(text, &flag) ? g_variant_new_boolean(flag) : NULL;
        break;
    case DM_INT:
        expected = "a whole number (KiB, MiB, GiB and TiB may follow)";
        value = parse_int(text, &number) ? g_variant_new_int64(number) : NULL;
        break;
    case DM_FLOAT: {
        expected = "a number";
        char *end;
        double real = g_ascii_strtod(text, &end);
        value = end != text && !*end ? g_variant_new_double(real) : NULL;
        break;
    }
    case DM_DATETIME:
        expected = "a date as 20261122T23:36:28Z";
        value = datetime_parse(text, &number) ? g_variant_new_int64(number) : NULL;
        break;
    case DM_ENUM: {
        const char *member = parse_enum(type->en, text);
        if (member)
            return g_variant_ref_sink(g_variant_new_string(member));
        g_autofree char *all = g_strjoinv(", ", (char **)type->en->values);
        usage_set(error, "%s is one of %s, not '%s'.", what, all, text);
        return NULL;
    }
    case DM_STRING:
        value = g_utf8_validate(text, -1, NULL) ? g_variant_new_string(text) : NULL;
        break;
    default:
        expected = "something that a single argument can say";
        break;
    }
    if (!value) {
        usage_set(error, "%s is %s, not '%s'.", what, expected, text);
        return NULL;
    }
    return g_variant_ref_sink(value);
}
