/* Filling a new model with what the store kept. */
#include "config.h"

#include <stdlib.h>

#include "lib/error.h"
#include "lib/text.h"
#include "xapid/model/internal.h"

/* What the store has for a field as it can be used today, a full reference; NULL: the default. */
static GVariant *
field_load(const struct dm_field *field, GVariant *value)
{
    if (field->storage != DM_DURABLE || !dm_type_check(field->type, value))
        return NULL;
    return value_kept(field->type, value);
}

static GVariant *
row_load(const struct dm_class *cls, GVariant *fields)
{
    g_autofree GVariant **values = g_new0(GVariant *, cls->n_fields);
    gsize n = g_variant_n_children(fields);

    for (gsize i = 0; i < n; i++) {
        const char *name;
        g_autoptr(GVariant) value = NULL;
        g_variant_get_child(fields, i, "{&sv}", &name, &value);
        const struct dm_field *field = dm_field_find(cls, name);
        if (field && !values[field->index])
            values[field->index] = field_load(field, value);
    }
    GVariant *row = row_new(cls, values, NULL);
    for (unsigned i = 0; i < cls->n_fields; i++)
        if (values[i])
            g_variant_unref(values[i]);
    return row;
}

bool
model_load_row(struct model *model, const char *cls_name, const char *ref, GVariant *fields,
               guint64 created, guint64 modified, GError **error)
{
    const struct dm_class *cls = dm_class_find(cls_name, false);

    model->loading = true;
    /* Of a class that an older version kept on disk and this one does not. */
    if (cls && cls->in_database && !cls->persistent)
        return true;
    if (!cls || !cls->in_database) {
        api_error_set(error, "INTERNAL_ERROR", "stored row of an unknown class", cls_name, ref,
                      NULL);
        return false;
    }
    if (!*ref || g_str_equal(ref, REF_NULL) || !text_is_valid(ref, -1) || node_find(model, ref)) {
        api_error_set(error, "INTERNAL_ERROR", "stored row with a bad reference", cls_name, ref,
                      NULL);
        return false;
    }
    struct table *table = table_of(model, cls);
    g_autoptr(GVariant) row = row_load(cls, fields);
    const char *uuid = table->uuid ? row_string(row, table->uuid) : "";
    if (*uuid && g_hash_table_contains(table->uuids, uuid)) {
        api_error_set(error, "DB_UNIQUENESS_CONSTRAINT_VIOLATION", cls_name, "uuid", uuid, NULL);
        return false;
    }
    struct node *node = node_new(model, table, ref);
    node->created = created;
    node->modified = node->shown = modified;
    node_index(model, node, NULL, row);
    return true;
}

struct row_check {
    model_fault_fn tell;
    void *data;
    const char *cls, *ref, *uuid;
    guint n_faults;
};

static void
row_fault(struct row_check *check, const char *field, const char *what)
{
    const struct model_fault fault = {
        .cls = check->cls, .ref = check->ref, .uuid = check->uuid, .field = field, .what = what};

    check->n_faults++;
    check->tell(&fault, check->data);
}

static void
field_check(struct row_check *check, const struct dm_class *cls, const char *name, GVariant *value,
            GHashTable *seen)
{
    const struct dm_field *field = dm_field_find(cls, name);

    if (!field)
        row_fault(check, name, "not a field of the class");
    else if (field->storage != DM_DURABLE)
        row_fault(check, name, "not a field that is kept");
    else if (!dm_type_check(field->type, value))
        row_fault(check, name, "not a value of its type");
    if (!g_hash_table_add(seen, (char *)name))
        row_fault(check, name, "is there twice");
}

guint
model_check_row(const char *cls_name, const char *ref, GVariant *fields, model_fault_fn tell,
                void *data)
{
    struct row_check check = {.tell = tell, .data = data, .cls = cls_name, .ref = ref, .uuid = ""};
    const struct dm_class *cls = dm_class_find(cls_name, false);
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

    if (!cls || !cls->in_database || !cls->persistent) {
        row_fault(&check, "", "its class is none that is kept");
        return check.n_faults;
    }
    g_variant_lookup(fields, "uuid", "&s", &check.uuid);
    for (gsize i = 0; i < g_variant_n_children(fields); i++) {
        const char *name;
        g_autoptr(GVariant) value = NULL;
        g_variant_get_child(fields, i, "{&sv}", &name, &value);
        field_check(&check, cls, name, value, seen);
    }
    if (cls->has_uuid && !*check.uuid)
        row_fault(&check, "uuid", "missing");
    return check.n_faults;
}

void
model_load_journal(struct model *model, const char *key, GVariant *value)
{
    g_hash_table_replace(model->journal, g_strdup(key), g_variant_ref_sink(value));
}

static int
node_compare(const void *a, const void *b)
{
    const struct node *first = *(struct node *const *)a, *second = *(struct node *const *)b;

    if (first->modified != second->modified)
        return first->modified < second->modified ? -1 : 1;
    return first->seq < second->seq ? -1 : first->seq > second->seq;
}

/* Links the rows by their last change and indexes their references. */
static void
table_load_done(struct model *model, struct table *table, guint64 generation)
{
    guint n = table->all.n;
    g_autofree struct node **nodes = g_memdup2(table->all.items, n * sizeof *nodes);

    if (n)
        qsort(nodes, n, sizeof *nodes, node_compare);
    for (guint i = 0; i < n; i++) {
        nodes[i]->modified = nodes[i]->shown = MIN(nodes[i]->modified, generation);
        nodes[i]->created = MIN(nodes[i]->created, nodes[i]->modified);
        node_link(nodes[i]);
        node_index_refs(model, nodes[i], nodes[i]->row, NULL, true);
    }
    /* Deletions are not stored: a token from before this start may have missed some. */
    table->lost = table->changed = generation;
}

bool
model_load_done(struct model *model, guint64 generation, GError **error)
{
    for (unsigned i = 0; i < dm_n_classes; i++)
        table_load_done(model, &model->tables[i], generation);
    model->head = model->durable = MAX(generation, 1);
    model->loading = false;
    g_autofree char *violation = model_fsck(model);
    if (!violation)
        return true;
    api_error_set(error, "INTERNAL_ERROR", "the stored objects do not agree", violation, NULL);
    return false;
}
