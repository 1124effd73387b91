/* The model's life and the reading of it; see model.h. */
#include "config.h"

#include "xapid/model/model.h"

#include <string.h>

#include "lib/error.h"
#include "xapid/model/internal.h"

struct model *
model_new(void)
{
    struct model *model = g_new0(struct model, 1);

    model->tables = g_new0(struct table, dm_n_classes);
    for (unsigned i = 0; i < dm_n_classes; i++)
        table_init(&model->tables[i], &dm_classes[i]);
    model->by_ref = g_hash_table_new(g_str_hash, g_str_equal);
    model->journal =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_variant_unref);
    /* 0 is no generation: txn_commit () says by it that it failed. */
    model->head = model->durable = 1;
    durable_init(model);
    return model;
}

void
model_free(struct model *model)
{
    GHashTableIter iter;
    void *node;

    if (!model)
        return;
    durable_clear(model);
    g_hash_table_iter_init(&iter, model->by_ref);
    while (g_hash_table_iter_next(&iter, NULL, &node))
        node_free(node);
    g_hash_table_unref(model->by_ref);
    g_hash_table_unref(model->journal);
    for (unsigned i = 0; i < dm_n_classes; i++)
        table_clear(&model->tables[i]);
    g_free(model->tables);
    g_free(model);
}

void
model_set_store(struct model *model, const struct model_store *store)
{
    if (store) {
        g_assert(!model->store.commit && store->commit);
        model->store = *store;
        return;
    }
    model->store = (struct model_store){0};
    g_clear_error(&model->read_only);
    model->read_only = api_error_new("INTERNAL_ERROR", "the database is closed", NULL);
}

const struct dm_class *
model_class(const struct model *model, const char *ref)
{
    const struct node *node = node_find(model, ref);

    return node ? node->table->cls : NULL;
}

bool
model_has(const struct model *model, const struct dm_class *cls, const char *ref)
{
    return model_class(model, ref) == cls && cls;
}

static GVariant *
derived_value(const struct node *node, const struct dm_field *field)
{
    const struct node_set *set = node_referrers(node, field->reverse_of);
    GVariantBuilder builder;

    if (!set)
        return dm_type_empty(field->type);
    g_variant_builder_init(&builder, G_VARIANT_TYPE_STRING_ARRAY);
    for (guint i = 0; i < set->n; i++)
        g_variant_builder_add_value(&builder, g_variant_new_string(set->items[i]->ref));
    return g_variant_ref_sink(g_variant_builder_end(&builder));
}

static GVariant *
node_field(const struct node *node, const struct dm_field *field)
{
    return field_is_stored(field) ? row_field(node->row, field) : derived_value(node, field);
}

GVariant *
model_get(const struct model *model, const char *ref, const struct dm_field *field)
{
    const struct node *node = node_find(model, ref);

    return node && node->table->cls == field->cls ? node_field(node, field) : NULL;
}

static GVariant *
get_typed(const struct model *model, const char *ref, const char *name, const char *type)
{
    const struct node *node = node_find(model, ref);

    if (!node)
        g_error("read of %s: no such row: %s", name, ref);
    const struct dm_field *field = dm_field_find(node->table->cls, name);
    if (!field || !g_str_equal(field->type->gvariant, type))
        g_error("class %s has no field %s of type %s", node->table->cls->name, name, type);
    return node_field(node, field);
}

char *
model_get_string(const struct model *model, const char *ref, const char *field)
{
    g_autoptr(GVariant) value = get_typed(model, ref, field, "s");

    return g_variant_dup_string(value, NULL);
}

gint64
model_get_int(const struct model *model, const char *ref, const char *field)
{
    g_autoptr(GVariant) value = get_typed(model, ref, field, "x");

    return g_variant_get_int64(value);
}

bool
model_get_bool(const struct model *model, const char *ref, const char *field)
{
    g_autoptr(GVariant) value = get_typed(model, ref, field, "b");

    return g_variant_get_boolean(value);
}

char *
model_get_map_value(const struct model *model, const char *ref, const char *field, const char *key)
{
    g_autoptr(GVariant) map = get_typed(model, ref, field, "a{ss}");
    char *value = NULL;

    g_variant_lookup(map, key, "s", &value);
    return value;
}

GVariant *
model_record(const struct model *model, const char *ref)
{
    const struct node *node = node_find(model, ref);
    GVariantBuilder builder;

    if (!node)
        return NULL;
    g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
    for (unsigned i = 0; i < node->table->cls->n_fields; i++) {
        const struct dm_field *field = &node->table->cls->fields[i];
        if (field->internal_only)
            continue;
        g_autoptr(GVariant) value = node_field(node, field);
        g_variant_builder_add(&builder, "{sv}", field->name, value);
    }
    return g_variant_ref_sink(g_variant_builder_end(&builder));
}

const char *
model_by_uuid(const struct model *model, const struct dm_class *cls, const char *uuid)
{
    const struct table *table = table_of(model, cls);
    const struct node *node = table->uuids ? g_hash_table_lookup(table->uuids, uuid) : NULL;

    return node ? node->ref : NULL;
}

GPtrArray *
model_by_name_label(const struct model *model, const struct dm_class *cls, const char *label)
{
    const struct table *table = table_of(model, cls);
    const struct label *found = table->labels ? g_hash_table_lookup(table->labels, label) : NULL;

    return node_set_refs(found ? &found->set : NULL);
}

GPtrArray *
model_all(const struct model *model, const struct dm_class *cls)
{
    return node_set_refs(&table_of(model, cls)->all);
}

GPtrArray *
model_referrers(const struct model *model, const char *ref, const struct dm_field *field)
{
    const struct node *node = node_find(model, ref);

    return node_set_refs(node ? node_referrers(node, field) : NULL);
}

guint
model_count(const struct model *model, const struct dm_class *cls)
{
    return table_of(model, cls)->all.n;
}

guint64
model_created(const struct model *model, const char *ref)
{
    const struct node *node = node_find(model, ref);

    return node ? node->created : 0;
}

guint64
model_modified(const struct model *model, const char *ref)
{
    const struct node *node = node_find(model, ref);

    return node ? node->modified : 0;
}

GHashTable *
model_journal(const struct model *model)
{
    return model->journal;
}
