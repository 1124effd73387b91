/* A dump as a model; see dump.h.  What is read may come from anywhere: a row is taken when each of
 * its attributes is a field that is kept with a value of its type, the whole when the model's
 * invariants hold. */
#include "config.h"

#include <libxml/xmlreader.h>
#include <string.h>

#include "lib/error.h"
#include "lib/text.h"
#include "xapid/dump/dump.h"
#include "xapid/dump/text.h"
#include "xapid/dump/value.h"
#include "xapid/model/journal.h"
#include "xapid/model/roles.h"

#define SHOWN_MAX 64 /* bytes of what is quoted in a message */
#define GENERATION_MAX (G_GUINT64_CONSTANT(1) << 62)

struct reading {
    const char *text;
    gsize length;
    xmlTextReaderPtr xml;
    guint n_tags; /* start tags so far */
    struct model *model;
    GHashTable *tags;   /* ref -> number of its row's tag */
    GHashTable *tables; /* names of those that are done */
    GHashTable *pairs;  /* of the manifest */
    const struct dm_class *cls;
    char *malformed; /* what the XML parser says first */
    guint malformed_line;
    GError **error;
};

static bool refuse(struct reading *r, guint line, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* Always false; the first reason counts.  line 0: that of the tag the reader stands on. */
static bool
refuse(struct reading *r, guint line, const char *format, ...)
{
    va_list ap;

    if (*r->error)
        return false;
    va_start(ap, format);
    g_autofree char *why = g_strdup_vprintf(format, ap);
    va_end(ap);
    if (!line)
        line = dump_text_line(r->text, r->length, r->n_tags);
    g_autofree char *text = g_strdup_printf("line %u: %s", line, why);
    api_error_set(r->error, "INVALID_VALUE", "dump", text, NULL);
    return false;
}

/* So much of a text from outside as a message shows; the caller frees. */
static char *
shown(const char *text)
{
    gsize length = strlen(text);
    g_autofree char *start = text_clean(text, (gssize)MIN(length, SHOWN_MAX));

    return g_strconcat(start, length > SHOWN_MAX ? "..." : "", NULL);
}

static void
on_malformed(void *data, xmlErrorPtr xml_error)
{
    struct reading *r = data;

    if (r->malformed)
        return;
    r->malformed = g_strstrip(text_clean(xml_error->message ? xml_error->message : "", -1));
    r->malformed_line = (guint)MAX(xml_error->line, 1);
}

/* ---- tags ---- */

/* The next start or end of an element, with blanks alone between; 0: the end, or an error. */
static int
next_tag(struct reading *r)
{
    while (xmlTextReaderRead(r->xml) == 1) {
        int node = xmlTextReaderNodeType(r->xml);

        if (node == XML_READER_TYPE_ELEMENT)
            r->n_tags++;
        if (node == XML_READER_TYPE_ELEMENT || node == XML_READER_TYPE_END_ELEMENT)
            return node;
        if (node != XML_READER_TYPE_WHITESPACE && node != XML_READER_TYPE_SIGNIFICANT_WHITESPACE)
            return refuse(r, 0, "text behind this tag"), 0;
    }
    if (r->malformed)
        refuse(r, r->malformed_line, "malformed: %s", r->malformed);
    return 0;
}

static bool
is_named(const struct reading *r, const char *name)
{
    return g_str_equal((const char *)xmlTextReaderConstName(r->xml), name);
}

/* Calls each for every element inside the current one, all of them of one name and empty unless
 * `each` reads what is in them. */
static bool
inside(struct reading *r, const char *name, bool (*each)(struct reading *r))
{
    int node;

    if (xmlTextReaderIsEmptyElement(r->xml) == 1)
        return true;
    while ((node = next_tag(r)) == XML_READER_TYPE_ELEMENT) {
        if (!is_named(r, name))
            return refuse(r, 0, "not a <%s>", name);
        if (!each(r))
            return false;
    }
    return node == XML_READER_TYPE_END_ELEMENT || refuse(r, 0, "the rest is missing");
}

static bool
ends_at_once(struct reading *r)
{
    xmlTextReaderMoveToElement(r->xml);
    return xmlTextReaderIsEmptyElement(r->xml) == 1 || next_tag(r) == XML_READER_TYPE_END_ELEMENT ||
           refuse(r, 0, "must be empty");
}

/* The caller frees; NULL: there is none. */
static char *
attribute(const struct reading *r, const char *name)
{
    xmlChar *value = xmlTextReaderGetAttribute(r->xml, (const xmlChar *)name);
    char *copy = g_strdup((const char *)value);

    xmlFree(value);
    return copy;
}

/* ---- the manifest ---- */

static bool
read_pair(struct reading *r)
{
    char *key = attribute(r, "key"), *value = attribute(r, "value");

    if (!key || !value || g_hash_table_contains(r->pairs, key)) {
        g_free(key);
        g_free(value);
        return refuse(r, 0, "a pair needs a key of its own and a value");
    }
    g_hash_table_insert(r->pairs, key, value);
    return ends_at_once(r);
}

static bool
pair_is(struct reading *r, const char *key, gint64 number)
{
    const char *value = g_hash_table_lookup(r->pairs, key);
    g_autofree char *wanted = g_strdup_printf("%" G_GINT64_FORMAT, number);

    if (g_strcmp0(value, wanted) == 0)
        return true;
    g_autofree char *clean = shown(value ? value : "missing");
    return refuse(r, 0, "%s is %s: this xapid reads %s", key, clean, wanted);
}

static bool
journal_take(struct reading *r)
{
    GHashTableIter iter;
    void *key, *text;

    g_hash_table_iter_init(&iter, r->pairs);
    while (g_hash_table_iter_next(&iter, &key, &text)) {
        const char *type = journal_row_type(key);
        g_autoptr(GVariant) value =
            type ? g_variant_parse(G_VARIANT_TYPE(type), text, NULL, NULL, NULL) : NULL;
        if (type && !value) {
            g_autofree char *clean = shown(key);
            return refuse(r, 0, "%s is no entry of the journal", clean);
        }
        if (value)
            model_load_journal(r->model, key, value);
    }
    return true;
}

static bool
read_manifest(struct reading *r, guint64 *ret_generation)
{
    if (next_tag(r) != XML_READER_TYPE_ELEMENT || !is_named(r, "manifest"))
        return refuse(r, 0, "a <manifest> must come first");
    if (!inside(r, "pair", read_pair))
        return false;
    if (g_strcmp0(g_hash_table_lookup(r->pairs, "product"), "xapid") != 0)
        return refuse(r, 0, "not a dump of xapid");
    if (!pair_is(r, "dump_version", DUMP_VERSION) ||
        !pair_is(r, "schema_major_vsn", dm_db_schema_major) ||
        !pair_is(r, "schema_minor_vsn", dm_db_schema_minor))
        return false;
    const char *generation = g_hash_table_lookup(r->pairs, "generation_count");
    if (!generation ||
        !g_ascii_string_to_unsigned(generation, 10, 0, GENERATION_MAX, ret_generation, NULL))
        return refuse(r, 0, "no generation_count");
    model_load_journal(r->model, JOURNAL_RESTORED, g_variant_new(JOURNAL_RESTORED_TYPE, TRUE));
    return journal_take(r);
}

/* ---- rows ---- */

/* Adds the attribute that the reader stands on; *ret_ref: when it is that one (the caller frees).
 */
static bool
read_attribute(struct reading *r, GVariantBuilder *fields, char **ret_ref)
{
    const char *name = (const char *)xmlTextReaderConstName(r->xml);
    const char *text = (const char *)xmlTextReaderConstValue(r->xml);

    if (!text)
        text = "";
    if (g_str_equal(name, "ref")) {
        *ret_ref = g_strdup(text);
        return true;
    }
    if (g_str_equal(name, "__ctime") || g_str_equal(name, "__mtime"))
        return true;
    const struct dm_field *field = dm_field_find(r->cls, name);
    g_autofree char *clean_name = shown(name);
    if (!field || field->storage != DM_DURABLE)
        return refuse(r, 0, "%s %s: %s: not a field that is kept", r->cls->name,
                      *ret_ref ? *ret_ref : "row", clean_name);
    g_autoptr(GVariant) value = dump_value(field->type, text);
    g_autofree char *clean = shown(text);
    if (!value)
        return refuse(r, 0, "%s %s: %s: \"%s\" is no %s", r->cls->name, *ret_ref ? *ret_ref : "row",
                      field->name, clean, field->type->name);
    g_variant_builder_add(fields, "{sv}", field->name, value);
    return true;
}

static bool
read_attributes(struct reading *r, GVariant **ret_fields, char **ret_ref)
{
    GVariantBuilder fields;
    bool ok = true;
    int more;

    g_variant_builder_init(&fields, G_VARIANT_TYPE_VARDICT);
    while (ok && (more = xmlTextReaderMoveToNextAttribute(r->xml)) == 1)
        ok = read_attribute(r, &fields, ret_ref);
    *ret_fields = g_variant_ref_sink(g_variant_builder_end(&fields));
    return ok;
}

static bool
read_row(struct reading *r)
{
    g_autoptr(GVariant) fields = NULL;
    g_autofree char *ref = NULL;
    g_autoptr(GError) why = NULL;

    if (!read_attributes(r, &fields, &ref))
        return false;
    if (!ref || !g_str_has_prefix(ref, REF_PREFIX))
        return refuse(r, 0, "%s: a row needs its ref", r->cls->name);
    if (!model_load_row(r->model, r->cls->name, ref, fields, 1, 1, &why)) {
        g_autofree char *clean = shown(ref);
        return refuse(r, 0, "%s %s: %s", r->cls->name, clean, why->message);
    }
    g_hash_table_insert(r->tags, g_steal_pointer(&ref), GUINT_TO_POINTER(r->n_tags));
    return ends_at_once(r);
}

static bool
read_table(struct reading *r)
{
    g_autofree char *name = attribute(r, "name");
    g_autofree char *clean = shown(name ? name : "without a name");

    r->cls = name ? dm_class_find(name, false) : NULL;
    if (!r->cls || !dump_has_class(r->cls))
        return refuse(r, 0, "table %s: not one that a dump has", clean);
    if (!g_hash_table_add(r->tables, g_steal_pointer(&name)))
        return refuse(r, 0, "table %s: a second one", clean);
    return inside(r, "row", read_row);
}

/* ---- the whole ---- */

static void
refuse_fault(const struct model_fault *fault, void *data)
{
    struct reading *r = data;
    guint tag = GPOINTER_TO_UINT(g_hash_table_lookup(r->tags, fault->ref));
    g_autofree char *text = model_fault_text(fault);

    refuse(r, MAX(dump_text_line(r->text, r->length, tag), 1), "%s", text);
}

static bool
check_whole(struct reading *r)
{
    const struct dm_class *pool = dm_class_find("pool", false);

    /* It fails with the first of what is told next. */
    (void)model_load_done(r->model, 1, NULL);
    if (model_check(r->model, refuse_fault, r))
        return false;
    if (model_count(r->model, pool) != 1)
        return refuse(r, 1, "it has %u pools, and not the one that a database has",
                      model_count(r->model, pool));
    return true;
}

static bool
read_whole(struct reading *r, guint64 *ret_generation)
{
    guint line;
    const char *why = dump_text_check(r->text, r->length, &line);

    if (why)
        return refuse(r, line, "%s", why);
    xmlInitParser();
    r->xml = xmlReaderForMemory(r->text, (int)r->length, NULL, "UTF-8",
                                XML_PARSE_NONET | XML_PARSE_IGNORE_ENC | XML_PARSE_COMPACT);
    if (!r->xml)
        return refuse(r, 1, "not XML");
    xmlTextReaderSetStructuredErrorHandler(r->xml, on_malformed, r);
    if (next_tag(r) != XML_READER_TYPE_ELEMENT || !is_named(r, "database"))
        return refuse(r, 1, "not a <database>");
    if (!read_manifest(r, ret_generation) || !roles_load(r->model, r->error) ||
        !inside(r, "table", read_table))
        return false;
    if (next_tag(r) != 0 || *r->error || xmlTextReaderRead(r->xml) != 0)
        return refuse(r, 0, "something behind the end");
    return check_whole(r);
}

struct model *
dump_read(const char *text, gsize length, guint64 *ret_generation, GError **error)
{
    GError *why = NULL;
    guint64 generation = 0;
    struct reading r = {.text = text, .length = length, .model = model_new(), .error = &why};

    r.tags = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    r.tables = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    r.pairs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    bool ok = read_whole(&r, &generation);
    if (r.xml)
        xmlFreeTextReader(r.xml);
    g_hash_table_unref(r.tags);
    g_hash_table_unref(r.tables);
    g_hash_table_unref(r.pairs);
    g_free(r.malformed);
    if (ok) {
        *ret_generation = generation;
        return r.model;
    }
    model_free(r.model);
    g_propagate_error(error, why);
    return NULL;
}
