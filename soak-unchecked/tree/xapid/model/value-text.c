#include "config.h"

#include "xapid/model/value-text.h"

#include <math.h>
#include <string.h>

static void
append_quoted(GString *out, const char *text)
{
    g_string_append_c(out, '\'');
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\')
            g_string_append_c(out, '\\');
        g_string_append_c(out, *text);
    }
    g_string_append_c(out, '\'');
}

static void
append_datetime(GString *out, gint64 microseconds)
{
    /* Whole seconds, rounded down before 1970 too. */
    gint64 seconds = microseconds / G_USEC_PER_SEC - (microseconds % G_USEC_PER_SEC < 0 ? 1 : 0);
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(seconds);
    g_autofree char *text = time ? g_date_time_format(time, "%Y%m%dT%H:%M:%SZ") : NULL;

    g_string_append(out, text ? text : "");
}

static void
append_float(GString *out, double value, bool exact)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    g_ascii_formatd(text, sizeof text, exact ? "%.17g" : "%.12g", value);
    g_string_append(out, text);
    if (isfinite(value) && !strpbrk(text, ".e"))
        g_string_append_c(out, '.');
}

static void append_value(GString *out, const struct dm_type *type, GVariant *value, bool exact);

static void
append_member(GString *out, const struct dm_type *type, GVariant *value, bool exact)
{
    g_autoptr(GString) text = g_string_new(NULL);

    append_value(text, type, value, exact);
    append_quoted(out, text->str);
}

static void
append_members(GString *out, const struct dm_type *type, GVariant *value, bool exact)
{
    gsize n = g_variant_n_children(value);

    g_string_append_c(out, '(');
    for (gsize i = 0; i < n; i++) {
        g_autoptr(GVariant) child = g_variant_get_child_value(value, i);
        if (i)
            g_string_append_c(out, ' ');
        if (type->kind == DM_SET) {
            append_member(out, type->elem, child, exact);
            continue;
        }
        g_autoptr(GVariant) key = g_variant_get_child_value(child, 0);
        g_autoptr(GVariant) member = g_variant_get_child_value(child, 1);
        g_string_append_c(out, '(');
        append_member(out, type->key, key, exact);
        g_string_append_c(out, ' ');
        append_member(out, type->elem, member, exact);
        g_string_append_c(out, ')');
    }
    g_string_append_c(out, ')');
}

static void
append_value(GString *out, const struct dm_type *type, GVariant *value, bool exact)
{
    switch (type->kind) {
    case DM_STRING:
    case DM_REF:
    case DM_ENUM:
        g_string_append(out, g_variant_get_string(value, NULL));
        break;
    case DM_BOOL:
        g_string_append(out, g_variant_get_boolean(value) ? "true" : "false");
        break;
    case DM_INT:
        g_string_append_printf(out, "%" G_GINT64_FORMAT, g_variant_get_int64(value));
        break;
    case DM_FLOAT:
        append_float(out, g_variant_get_double(value), exact);
        break;
    case DM_DATETIME:
        append_datetime(out, g_variant_get_int64(value));
        break;
    case DM_SET:
    case DM_MAP:
        append_members(out, type, value, exact);
        break;
    case DM_OPTION:
        append_value(out, type->elem, value, exact);
        break;
    default: /* no field of a row has another type */
        break;
    }
}

char *
value_text(const struct dm_type *type, GVariant *value)
{
    GString *out = g_string_new(NULL);

    append_value(out, type, value, false);
    return g_string_free(out, FALSE);
}

void
value_text_append(GString *out, const struct dm_type *type, GVariant *value)
{
    append_value(out, type, value, true);
}
