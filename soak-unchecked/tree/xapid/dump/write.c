/* The rows of one moment as a dump; see dump.h. */
#include "config.h"

#include <string.h>

#include "xapid/dump/dump.h"
#include "xapid/dump/value.h"
#include "xapid/model/journal.h"

struct item {
    struct model_snapshot snapshot;
    char *ref;
    guint64 created, modified;
};

struct dump {
    GArray *items; /* of struct item, by class */
    guint next;    /* the first that is not written yet */
    bool begun;
    const struct dm_class *table; /* the one that is open, or NULL */
    guint64 generation;
    GTree *journal; /* what tells of rows: key -> GVariant */
    gsize size;
};

bool
dump_has_class(const struct dm_class *cls)
{
    static const char *const left_out[] = {"session", "task", "role"};

    for (gsize i = 0; i < G_N_ELEMENTS(left_out); i++)
        if (g_str_equal(cls->name, left_out[i]))
            return false;
    return cls->in_database && cls->persistent;
}

static void
item_clear(void *data)
{
    struct item *item = data;

    model_snapshot_clear(&item->snapshot);
    g_clear_pointer(&item->ref, g_free);
}

static void
class_take(struct dump *dump, const struct model *model, const struct dm_class *cls)
{
    g_autoptr(GPtrArray) refs = model_all(model, cls);

    for (guint i = 0; i < refs->len; i++) {
        const char *ref = refs->pdata[i];
        struct item item = {.ref = g_strdup(ref),
                            .created = model_created(model, ref),
                            .modified = model_modified(model, ref)};
        model_snapshot_take(model, ref, &item.snapshot);
        dump->size += sizeof item + model_snapshot_size(&item.snapshot);
        g_array_append_val(dump->items, item);
    }
}

static int
compare_keys(const void *one, const void *another, void *data)
{
    (void)data;
    return strcmp(one, another);
}

struct dump *
dump_new(const struct model *model)
{
    struct dump *dump = g_new0(struct dump, 1);
    GHashTableIter iter;
    void *key, *value;

    dump->items = g_array_new(FALSE, FALSE, sizeof(struct item));
    g_array_set_clear_func(dump->items, item_clear);
    dump->generation = model_head(model);
    dump->journal = g_tree_new_full(compare_keys, NULL, g_free, (GDestroyNotify)g_variant_unref);
    g_hash_table_iter_init(&iter, model_journal(model));
    while (g_hash_table_iter_next(&iter, &key, &value))
        if (journal_row_type(key))
            g_tree_insert(dump->journal, g_strdup(key), g_variant_ref(value));
    for (unsigned i = 0; i < dm_n_classes; i++)
        if (dump_has_class(&dm_classes[i]))
            class_take(dump, model, &dm_classes[i]);
    return dump;
}

void
dump_free(struct dump *dump)
{
    if (!dump)
        return;
    g_array_unref(dump->items);
    g_tree_unref(dump->journal);
    g_free(dump);
}

gsize
dump_size(const struct dump *dump)
{
    return dump->size;
}

/* XML readers make spaces of line ends and tabs in attributes, unless they are spelled out. */
static void
append_attribute(GString *out, const char *name, const char *value)
{
    g_string_append_printf(out, " %s=\"", name);
    for (const char *p = value; *p; p++) {
        static const char special[] = "<>&\"\n\r\t";
        gsize plain = strcspn(p, special);
        g_string_append_len(out, p, (gssize)plain);
        p += plain;
        if (!*p)
            break;
        g_string_append_printf(out, "&#%d;", *p);
    }
    g_string_append_c(out, '"');
}

static void
append_pair(GString *out, const char *key, const char *value)
{
    g_string_append(out, "<pair");
    append_attribute(out, "key", key);
    append_attribute(out, "value", value);
    g_string_append(out, "/>\n");
}

static void
append_number(GString *out, const char *key, guint64 number)
{
    g_autofree char *text = g_strdup_printf("%" G_GUINT64_FORMAT, number);

    append_pair(out, key, text);
}

static gboolean
append_entry(gpointer key, gpointer value, gpointer data)
{
    g_autofree char *text = g_variant_print(value, FALSE);

    append_pair(data, key, text);
    return FALSE;
}

static void
append_manifest(const struct dump *dump, GString *out)
{
    g_string_append(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<database>\n<manifest>\n");
    append_pair(out, "product", "xapid");
    append_number(out, "dump_version", DUMP_VERSION);
    append_number(out, "schema_major_vsn", (guint64)dm_db_schema_major);
    append_number(out, "schema_minor_vsn", (guint64)dm_db_schema_minor);
    append_number(out, "generation_count", dump->generation);
    g_tree_foreach(dump->journal, append_entry, out);
    g_string_append(out, "</manifest>\n");
}

static void
append_row(GString *out, const struct item *item)
{
    const struct dm_class *cls = item->snapshot.cls;
    g_autoptr(GString) text = g_string_new(NULL);

    g_string_append(out, "<row");
    append_attribute(out, "ref", item->ref);
    g_string_append_printf(out,
                           " __ctime=\"%" G_GUINT64_FORMAT "\" __mtime=\"%" G_GUINT64_FORMAT "\"",
                           item->created, item->modified);
    for (unsigned i = 0; i < cls->n_fields; i++) {
        if (cls->fields[i].storage != DM_DURABLE)
            continue;
        g_autoptr(GVariant) value = model_snapshot_kept(&item->snapshot, &cls->fields[i]);
        g_string_truncate(text, 0);
        dump_value_append(text, cls->fields[i].type, value);
        append_attribute(out, cls->fields[i].name, text->str);
    }
    g_string_append(out, "/>\n");
}

static void
open_table(struct dump *dump, GString *out, const struct dm_class *cls)
{
    if (dump->table == cls)
        return;
    if (dump->table)
        g_string_append(out, "</table>\n");
    if (cls)
        g_string_append_printf(out, "<table name=\"%s\">\n", cls->name);
    dump->table = cls;
}

bool
dump_next(struct dump *dump, GString *out, gsize enough)
{
    gsize before = out->len;

    if (!dump->begun)
        append_manifest(dump, out);
    dump->begun = true;
    while (dump->next < dump->items->len && out->len - before < enough) {
        struct item *item = &g_array_index(dump->items, struct item, dump->next);
        open_table(dump, out, item->snapshot.cls);
        append_row(out, item);
        item_clear(item);
        dump->next++;
    }
    if (dump->next < dump->items->len)
        return true;
    open_table(dump, out, NULL);
    g_string_append(out, "</database>\n");
    return false;
}
