/* XML-RPC, values to bytes; see xmlrpc.h.  Everything is appended to one GString: no tree. */
#include "config.h"

#include "lib/wire/xmlrpc.h"

#include <string.h>

#include "lib/error.h"
#include "lib/wire/field-text.h"

/* What becomes of a byte of text: 0 as it is, 1 left out, 2 the first byte of U+FFFE or U+FFFF, or
 * the character to escape. */
static const unsigned char text_class[256] = {
    [0] = 1,  [1] = 1,    [2] = 1,     [3] = 1,     [4] = 1,     [5] = 1,     [6] = 1,
    [7] = 1,  [8] = 1,    [11] = 1,    [12] = 1,    [14] = 1,    [15] = 1,    [16] = 1,
    [17] = 1, [18] = 1,   [19] = 1,    [20] = 1,    [21] = 1,    [22] = 1,    [23] = 1,
    [24] = 1, [25] = 1,   [26] = 1,    [27] = 1,    [28] = 1,    [29] = 1,    [30] = 1,
    [31] = 1, [0xef] = 2, ['<'] = '<', ['>'] = '>', ['&'] = '&', ['"'] = '"',
};

void
xmlrpc_text_append(GString *out, const char *text)
{
    const char *run = text, *p = text;

    for (; *p; p++) {
        unsigned char what = text_class[(unsigned char)*p];
        if (what == 0)
            continue;
        size_t skip = 1;
        const char *instead = "";
        switch (what) {
        case '<':
            instead = "&lt;";
            break;
        case '>':
            instead = "&gt;";
            break;
        case '&':
            instead = "&amp;";
            break;
        case '"':
            instead = "&quot;";
            break;
        case 2:
            if ((unsigned char)p[1] != 0xbf || (unsigned char)p[2] < 0xbe)
                continue;
            skip = 3;
            break;
        }
        g_string_append_len(out, run, p - run);
        g_string_append(out, instead);
        p += skip - 1;
        run = p + 1;
    }
    g_string_append_len(out, run, p - run);
}

static void
int_append(GString *out, gint64 number)
{
    char digits[20];
    size_t i = sizeof digits;
    guint64 rest = number < 0 ? 0 - (guint64)number : (guint64)number;

    do
        digits[--i] = (char)('0' + rest % 10);
    while (rest /= 10);
    if (number < 0)
        g_string_append_c(out, '-');
    g_string_append_len(out, digits + i, (gssize)(sizeof digits - i));
}

static void
member_open(GString *out, const char *name)
{
    g_string_append(out, "<member><name>");
    xmlrpc_text_append(out, name);
    g_string_append(out, "</name>");
}

static void
text_member(GString *out, const char *name, const char *text)
{
    member_open(out, name);
    g_string_append(out, "<value>");
    xmlrpc_text_append(out, text);
    g_string_append(out, "</value></member>");
}

/* The key of a map as text. */
static void
key_append(GString *out, const struct dm_type *type, GVariant *key)
{
    switch (type->kind) {
    case DM_INT:
        int_append(out, g_variant_get_int64(key));
        break;
    case DM_DATETIME:
        datetime_append(out, g_variant_get_int64(key));
        break;
    default:
        xmlrpc_text_append(out, g_variant_get_string(key, NULL));
        break;
    }
}

static void
set_append(GString *out, const struct dm_type *type, GVariant *value)
{
    gsize n = g_variant_n_children(value);

    g_string_append(out, "<value><array><data>");
    for (gsize i = 0; i < n; i++) {
        GVariant *child = g_variant_get_child_value(value, i);
        xmlrpc_value_encode(out, type->elem, child);
        g_variant_unref(child);
    }
    g_string_append(out, "</data></array></value>");
}

static void
map_append(GString *out, const struct dm_type *type, GVariant *value)
{
    gsize n = g_variant_n_children(value);

    g_string_append(out, "<value><struct>");
    for (gsize i = 0; i < n; i++) {
        GVariant *entry = g_variant_get_child_value(value, i);
        GVariant *key = g_variant_get_child_value(entry, 0);
        GVariant *member = g_variant_get_child_value(entry, 1);
        g_string_append(out, "<member><name>");
        key_append(out, type->key, key);
        g_string_append(out, "</name>");
        xmlrpc_value_encode(out, type->elem, member);
        g_string_append(out, "</member>");
        g_variant_unref(member);
        g_variant_unref(key);
        g_variant_unref(entry);
    }
    g_string_append(out, "</struct></value>");
}

static void
field_append(GString *out, const struct dm_field *field, GVariant *value)
{
    g_string_append(out, "<member><name>");
    g_string_append(out, field->name);
    g_string_append(out, "</name>");
    xmlrpc_value_encode(out, field->type, value);
    g_string_append(out, "</member>");
}

void
xmlrpc_record_encode(GString *out, const struct dm_class *cls, GVariant *const *values)
{
    static struct field_texts texts = {.encode = field_append};

    g_string_append(out, "<value><struct>");
    for (unsigned i = 0; i < cls->n_fields; i++)
        if (values[i] && !cls->fields[i].internal_only)
            field_text_append(&texts, out, &cls->fields[i], values[i]);
    g_string_append(out, "</struct></value>");
}

static void
record_append(GString *out, const struct dm_class *cls, GVariant *value)
{
    gsize n = g_variant_n_children(value);
    unsigned next = 0;

    g_string_append(out, "<value><struct>");
    for (gsize i = 0; i < n; i++) {
        const char *name;
        GVariant *member;

        g_variant_get_child(value, i, "{&sv}", &name, &member);
        /* Members mostly come in the order of the fields. */
        const struct dm_field *field = next < cls->n_fields ? &cls->fields[next] : NULL;
        if (!field || strcmp(field->name, name) != 0)
            field = dm_field_find(cls, name);
        if (field && !field->internal_only)
            field_append(out, field, member);
        if (field)
            next = field->index + 1;
        g_variant_unref(member);
    }
    g_string_append(out, "</struct></value>");
}

static void
event_append(GString *out, GVariant *event)
{
    static const char *const texts[] = {"id", "timestamp", "class", "operation", "ref"};
    const char *text = NULL, *class_name = "";

    g_string_append(out, "<value><struct>");
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        if (g_variant_lookup(event, texts[i], "&s", &text))
            text_member(out, texts[i], text);
    g_autoptr(GVariant) snapshot =
        g_variant_lookup_value(event, "snapshot", G_VARIANT_TYPE_VARDICT);
    g_variant_lookup(event, "class", "&s", &class_name);
    const struct dm_class *cls = dm_class_find(class_name, true);
    if (snapshot && cls) {
        g_string_append(out, "<member><name>snapshot</name>");
        record_append(out, cls, snapshot);
        g_string_append(out, "</member>");
    }
    g_string_append(out, "</struct></value>");
}

void
xmlrpc_event_encode(GString *out, const struct rpc_event *event)
{
    g_string_append(out, "<value><struct>");
    text_member(out, "id", event->id);
    text_member(out, "timestamp", "0.0"); /* not used any more */
    text_member(out, "class", event->cls->lower_name);
    text_member(out, "operation", event->operation);
    text_member(out, "ref", event->ref);
    if (event->record) {
        g_string_append(out, "<member><name>snapshot</name>");
        g_string_append_len(out, event->record->str, (gssize)event->record->len);
        g_string_append(out, "</member>");
    }
    g_string_append(out, "</struct></value>");
}

void
xmlrpc_events_begin(GString *out, bool batch)
{
    if (batch)
        g_string_append(out, "<value><struct><member><name>events</name>");
    g_string_append(out, "<value><array><data>");
}

void
xmlrpc_events_end(GString *out, GVariant *counts, const char *token)
{
    const char *name;
    GVariantIter iter;
    gint32 count;

    g_string_append(out, "</data></array></value>");
    if (!token)
        return;
    g_string_append(out, "</member><member><name>valid_ref_counts</name><value><struct>");
    if (counts)
        g_variant_iter_init(&iter, counts);
    while (counts && g_variant_iter_next(&iter, "{&si}", &name, &count)) {
        member_open(out, name);
        g_string_append(out, "<value><i4>");
        int_append(out, count);
        g_string_append(out, "</i4></value></member>");
    }
    g_string_append(out, "</struct></value></member>");
    text_member(out, "token", token);
    g_string_append(out, "</struct></value>");
}

static void
event_batch_append(GString *out, const struct dm_type *type, GVariant *batch)
{
    g_autoptr(GVariant) events = g_variant_lookup_value(batch, "events", G_VARIANT_TYPE("aa{sv}"));
    g_autoptr(GVariant) counts =
        g_variant_lookup_value(batch, "valid_ref_counts", G_VARIANT_TYPE("a{si}"));
    const char *token = "";

    g_variant_lookup(batch, "token", "&s", &token);
    xmlrpc_events_begin(out, true);
    for (gsize i = 0; events && i < g_variant_n_children(events); i++) {
        g_autoptr(GVariant) event = g_variant_get_child_value(events, i);
        xmlrpc_value_encode(out, type->elem, event);
    }
    xmlrpc_events_end(out, counts, token);
}

void
xmlrpc_value_encode(GString *out, const struct dm_type *type, GVariant *value)
{
    char number[G_ASCII_DTOSTR_BUF_SIZE];

    g_return_if_fail(g_variant_is_of_type(value, G_VARIANT_TYPE(type->gvariant)));
    switch (type->kind) {
    case DM_VOID:
        g_string_append(out, "<value></value>");
        break;
    case DM_STRING:
    case DM_REF:
    case DM_ENUM:
        g_string_append(out, "<value>");
        xmlrpc_text_append(out, g_variant_get_string(value, NULL));
        g_string_append(out, "</value>");
        break;
    case DM_BOOL:
        g_string_append(out, g_variant_get_boolean(value) ? "<value><boolean>1</boolean></value>"
                                                          : "<value><boolean>0</boolean></value>");
        break;
    case DM_INT:
        g_string_append(out, "<value>");
        int_append(out, g_variant_get_int64(value));
        g_string_append(out, "</value>");
        break;
    case DM_FLOAT:
        g_string_append(out, "<value><double>");
        g_string_append(
            out, g_ascii_formatd(number, sizeof number, "%.16g", g_variant_get_double(value)));
        g_string_append(out, "</double></value>");
        break;
    case DM_DATETIME:
        g_string_append(out, "<value><dateTime.iso8601>");
        datetime_append(out, g_variant_get_int64(value));
        g_string_append(out, "</dateTime.iso8601></value>");
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
        xmlrpc_value_encode(out, type->elem, value);
        break;
    case DM_EVENT:
        event_append(out, value);
        break;
    case DM_EVENT_BATCH:
        event_batch_append(out, type, value);
        break;
    }
}

void
xmlrpc_reply_begin(GString *out)
{
    g_string_append(out, "<?xml version=\"1.0\"?><methodResponse><params><param><value><struct>"
                         "<member><name>Status</name><value>Success</value></member>"
                         "<member><name>Value</name>");
}

void
xmlrpc_reply_end(GString *out)
{
    g_string_append(out, "</member></struct></value></param></params></methodResponse>");
}

void
xmlrpc_reply_success(GString *out, const struct dm_type *type, GVariant *value, bool bare)
{
    if (bare) {
        g_string_append(out, "<?xml version=\"1.0\"?><methodResponse><params><param>");
        xmlrpc_value_encode(out, type, value);
        g_string_append(out, "</param></params></methodResponse>");
    } else {
        xmlrpc_reply_begin(out);
        xmlrpc_value_encode(out, type, value);
        xmlrpc_reply_end(out);
    }
}

void
xmlrpc_reply_failure(GString *out, const GError *error)
{
    const char *const foreign[] = {error->message, NULL};
    const char *const *params = api_error_params(error);

    g_string_append(out, "<?xml version=\"1.0\"?><methodResponse><params><param><value><struct>");
    text_member(out, "Status", "Failure");
    g_string_append(out, "<member><name>ErrorDescription</name><value><array><data><value>");
    xmlrpc_text_append(out, api_error_code(error));
    g_string_append(out, "</value>");
    for (params = params ? params : foreign; *params; params++) {
        g_string_append(out, "<value>");
        xmlrpc_text_append(out, *params);
        g_string_append(out, "</value>");
    }
    g_string_append(out, "</data></array></value></member>"
                         "</struct></value></param></params></methodResponse>");
}

void
xmlrpc_request_encode(GString *out, const char *method, const struct dm_type *const *types,
                      GVariant *const *params, unsigned n_params)
{
    g_string_append(out, "<?xml version=\"1.0\"?><methodCall><methodName>");
    xmlrpc_text_append(out, method);
    g_string_append(out, "</methodName><params>");
    for (unsigned i = 0; i < n_params; i++) {
        g_string_append(out, "<param>");
        xmlrpc_value_encode(out, types[i], params[i]);
        g_string_append(out, "</param>");
    }
    g_string_append(out, "</params></methodCall>");
}
