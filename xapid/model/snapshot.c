/* A row as it was at one moment, to be read later; see model.h. */
#include "config.h"

#include "xapid/model/internal.h"

static GVariant *
refs_of(const struct node_set *set)
{
    GVariantBuilder refs;

    g_variant_builder_init(&refs, G_VARIANT_TYPE_STRING_ARRAY);
    for (guint i = 0; i < set->n; i++)
        g_variant_builder_add(&refs, "s", set->items[i]->ref);
    return g_variant_builder_end(&refs);
}

static GVariant *
derived_of(const struct node *node)
{
    GVariantBuilder derived;
    bool any = false;

    for (guint i = 0; i < node->n_relations; i++) {
        const struct relation *relation = &node->relations[i];
        const struct dm_field *field = relation->field->mirrored_by;
        if (!field || !relation->set.n)
            continue;
        if (!any)
            g_variant_builder_init(&derived, G_VARIANT_TYPE("a{uas}"));
        any = true;
        g_variant_builder_add(&derived, "{u@as}", field->index, refs_of(&relation->set));
    }
    if (!any)
        return NULL;
    GVariant *all = g_variant_ref_sink(g_variant_builder_end(&derived));
    /* Serialised at once, as rows are: one block of memory. */
    g_variant_get_data(all);
    return all;
}

void
model_snapshot_take(const struct model *model, const char *ref, struct model_snapshot *ret_snapshot)
{
    const struct node *node = node_find(model, ref);

    g_assert(node);
    *ret_snapshot = (struct model_snapshot){
        .cls = node->table->cls, .row = g_variant_ref(node->row), .derived = derived_of(node)};
}

void
model_snapshot_clear(struct model_snapshot *snapshot)
{
    g_clear_pointer(&snapshot->row, g_variant_unref);
    g_clear_pointer(&snapshot->derived, g_variant_unref);
}

void
model_snapshot_values(const struct model_snapshot *snapshot, GVariant **ret_values)
{
    const struct dm_class *cls = snapshot->cls;
    GVariantIter iter;
    guint32 index;
    GVariant *refs;

    for (unsigned i = 0; i < cls->n_fields; i++)
        ret_values[i] =
            cls->fields[i].internal_only ? NULL : row_field(snapshot->row, &cls->fields[i]);
    if (!snapshot->derived)
        return;
    g_variant_iter_init(&iter, snapshot->derived);
    while (g_variant_iter_next(&iter, "{u@as}", &index, &refs)) {
        if (cls->fields[index].internal_only) {
            g_variant_unref(refs);
            continue;
        }
        g_variant_unref(ret_values[index]); /* the row has the empty set there */
        ret_values[index] = refs;
    }
}

gsize
model_snapshot_size(const struct model_snapshot *snapshot)
{
    return g_variant_get_size(snapshot->row) +
           (snapshot->derived ? g_variant_get_size(snapshot->derived) : 0);
}
