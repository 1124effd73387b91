/* A row as it was at one moment, to be read later; see model.h. */
#include "config.h"

#include <string.h>

#include "xapid/model/internal.h"

/* Derived fields as one block, for there are many snapshots in one turn of the loop: for each field
 * its index, the references as text and an empty text.  The number of bytes. */
static gsize
derived_write(const struct node *node, char *to)
{
    gsize size = 0;

    for (guint i = 0; i < node->n_relations; i++) {
        const struct relation *relation = &node->relations[i];
        const struct dm_field *field = relation->field->mirrored_by;
        if (!field || field->internal_only || !relation->set.n)
            continue;
        if (to)
            memcpy(to + size, &field->index, sizeof field->index);
        size += sizeof field->index;
        for (guint j = 0; j < relation->set.n; j++) {
            gsize length = strlen(relation->set.items[j]->ref) + 1;
            if (to)
                memcpy(to + size, relation->set.items[j]->ref, length);
            size += length;
        }
        if (to)
            to[size] = '\0';
        size++;
    }
    return size;
}

static GVariant *
derived_read(const char **from)
{
    GVariantBuilder refs;

    g_variant_builder_init(&refs, G_VARIANT_TYPE_STRING_ARRAY);
    for (; **from; *from += strlen(*from) + 1)
        g_variant_builder_add(&refs, "s", *from);
    (*from)++;
    return g_variant_ref_sink(g_variant_builder_end(&refs));
}

void
model_snapshot_take(const struct model *model, const char *ref, struct model_snapshot *ret_snapshot)
{
    const struct node *node = node_find(model, ref);

    g_assert(node);
    *ret_snapshot = (struct model_snapshot){.cls = node->table->cls,
                                            .row = g_variant_ref(node->row),
                                            .derived_size = derived_write(node, NULL)};
    if (ret_snapshot->derived_size) {
        ret_snapshot->derived = g_malloc(ret_snapshot->derived_size);
        derived_write(node, ret_snapshot->derived);
    }
}

void
model_snapshot_clear(struct model_snapshot *snapshot)
{
    g_clear_pointer(&snapshot->row, g_variant_unref);
    g_clear_pointer(&snapshot->derived, g_free);
}

void
model_snapshot_values(const struct model_snapshot *snapshot, GVariant **ret_values)
{
    const struct dm_class *cls = snapshot->cls;
    const char *at = snapshot->derived;

    for (unsigned i = 0; i < cls->n_fields; i++)
        ret_values[i] =
            cls->fields[i].internal_only ? NULL : row_field(snapshot->row, &cls->fields[i]);
    while (at && at < snapshot->derived + snapshot->derived_size) {
        unsigned index;
        memcpy(&index, at, sizeof index);
        at += sizeof index;
        g_variant_unref(ret_values[index]); /* the row has the empty set there */
        ret_values[index] = derived_read(&at);
    }
}

GVariant *
model_snapshot_kept(const struct model_snapshot *snapshot, const struct dm_field *field)
{
    g_autoptr(GVariant) value = row_field(snapshot->row, field);

    g_assert(field->cls == snapshot->cls && field->storage == DM_DURABLE);
    return value_kept(field->type, value);
}

gsize
model_snapshot_size(const struct model_snapshot *snapshot)
{
    return g_variant_get_size(snapshot->row) + snapshot->derived_size;
}
