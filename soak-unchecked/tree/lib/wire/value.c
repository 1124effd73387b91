/* Untyped values into the GVariants of the data model's types; see value.h. */
#include "config.h"

#include "lib/wire/value.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "lib/error.h"
#include "lib/text.h"
#include "lib/wire/jsonrpc.h"
#include "lib/wire/xmlrpc.h"

#define MAX_FIELDS 256  /* of a class */
#define MAX_QUOTED 200u /* bytes of a bad value in an error */

void
rpc_request_clear(struct rpc_request *request)
{
    g_clear_pointer(&request->method, g_free);
    g_clear_pointer(&request->params, g_variant_unref);
    g_clear_pointer(&request->id, g_variant_unref);
    g_clear_error(&request->unfit);
}

static void
set_invalid(GError **error, const char *what, GVariant *untyped)
{
    g_autoptr(GString) text = g_string_new(NULL);

    if (!error)
        return;
    if (g_variant_is_of_type(untyped, G_VARIANT_TYPE_STRING))
        g_string_append(text, g_variant_get_string(untyped, NULL));
    else if (g_variant_is_container(untyped) && g_variant_n_children(untyped) > 16)
        g_string_append(text, "(many values)");
    else
        json_untyped_encode(text, untyped);
    if (text->len > MAX_QUOTED)
        g_string_truncate(
            text, (gsize)(g_utf8_find_prev_char(text->str, text->str + MAX_QUOTED) - text->str));
    api_error_set(error, "INVALID_VALUE", what, text->str, NULL);
}

static bool
is_text(GVariant *untyped)
{
    return g_variant_is_of_type(untyped, G_VARIANT_TYPE_STRING);
}

static bool
is_null(GVariant *untyped)
{
    return g_variant_is_of_type(untyped, G_VARIANT_TYPE_UNIT);
}

static bool
int_from_text(const char *text, gint64 *ret_value)
{
    return g_ascii_string_to_signed(text, 10, G_MININT64, G_MAXINT64, ret_value, NULL);
}

static bool
int_from_untyped(GVariant *untyped, gint64 *ret_value)
{
    if (g_variant_is_of_type(untyped, G_VARIANT_TYPE_INT64)) {
        *ret_value = g_variant_get_int64(untyped);
        return true;
    }
    if (g_variant_is_of_type(untyped, G_VARIANT_TYPE_DOUBLE)) {
        /* A client's only number type may be the double: whole ones are exact up to 2^53. */
        double d = g_variant_get_double(untyped);
        if (!(fabs(d) <= 9007199254740992.0) || d != trunc(d))
            return false;
        *ret_value = (gint64)d;
        return true;
    }
    return is_text(untyped) && int_from_text(g_variant_get_string(untyped, NULL), ret_value);
}

static bool
float_from_untyped(GVariant *untyped, double *ret_value)
{
    if (g_variant_is_of_type(untyped, G_VARIANT_TYPE_DOUBLE)) {
        *ret_value = g_variant_get_double(untyped);
        return true;
    }
    if (g_variant_is_of_type(untyped, G_VARIANT_TYPE_INT64)) {
        *ret_value = (double)g_variant_get_int64(untyped);
        return true;
    }
    if (!is_text(untyped))
        return false;
    const char *text = g_variant_get_string(untyped, NULL);
    char *end;
    *ret_value = g_ascii_strtod(text, &end);
    return end != text && *end == '\0';
}

/* The enum's own spelling of a name; the exact one first, as some differ by case alone. */
static const char *
enum_from_text(const struct dm_enum *en, const char *text)
{
    if (dm_enum_has(en, text))
        return text;
    for (unsigned i = 0; i < en->n_values; i++)
        if (g_ascii_strcasecmp(en->values[i], text) == 0)
            return en->values[i];
    return NULL;
}

/* A basic value from its text: also the keys of maps, which are always text. */
static GVariant *
convert_text(const struct dm_type *type, const char *text)
{
    gint64 number;

    switch (type->kind) {
    case DM_STRING:
        return text_is_valid(text, -1) ? g_variant_new_string(text) : NULL;
    case DM_REF:
        return text_is_valid(text, -1) ? g_variant_new_string(*text ? text : REF_NULL) : NULL;
    case DM_ENUM:
        text = enum_from_text(type->en, text);
        return text ? g_variant_new_string(text) : NULL;
    case DM_DATETIME:
        return datetime_parse(text, &number) ? g_variant_new_int64(number) : NULL;
    case DM_INT:
        return int_from_text(text, &number) ? g_variant_new_int64(number) : NULL;
    default:
        return NULL;
    }
}

static GVariant *
convert_basic(const struct dm_type *type, GVariant *untyped)
{
    gint64 number;
    double real;

    switch (type->kind) {
    case DM_BOOL:
        return g_variant_is_of_type(untyped, G_VARIANT_TYPE_BOOLEAN)
                   ? g_variant_new_boolean(g_variant_get_boolean(untyped))
                   : NULL;
    case DM_INT:
        return int_from_untyped(untyped, &number) ? g_variant_new_int64(number) : NULL;
    case DM_FLOAT:
        return float_from_untyped(untyped, &real) ? g_variant_new_double(real) : NULL;
    case DM_VOID:
        return is_null(untyped) || (is_text(untyped) && !*g_variant_get_string(untyped, NULL))
                   ? g_variant_new_tuple(NULL, 0)
                   : NULL;
    default:
        return is_text(untyped) ? convert_text(type, g_variant_get_string(untyped, NULL)) : NULL;
    }
}

static GVariant *convert(const struct dm_type *type, GVariant *untyped, const char *what,
                         GError **error);

static GVariant *
convert_set(const struct dm_type *type, GVariant *untyped, const char *what, GError **error)
{
    GVariantBuilder builder;
    GVariantIter iter;
    GVariant *child;

    g_variant_builder_init(&builder, G_VARIANT_TYPE(type->gvariant));
    g_variant_iter_init(&iter, untyped);
    while (g_variant_iter_next(&iter, "v", &child)) {
        GVariant *value = convert(type->elem, child, what, error);
        g_variant_unref(child);
        if (!value) {
            g_variant_builder_clear(&builder);
            return NULL;
        }
        g_variant_builder_add_value(&builder, value);
    }
    return g_variant_builder_end(&builder);
}

static GVariant *
convert_map(const struct dm_type *type, GVariant *untyped, const char *what, GError **error)
{
    /* Two spellings of one key ("1" and "01"): the first one counts. */
    g_autoptr(GHashTable) seen = NULL;
    GVariantBuilder builder;
    GVariantIter iter;
    const char *name;
    GVariant *child;

    if (type->key->kind != DM_STRING)
        seen = g_hash_table_new_full(g_variant_hash, g_variant_equal,
                                     (GDestroyNotify)g_variant_unref, NULL);
    g_variant_builder_init(&builder, G_VARIANT_TYPE(type->gvariant));
    g_variant_iter_init(&iter, untyped);
    while (g_variant_iter_next(&iter, "{&sv}", &name, &child)) {
        g_autoptr(GVariant) member = child;
        g_autoptr(GVariant) key = convert_text(type->key, name);

        if (key)
            g_variant_ref_sink(key);
        else
            api_error_set(error, "INVALID_VALUE", what, name, NULL);
        g_autoptr(GVariant) value = key ? convert(type->elem, member, what, error) : NULL;
        if (!value) {
            g_variant_builder_clear(&builder);
            return NULL;
        }
        g_variant_ref_sink(value);
        if (!seen || g_hash_table_add(seen, g_variant_ref(key)))
            g_variant_builder_add_value(&builder, g_variant_new_dict_entry(key, value));
    }
    return g_variant_builder_end(&builder);
}

/* What clients that always send whole records put for "nothing". */
static bool
stands_for_nothing(const struct dm_type *type, GVariant *untyped)
{
    if (is_null(untyped))
        return true;
    return is_text(untyped) && !*g_variant_get_string(untyped, NULL) &&
           (type->kind == DM_ENUM || type->kind == DM_DATETIME || type->kind == DM_INT ||
            type->kind == DM_FLOAT);
}

static GVariant *
convert_record(const struct dm_class *cls, GVariant *untyped, GError **error)
{
    GVariant *values[MAX_FIELDS] = {NULL};
    GVariantBuilder builder;
    GVariantIter iter;
    const char *name;
    GVariant *child;
    bool ok = true;

    g_assert(cls->n_fields <= MAX_FIELDS);
    g_variant_iter_init(&iter, untyped);
    while (ok && g_variant_iter_next(&iter, "{&sv}", &name, &child)) {
        const struct dm_field *field = dm_field_find(cls, name);
        if (field && !field->internal_only && !stands_for_nothing(field->type, child)) {
            bool strict = field->qualifier != DM_DYNAMIC_RO;
            GVariant *value = convert(field->type, child, name, strict ? error : NULL);
            if (value)
                values[field->index] = g_variant_ref_sink(value);
            ok = value || !strict;
        }
        g_variant_unref(child);
    }
    g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
    for (unsigned i = 0; i < cls->n_fields; i++) {
        if (values[i])
            g_variant_builder_add(&builder, "{sv}", cls->fields[i].name, values[i]);
        g_clear_pointer(&values[i], g_variant_unref);
    }
    if (!ok) {
        g_variant_builder_clear(&builder);
        return NULL;
    }
    return g_variant_builder_end(&builder);
}

static GVariant *
convert_event(GVariant *untyped, const char *what, GError **error)
{
    static const char *const texts[] = {"id", "timestamp", "class", "operation", "ref"};
    GVariantBuilder event;
    const char *class_name = "";
    bool ok = true;

    g_variant_builder_init(&event, G_VARIANT_TYPE_VARDICT);
    for (size_t i = 0; ok && i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GVariant) member = g_variant_lookup_value(untyped, texts[i], NULL);
        if (member && g_variant_is_of_type(member, G_VARIANT_TYPE_INT64)) {
            g_autofree char *text =
                g_strdup_printf("%" G_GINT64_FORMAT, g_variant_get_int64(member));
            g_variant_builder_add(&event, "{sv}", texts[i], g_variant_new_string(text));
        } else if (member && is_text(member)) {
            g_variant_builder_add(&event, "{sv}", texts[i], member);
        } else {
            ok = false;
            api_error_set(error, "INVALID_VALUE", what, texts[i], NULL);
        }
    }
    g_autoptr(GVariant) snapshot =
        g_variant_lookup_value(untyped, "snapshot", G_VARIANT_TYPE_VARDICT);
    g_variant_lookup(untyped, "class", "&s", &class_name);
    const struct dm_class *cls = dm_class_find(class_name, true);
    if (ok && snapshot && cls) {
        GVariant *record = convert_record(cls, snapshot, error);
        ok = record;
        if (record)
            g_variant_builder_add(&event, "{sv}", "snapshot", record);
    }
    if (!ok) {
        g_variant_builder_clear(&event);
        return NULL;
    }
    return g_variant_builder_end(&event);
}

static GVariant *
convert_event_batch(const struct dm_type *type, GVariant *untyped, const char *what, GError **error)
{
    g_autoptr(GVariant) events = g_variant_lookup_value(untyped, "events", G_VARIANT_TYPE("av"));
    g_autoptr(GVariant) counts =
        g_variant_lookup_value(untyped, "valid_ref_counts", G_VARIANT_TYPE_VARDICT);
    const char *token;
    GVariantBuilder list, map;
    GVariantIter iter;
    const char *name;
    GVariant *child;
    bool ok = true;

    if (!events || !counts || !g_variant_lookup(untyped, "token", "&s", &token)) {
        api_error_set(error, "INVALID_VALUE", what, "event batch", NULL);
        return NULL;
    }
    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    g_variant_builder_init(&map, G_VARIANT_TYPE("a{si}"));
    g_variant_iter_init(&iter, events);
    while (ok && g_variant_iter_next(&iter, "v", &child)) {
        GVariant *event = convert(type->elem, child, what, error);
        if (event)
            g_variant_builder_add_value(&list, event);
        ok = event;
        g_variant_unref(child);
    }
    g_variant_iter_init(&iter, counts);
    while (ok && g_variant_iter_next(&iter, "{&sv}", &name, &child)) {
        gint64 count;
        ok = int_from_untyped(child, &count) && count >= 0 && count <= G_MAXINT32;
        if (ok)
            g_variant_builder_add(&map, "{si}", name, (gint32)count);
        else
            set_invalid(error, name, child);
        g_variant_unref(child);
    }
    if (!ok) {
        g_variant_builder_clear(&list);
        g_variant_builder_clear(&map);
        return NULL;
    }
    GVariantBuilder batch;
    g_variant_builder_init(&batch, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&batch, "{sv}", "events", g_variant_builder_end(&list));
    g_variant_builder_add(&batch, "{sv}", "valid_ref_counts", g_variant_builder_end(&map));
    g_variant_builder_add(&batch, "{sv}", "token", g_variant_new_string(token));
    return g_variant_builder_end(&batch);
}

/* Floating: callers sink it or give it to a builder. */
static GVariant *
convert(const struct dm_type *type, GVariant *untyped, const char *what, GError **error)
{
    bool list = g_variant_is_of_type(untyped, G_VARIANT_TYPE("av"));
    bool map = g_variant_is_of_type(untyped, G_VARIANT_TYPE_VARDICT);
    GVariant *value = NULL;

    switch (type->kind) {
    case DM_SET:
        if (list)
            return convert_set(type, untyped, what, error);
        break;
    case DM_MAP:
        if (map)
            return convert_map(type, untyped, what, error);
        break;
    case DM_RECORD:
        if (map)
            return convert_record(type->cls, untyped, error);
        break;
    case DM_EVENT:
        if (map)
            return convert_event(untyped, what, error);
        break;
    case DM_EVENT_BATCH:
        if (map)
            return convert_event_batch(type, untyped, what, error);
        break;
    case DM_OPTION:
        return convert(type->elem, untyped, what, error);
    default:
        value = convert_basic(type, untyped);
        break;
    }
    if (!value)
        set_invalid(error, what, untyped);
    return value;
}

GVariant *
rpc_value_convert(const struct dm_type *type, GVariant *untyped, const char *what, GError **error)
{
    GVariant *value = convert(type, untyped, what, error);

    return value ? g_variant_ref_sink(value) : NULL;
}

void
rpc_record_encode(GString *out, enum rpc_dialect dialect, const struct dm_class *cls,
                  GVariant *const *values)
{
    if (dialect == RPC_XML)
        xmlrpc_record_encode(out, cls, values);
    else
        json_record_encode(out, cls, values);
}

void
rpc_records_begin(GString *out, const struct rpc_request *request)
{
    if (request->dialect == RPC_XML) {
        xmlrpc_reply_begin(out);
        g_string_append(out, "<value><struct>");
    } else {
        jsonrpc_reply_begin(out, request);
        g_string_append_c(out, '{');
    }
}

void
rpc_records_add(GString *out, const struct rpc_request *request, bool first, const char *ref,
                const GString *record)
{
    if (request->dialect == RPC_XML) {
        g_string_append(out, "<member><name>");
        xmlrpc_text_append(out, ref);
        g_string_append(out, "</name>");
        g_string_append_len(out, record->str, (gssize)record->len);
        g_string_append(out, "</member>");
    } else {
        if (!first)
            g_string_append_c(out, ',');
        json_text_append(out, ref);
        g_string_append_c(out, ':');
        g_string_append_len(out, record->str, (gssize)record->len);
    }
}

void
rpc_records_end(GString *out, const struct rpc_request *request)
{
    if (request->dialect == RPC_XML) {
        g_string_append(out, "</struct></value>");
        xmlrpc_reply_end(out);
    } else {
        g_string_append_c(out, '}');
        jsonrpc_reply_end(out, request);
    }
}

void
rpc_events_begin(GString *out, const struct rpc_request *request, bool batch)
{
    if (request->dialect == RPC_XML) {
        xmlrpc_reply_begin(out);
        xmlrpc_events_begin(out, batch);
    } else {
        jsonrpc_reply_begin(out, request);
        json_events_begin(out, batch);
    }
}

void
rpc_events_add(GString *out, const struct rpc_request *request, bool first,
               const struct rpc_event *event)
{
    if (request->dialect == RPC_XML) {
        xmlrpc_event_encode(out, event);
        return;
    }
    if (!first)
        g_string_append_c(out, ',');
    json_event_encode(out, event);
}

void
rpc_events_end(GString *out, const struct rpc_request *request, GVariant *counts, const char *token)
{
    if (request->dialect == RPC_XML) {
        xmlrpc_events_end(out, counts, token);
        xmlrpc_reply_end(out);
    } else {
        json_events_end(out, counts, token);
        jsonrpc_reply_end(out, request);
    }
}
