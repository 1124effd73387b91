/* Values to JSON; see jsonrpc.h.  Everything is appended to one GString. */
#include "config.h"

#include "lib/wire/jsonrpc.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "lib/wire/field-text.h"

void
json_text_append(GString *out, const char *text)
{
    const char *run = text, *p = text;

    g_string_append_c(out, '"');
    for (; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        g_string_append_len(out, run, p - run);
        run = p + 1;
        switch (c) {
        case '"':
        case '\\':
            g_string_append_c(out, '\\');
            g_string_append_c(out, (char)c);
            break;
        case '\n':
            g_string_append(out, "\\n");
            break;
        case '\r':
            g_string_append(out, "\\r");
            break;
        case '\t':
            g_string_append(out, "\\t");
            break;
        default:
            g_string_append_printf(out, "\\u%04x", c);
        }
    }
    g_string_append_len(out, run, p - run);
    g_string_append_c(out, '"');
}

static void
int_append(GString *out, gint64 number)
{
    char digits[24];

    g_string_append_len(out, digits,
                        g_snprintf(digits, sizeof digits, "%" G_GINT64_FORMAT, number));
}

static void
float_append(GString *out, double number)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    if (isnan(number))
        number = 0;
    else if (isinf(number))
        number = number > 0 ? DBL_MAX : -DBL_MAX;
    /* %.16g would round the largest number up to what no reader takes. */
    g_string_append(out, g_ascii_formatd(text, sizeof text,
                                         fabs(number) == DBL_MAX ? "%.17g" : "%.16g", number));
}

static void
date_append(GString *out, gint64 usec)
{
    g_string_append_c(out, '"');
    datetime_append(out, usec);
    g_string_append_c(out, '"');
}

/* The key of a map with its colon. */
static void
key_append(GString *out, const struct dm_type *type, GVariant *key)
{
    switch (type->kind) {
    case DM_INT:
        g_string_append_c(out, '"');
        int_append(out, g_variant_get_int64(key));
        g_string_append_c(out, '"');
        break;
    case DM_DATETIME:
        date_append(out, g_variant_get_int64(key));
        break;
    default:
        json_text_append(out, g_variant_get_string(key, NULL));
        break;
    }
    g_string_append_c(out, ':');
}

static void
name_append(GString *out, const char *name, bool first)
{
    if (!first)
        g_string_append_c(out, ',');
    json_text_append(out, name);
    g_string_append_c(out, ':');
}

static void
text_append(GString *out, const char *name, const char *text, bool first)
{
    name_append(out, name, first);
    json_text_append(out, text);
}

static void
set_append(GString *out, const struct dm_type *type, GVariant *value)
{
    gsize n = g_variant_n_children(value);

    g_string_append_c(out, '[');
    for (gsize i = 0; i < n; i++) {
        GVariant *child = g_variant_get_child_value(value, i);
        if (i)
            g_string_append_c(out, ',');
        json_value_encode(out, type->elem, child);
        g_variant_unref(child);
    }
    g_string_append_c(out, ']');
}

static void
map_append(GString *out, const struct dm_type *type, GVariant *value)
{
    gsize n = g_variant_n_children(value);

    g_string_append_c(out, '{');
    for (gsize i = 0; i < n; i++) {
        GVariant *entry = g_variant_get_child_value(value, i);
        GVariant *key = g_variant_get_child_value(entry, 0);
        GVariant *member = g_variant_get_child_value(entry, 1);
        if (i)
            g_string_append_c(out, ',');
        key_append(out, type->key, key);
        json_value_encode(out, type->elem, member);
        g_variant_unref(member);
        g_variant_unref(key);
        g_variant_unref(entry);
    }
    g_string_append_c(out, '}');
}

/* Names of fields are plain: no need to look for what must be escaped. */
static void
field_append(GString *out, const struct dm_field *field, GVariant *value)
{
    g_string_append_c(out, '"');
    g_string_append(out, field->name);
    g_string_append(out, "\":");
    json_value_encode(out, field->type, value);
}

void
json_record_encode(GString *out, const struct dm_class *cls, GVariant *const *values)
{
    static struct field_texts texts = {.encode = field_append};
    bool first = true;

    g_string_append_c(out, '{');
    for (unsigned i = 0; i < cls->n_fields; i++) {
        if (!values[i] || cls->fields[i].internal_only)
            continue;
        if (!first)
            g_string_append_c(out, ',');
        field_text_append(&texts, out, &cls->fields[i], values[i]);
        first = false;
    }
    g_string_append_c(out, '}');
}

static void
record_append(GString *out, const struct dm_class *cls, GVariant *value)
{
    gsize n = g_variant_n_children(value);
    unsigned next = 0;
    bool first = true;

    g_string_append_c(out, '{');
    for (gsize i = 0; i < n; i++) {
        const char *name;
        GVariant *member;

        g_variant_get_child(value, i, "{&sv}", &name, &member);
        /* Members mostly come in the order of the fields. */
        const struct dm_field *field = next < cls->n_fields ? &cls->fields[next] : NULL;
        if (!field || strcmp(field->name, name) != 0)
            field = dm_field_find(cls, name);
        if (field && !field->internal_only) {
            if (!first)
                g_string_append_c(out, ',');
            field_append(out, field, member);
            first = false;
        }
        if (field)
            next = field->index + 1;
        g_variant_unref(member);
    }
    g_string_append_c(out, '}');
}

static void
event_append(GString *out, GVariant *event)
{
    static const char *const texts[] = {"id", "timestamp", "class", "operation", "ref"};
    const char *text = NULL, *class_name = "";
    bool first = true;

    g_string_append_c(out, '{');
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        if (!g_variant_lookup(event, texts[i], "&s", &text))
            continue;
        text_append(out, texts[i], text, first);
        first = false;
    }
    g_autoptr(GVariant) snapshot =
        g_variant_lookup_value(event, "snapshot", G_VARIANT_TYPE_VARDICT);
    g_variant_lookup(event, "class", "&s", &class_name);
    const struct dm_class *cls = dm_class_find(class_name, true);
    if (snapshot && cls) {
        name_append(out, "snapshot", first);
        record_append(out, cls, snapshot);
    }
    g_string_append_c(out, '}');
}

void
json_event_encode(GString *out, const struct rpc_event *event)
{
    g_string_append_c(out, '{');
    text_append(out, "id", event->id, true);
    text_append(out, "timestamp", "0.0", false); /* not used any more */
    text_append(out, "class", event->cls->lower_name, false);
    text_append(out, "operation", event->operation, false);
    text_append(out, "ref", event->ref, false);
    if (event->record) {
        g_string_append(out, ",\"snapshot\":");
        g_string_append_len(out, event->record->str, (gssize)event->record->len);
    }
    g_string_append_c(out, '}');
}

void
json_events_begin(GString *out, bool batch)
{
    g_string_append(out, batch ? "{\"events\":[" : "[");
}

void
json_events_end(GString *out, GVariant *counts, const char *token)
{
    const char *name;
    GVariantIter iter;
    gint32 count;
    bool first = true;

    g_string_append_c(out, ']');
    if (!token)
        return;
    g_string_append(out, ",\"valid_ref_counts\":{");
    if (counts)
        g_variant_iter_init(&iter, counts);
    for (; counts && g_variant_iter_next(&iter, "{&si}", &name, &count); first = false) {
        name_append(out, name, first);
        int_append(out, count);
    }
    g_string_append(out, "},\"token\":");
    json_text_append(out, token);
    g_string_append_c(out, '}');
}

static void
event_batch_append(GString *out, const struct dm_type *type, GVariant *batch)
{
    g_autoptr(GVariant) events = g_variant_lookup_value(batch, "events", G_VARIANT_TYPE("aa{sv}"));
    g_autoptr(GVariant) counts =
        g_variant_lookup_value(batch, "valid_ref_counts", G_VARIANT_TYPE("a{si}"));
    const char *token = "";

    g_variant_lookup(batch, "token", "&s", &token);
    json_events_begin(out, true);
    for (gsize i = 0; events && i < g_variant_n_children(events); i++) {
        g_autoptr(GVariant) event = g_variant_get_child_value(events, i);
        if (i)
            g_string_append_c(out, ',');
        json_value_encode(out, type->elem, event);
    }
    json_events_end(out, counts, token);
}

void
json_value_encode(GString *out, const struct dm_type *type, GVariant *value)
{
    g_return_if_fail(g_variant_is_of_type(value, G_VARIANT_TYPE(type->gvariant)));
    switch (type->kind) {
    case DM_VOID:
        g_string_append(out, "\"\"");
        break;
    case DM_STRING:
    case DM_REF:
    case DM_ENUM:
        json_text_append(out, g_variant_get_string(value, NULL));
        break;
    case DM_BOOL:
        g_string_append(out, g_variant_get_boolean(value) ? "true" : "false");
        break;
    case DM_INT:
        int_append(out, g_variant_get_int64(value));
        break;
    case DM_FLOAT:
        float_append(out, g_variant_get_double(value));
        break;
    case DM_DATETIME:
        date_append(out, g_variant_get_int64(value));
        break;
    case DM_SET:
        set_append(out, type, value);
        break;
    case DM_MAP:
        map_append(out, type, value);
        break;
    case DM_RECORD:
        record_append(out, type->cls, value);
        break;
    case DM_OPTION:
        json_value_encode(out, type->elem, value);
        break;
    case DM_EVENT:
        event_append(out, value);
        break;
    case DM_EVENT_BATCH:
        event_batch_append(out, type, value);
        break;
    }
}

static void
untyped_dict_append(GString *out, GVariant *dict)
{
    gsize n = g_variant_n_children(dict);

    g_string_append_c(out, '{');
    for (gsize i = 0; i < n; i++) {
        g_autoptr(GVariant) entry = g_variant_get_child_value(dict, i);
        g_autoptr(GVariant) key = g_variant_get_child_value(entry, 0);
        g_autoptr(GVariant) member = g_variant_get_child_value(entry, 1);
        if (g_variant_is_of_type(key, G_VARIANT_TYPE_STRING)) {
            name_append(out, g_variant_get_string(key, NULL), i == 0);
        } else {
            g_autofree char *text = g_variant_print(key, FALSE);
            name_append(out, text, i == 0);
        }
        json_untyped_encode(out, member);
    }
    g_string_append_c(out, '}');
}

static void
untyped_list_append(GString *out, GVariant *list)
{
    gsize n = g_variant_n_children(list);

    g_string_append_c(out, '[');
    for (gsize i = 0; i < n; i++) {
        g_autoptr(GVariant) child = g_variant_get_child_value(list, i);
        if (i)
            g_string_append_c(out, ',');
        json_untyped_encode(out, child);
    }
    g_string_append_c(out, ']');
}

void
json_untyped_encode(GString *out, GVariant *untyped)
{
    switch (g_variant_classify(untyped)) {
    case G_VARIANT_CLASS_STRING:
    case G_VARIANT_CLASS_OBJECT_PATH:
    case G_VARIANT_CLASS_SIGNATURE:
        json_text_append(out, g_variant_get_string(untyped, NULL));
        break;
    case G_VARIANT_CLASS_BOOLEAN:
        g_string_append(out, g_variant_get_boolean(untyped) ? "true" : "false");
        break;
    case G_VARIANT_CLASS_BYTE:
        int_append(out, g_variant_get_byte(untyped));
        break;
    case G_VARIANT_CLASS_INT16:
        int_append(out, g_variant_get_int16(untyped));
        break;
    case G_VARIANT_CLASS_UINT16:
        int_append(out, g_variant_get_uint16(untyped));
        break;
    case G_VARIANT_CLASS_INT32:
        int_append(out, g_variant_get_int32(untyped));
        break;
    case G_VARIANT_CLASS_UINT32:
        int_append(out, g_variant_get_uint32(untyped));
        break;
    case G_VARIANT_CLASS_INT64:
        int_append(out, g_variant_get_int64(untyped));
        break;
    case G_VARIANT_CLASS_UINT64:
        g_string_append_printf(out, "%" G_GUINT64_FORMAT, g_variant_get_uint64(untyped));
        break;
    case G_VARIANT_CLASS_DOUBLE:
        float_append(out, g_variant_get_double(untyped));
        break;
    case G_VARIANT_CLASS_VARIANT: {
        g_autoptr(GVariant) inner = g_variant_get_variant(untyped);
        json_untyped_encode(out, inner);
        break;
    }
    case G_VARIANT_CLASS_ARRAY:
        if (g_variant_is_of_type(untyped, G_VARIANT_TYPE_DICTIONARY))
            untyped_dict_append(out, untyped);
        else
            untyped_list_append(out, untyped);
        break;
    case G_VARIANT_CLASS_TUPLE:
        if (g_variant_n_children(untyped))
            untyped_list_append(out, untyped);
        else
            g_string_append(out, "null");
        break;
    default:
        g_string_append(out, "null");
        break;
    }
}
