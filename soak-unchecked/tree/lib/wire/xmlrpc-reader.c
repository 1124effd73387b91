/* Opening XML documents and reading XML-RPC values; see xmlrpc-reader.h.
 *
 * A scan of the raw bytes comes first and refuses what XML-RPC never has and XML parsers choke on
 * (DOCTYPE, tags with endless attributes); then libxml2's reader goes through the document once,
 * forward only, with our own limits on depth and count. */
#include "config.h"

#include "lib/wire/xmlrpc-reader.h"

#include <string.h>

#include "lib/error.h"
#include "lib/text.h"
#include "lib/wire/xmlrpc.h"

#define MAX_TAG 1024 /* bytes of one tag: XML-RPC needs about 20; attributes are ignored */

void
xml_set_failure(GError **error, const char *expected, const char *received)
{
    api_error_set(error, "XMLRPC_UNMARSHAL_FAILURE", expected, received, NULL);
}

/* The end of a tag that starts after '<', or NULL when it is too long or has none. */
static const char *
scan_tag(const char *p, const char *end)
{
    const char *limit = end - p > MAX_TAG ? p + MAX_TAG : end;
    char quote = 0;

    for (; p < limit; p++) {
        if (quote) {
            if (*p == quote)
                quote = 0;
        } else if (*p == '"' || *p == '\'') {
            quote = *p;
        } else if (*p == '>') {
            return p;
        }
    }
    return NULL;
}

static const char *
scan_until(const char *p, const char *end, const char *what)
{
    const char *found = memmem(p, (size_t)(end - p), what, strlen(what));

    return found ? found + strlen(what) - 1 : NULL;
}

static bool
starts_with(const char *p, const char *end, const char *what)
{
    return (size_t)(end - p) >= strlen(what) && memcmp(p, what, strlen(what)) == 0;
}

static bool
scan(const char *body, size_t length, GError **error)
{
    const char *end = body + length;

    if (!text_is_valid(body, (gssize)length)) {
        api_error_set(error, "INVALID_VALUE", "request", "not UTF-8, or characters beyond XML's",
                      NULL);
        return false;
    }
    for (const char *p = body; (p = memchr(p, '<', (size_t)(end - p))); p++) {
        p++;
        if (starts_with(p, end, "!--"))
            p = scan_until(p + 3, end, "-->");
        else if (starts_with(p, end, "![CDATA["))
            p = scan_until(p, end, "]]>");
        else if (starts_with(p, end, "?"))
            p = scan_until(p, end, "?>");
        else if (starts_with(p, end, "!")) {
            xml_set_failure(error, "XML-RPC", "a document type definition");
            return false;
        } else
            p = scan_tag(p, end);
        if (!p) {
            xml_set_failure(error, "XML-RPC", "an unfinished or endless tag");
            return false;
        }
    }
    return true;
}

/* Moves to the next node that counts; false at the end of the document and on an error. */
static bool
advance(struct xml_parser *p)
{
    for (;;) {
        if (xmlTextReaderRead(p->reader) != 1) {
            p->node = 0;
            return false;
        }
        p->node = xmlTextReaderNodeType(p->reader);
        if (p->node == XML_READER_TYPE_COMMENT || p->node == XML_READER_TYPE_PROCESSING_INSTRUCTION)
            continue;
        if (p->node == XML_READER_TYPE_ELEMENT &&
            xmlTextReaderDepth(p->reader) >= XMLRPC_MAX_DEPTH) {
            p->node = 0;
            xml_set_failure(p->error, "XML-RPC", "elements nested too deep");
            return false;
        }
        return true;
    }
}

static bool
is_text(const struct xml_parser *p)
{
    return p->node == XML_READER_TYPE_TEXT || p->node == XML_READER_TYPE_CDATA ||
           p->node == XML_READER_TYPE_WHITESPACE ||
           p->node == XML_READER_TYPE_SIGNIFICANT_WHITESPACE;
}

static bool
is_blank(const char *text)
{
    return text[strspn(text, " \t\r\n")] == '\0';
}

/* Moves to the next start or end of an element; only blank text may stand between. */
bool
xml_advance_tag(struct xml_parser *p)
{
    while (advance(p)) {
        if (p->node == XML_READER_TYPE_ELEMENT || p->node == XML_READER_TYPE_END_ELEMENT)
            return true;
        if (!is_text(p) || !is_blank((const char *)xmlTextReaderConstValue(p->reader)))
            return false;
    }
    return false;
}

static const char *
node_name(const struct xml_parser *p)
{
    return (const char *)xmlTextReaderConstLocalName(p->reader);
}

bool
xml_at_start(const struct xml_parser *p, const char *name)
{
    return p->node == XML_READER_TYPE_ELEMENT && strcmp(node_name(p), name) == 0;
}

bool
xml_at_end(const struct xml_parser *p, const char *name)
{
    return p->node == XML_READER_TYPE_END_ELEMENT && strcmp(node_name(p), name) == 0;
}

bool
xml_is_empty(const struct xml_parser *p)
{
    return xmlTextReaderIsEmptyElement(p->reader) == 1;
}

/* Sets the error, unless one is set already, from where the reader stands; always false. */
bool
xml_unexpected(struct xml_parser *p, const char *expected)
{
    if (!p->error || *p->error)
        return false;
    if (p->node == XML_READER_TYPE_ELEMENT || p->node == XML_READER_TYPE_END_ELEMENT) {
        g_autofree char *clean = text_clean(node_name(p), -1);
        g_autofree char *tag =
            g_strdup_printf(p->node == XML_READER_TYPE_ELEMENT ? "<%.64s>" : "</%.64s>", clean);
        xml_set_failure(p->error, expected, tag);
    } else {
        xml_set_failure(p->error, expected, p->node ? "text" : "the end, or malformed XML");
    }
    return false;
}

/* The text inside the current element, up to its end tag; NULL on an error. */
char *
xml_read_text(struct xml_parser *p, const char *name)
{
    GString *text = g_string_new(NULL);

    if (xml_is_empty(p))
        return g_string_free(text, FALSE);
    while (advance(p) && is_text(p))
        g_string_append(text, (const char *)xmlTextReaderConstValue(p->reader));
    if (xml_at_end(p, name))
        return g_string_free(text, FALSE);
    g_string_free(text, TRUE);
    xml_unexpected(p, name);
    return NULL;
}

/* <array><data><value/>...</data></array>, also without data. */
static GVariant *
read_array(struct xml_parser *p)
{
    g_autoptr(GPtrArray) values = g_ptr_array_new_with_free_func((GDestroyNotify)g_variant_unref);
    bool data = false;

    if (!xml_is_empty(p)) {
        if (!xml_advance_tag(p))
            return xml_unexpected(p, "data"), NULL;
        if (xml_at_start(p, "data")) {
            data = !xml_is_empty(p);
            while (data && xml_advance_tag(p) && xml_at_start(p, "value")) {
                GVariant *value = xml_read_value(p);
                if (!value)
                    return NULL;
                g_ptr_array_add(values, g_variant_ref_sink(g_variant_new_variant(value)));
            }
            if (data && !xml_at_end(p, "data"))
                return xml_unexpected(p, "value"), NULL;
            xml_advance_tag(p);
        }
        if (!xml_at_end(p, "array"))
            return xml_unexpected(p, "array"), NULL;
    }
    return g_variant_new_array(G_VARIANT_TYPE_VARIANT, (GVariant *const *)values->pdata,
                               values->len);
}

/* <member><name/><value/></member>: the reader stands on <member>. */
static bool
read_member(struct xml_parser *p, char **ret_name, GVariant **ret_value)
{
    if (xml_is_empty(p) || !xml_advance_tag(p) || !xml_at_start(p, "name"))
        return xml_unexpected(p, "name");
    g_autofree char *name = xml_read_text(p, "name");
    if (!name)
        return false;
    if (!xml_advance_tag(p) || !xml_at_start(p, "value"))
        return xml_unexpected(p, "value");
    g_autoptr(GVariant) value = xml_read_value(p);
    if (!value)
        return false;
    g_variant_ref_sink(value);
    if (!xml_advance_tag(p) || !xml_at_end(p, "member"))
        return xml_unexpected(p, "/member");
    *ret_name = g_steal_pointer(&name);
    *ret_value = g_steal_pointer(&value);
    return true;
}

static GVariant *
read_struct(struct xml_parser *p)
{
    g_autoptr(GHashTable) members = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    bool open = !xml_is_empty(p);
    g_autoptr(GPtrArray) values = g_ptr_array_new_with_free_func((GDestroyNotify)g_variant_unref);

    while (open) {
        char *name = NULL;
        GVariant *value = NULL;

        if (!xml_advance_tag(p))
            return xml_unexpected(p, "member"), NULL;
        if (xml_at_end(p, "struct"))
            break;
        if (!xml_at_start(p, "member"))
            return xml_unexpected(p, "member"), NULL;
        if (!read_member(p, &name, &value))
            return NULL;
        gpointer place;
        if (g_hash_table_lookup_extended(members, name, NULL, &place)) {
            g_variant_unref(values->pdata[GPOINTER_TO_UINT(place)]);
            values->pdata[GPOINTER_TO_UINT(place)] = value;
            g_free(name);
        } else {
            g_hash_table_insert(members, name, GUINT_TO_POINTER(values->len));
            g_ptr_array_add(names, name);
            g_ptr_array_add(values, value);
        }
    }
    GVariantBuilder builder;
    g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
    for (guint i = 0; i < names->len; i++)
        g_variant_builder_add(&builder, "{sv}", names->pdata[i], values->pdata[i]);
    return g_variant_builder_end(&builder);
}

static GVariant *
scalar_from_text(const char *type, const char *text)
{
    gint64 number;
    double real;
    char *end;

    if (strcmp(type, "string") == 0 || strcmp(type, "dateTime.iso8601") == 0)
        return g_variant_new_string(text);
    if (strcmp(type, "int") == 0 || strcmp(type, "i4") == 0 || strcmp(type, "i8") == 0) {
        if (!g_ascii_string_to_signed(text, 10, G_MININT64, G_MAXINT64, &number, NULL))
            return NULL;
        return g_variant_new_int64(number);
    }
    if (strcmp(type, "boolean") == 0) {
        if (strcmp(text, "0") != 0 && strcmp(text, "1") != 0)
            return NULL;
        return g_variant_new_boolean(*text == '1');
    }
    real = g_ascii_strtod(text, &end);
    return end != text && *end == '\0' ? g_variant_new_double(real) : NULL;
}

/* The typed element inside a <value>; the reader stands on it, and on its end tag afterwards. */
static GVariant *
read_typed(struct xml_parser *p)
{
    static const char *const scalars[] = {"string",          "int", "i4", "i8", "boolean", "double",
                                          "dateTime.iso8601"};

    if (xml_at_start(p, "array"))
        return read_array(p);
    if (xml_at_start(p, "struct"))
        return read_struct(p);
    if (xml_at_start(p, "nil")) {
        g_autofree char *text = xml_read_text(p, "nil");
        return text ? g_variant_new_tuple(NULL, 0) : NULL;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(scalars); i++) {
        if (!xml_at_start(p, scalars[i]))
            continue;
        g_autofree char *text = xml_read_text(p, scalars[i]);
        if (!text)
            return NULL;
        GVariant *value = scalar_from_text(scalars[i], text);
        if (!value) {
            text[MIN(strlen(text), 64)] = '\0';
            xml_set_failure(p->error, scalars[i], text);
        }
        return value;
    }
    xml_unexpected(p, "a value's type");
    return NULL;
}

/* <value>: the reader stands on it, and on its end tag afterwards.  Floating. */
GVariant *
xml_read_value(struct xml_parser *p)
{
    g_autoptr(GString) text = g_string_new(NULL);

    if (++p->count > p->max_values) {
        xml_set_failure(p->error, "XML-RPC", "too many values");
        return NULL;
    }
    if (xml_is_empty(p))
        return g_variant_new_string("");
    while (advance(p) && is_text(p))
        g_string_append(text, (const char *)xmlTextReaderConstValue(p->reader));
    if (xml_at_end(p, "value"))
        return g_variant_new_string(text->str);
    if (p->node != XML_READER_TYPE_ELEMENT || !is_blank(text->str))
        return xml_unexpected(p, "value"), NULL;
    GVariant *value = read_typed(p);
    if (!value)
        return NULL;
    if (!xml_advance_tag(p) || !xml_at_end(p, "value")) {
        g_variant_unref(g_variant_ref_sink(value));
        return xml_unexpected(p, "/value"), NULL;
    }
    return value;
}

/* Opens the document and stands on its root element. */
bool
xml_open(struct xml_parser *p, const char *body, size_t length, const char *root)
{
    if (length > G_MAXINT) {
        xml_set_failure(p->error, root, "too many bytes");
        return false;
    }
    if (!scan(body, length, p->error))
        return false;
    xmlInitParser();
    p->reader = xmlReaderForMemory(body, (int)length, NULL, "UTF-8",
                                   XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING |
                                       XML_PARSE_IGNORE_ENC | XML_PARSE_COMPACT);
    if (!p->reader) {
        xml_set_failure(p->error, root, "nothing");
        return false;
    }
    if (!xml_advance_tag(p) || !xml_at_start(p, root))
        return xml_unexpected(p, root);
    return true;
}

/* True when nothing but the end of a well-formed document follows. */
bool
xml_finish(struct xml_parser *p)
{
    while (advance(p))
        if (!is_text(p))
            return xml_unexpected(p, "the end");
    if (xmlTextReaderReadState(p->reader) != XML_TEXTREADER_MODE_EOF)
        return xml_unexpected(p, "the end");
    return true;
}

void
xml_close(struct xml_parser *p)
{
    if (p->reader)
        xmlFreeTextReader(p->reader);
}
