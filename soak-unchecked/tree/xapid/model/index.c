/* What rows are found by: reference, uuid, name label, class, references to them, last change.
 * Used by the model's files only. */
#include "config.h"

#include <string.h>

#include "xapid/model/internal.h"

/* Position of the first row that was not created before `node`. */
static guint
node_set_position(const struct node_set *set, const struct node *node)
{
    guint low = 0, high = set->n;

    if (high && set->items[high - 1]->seq < node->seq)
        return high;
    while (low < high) {
        guint middle = low + (high - low) / 2;
        if (set->items[middle]->seq < node->seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool
node_set_has(const struct node_set *set, const struct node *node)
{
    guint at = node_set_position(set, node);

    return at < set->n && set->items[at] == node;
}

void
node_set_add(struct node_set *set, struct node *node)
{
    guint at = node_set_position(set, node);

    if (at < set->n && set->items[at] == node)
        return;
    if (set->n == set->allocated) {
        set->allocated = set->allocated ? set->allocated * 2 : 1;
        set->items = g_renew(struct node *, set->items, set->allocated);
    }
    memmove(&set->items[at + 1], &set->items[at], (set->n - at) * sizeof set->items[0]);
    set->items[at] = node;
    set->n++;
}

void
node_set_remove(struct node_set *set, const struct node *node)
{
    guint at = node_set_position(set, node);

    if (at == set->n || set->items[at] != node)
        return;
    set->n--;
    memmove(&set->items[at], &set->items[at + 1], (set->n - at) * sizeof set->items[0]);
    if (set->n == 0) {
        g_clear_pointer(&set->items, g_free);
        set->allocated = 0;
    }
}

GPtrArray *
node_set_refs(const struct node_set *set)
{
    GPtrArray *refs = g_ptr_array_sized_new(set ? set->n : 0);

    for (guint i = 0; set && i < set->n; i++)
        g_ptr_array_add(refs, set->items[i]->ref);
    return refs;
}

static struct relation *
relation_find(const struct node *node, const struct dm_field *field)
{
    for (guint i = 0; i < node->n_relations; i++)
        if (node->relations[i].field == field)
            return &node->relations[i];
    return NULL;
}

const struct node_set *
node_referrers(const struct node *node, const struct dm_field *field)
{
    const struct relation *relation = relation_find(node, field);

    return relation ? &relation->set : NULL;
}

static void
relation_add(struct node *target, const struct dm_field *field, struct node *referrer)
{
    struct relation *relation = relation_find(target, field);

    if (!relation) {
        target->relations = g_renew(struct relation, target->relations, target->n_relations + 1);
        relation = &target->relations[target->n_relations++];
        *relation = (struct relation){.field = field};
    }
    node_set_add(&relation->set, referrer);
}

static void
relation_remove(struct node *target, const struct dm_field *field, const struct node *referrer)
{
    struct relation *relation = relation_find(target, field);

    if (!relation)
        return;
    node_set_remove(&relation->set, referrer);
    if (relation->set.n == 0)
        *relation = target->relations[--target->n_relations];
    if (target->n_relations == 0)
        g_clear_pointer(&target->relations, g_free);
}

struct table *
table_of(const struct model *model, const struct dm_class *cls)
{
    return &model->tables[cls->index];
}

static bool
field_is_tree(const struct dm_field *field)
{
    return field->type->kind == DM_REF && field->type->cls == field->cls &&
           (g_str_equal(field->name, "snapshot_of") || g_str_equal(field->name, "parent") ||
            g_str_equal(field->name, "subtask_of"));
}

static void
label_free(void *data)
{
    struct label *label = data;

    g_free(label->set.items);
    g_free(label);
}

void
table_init(struct table *table, const struct dm_class *cls)
{
    g_autoptr(GPtrArray) refs = g_ptr_array_new();
    g_autoptr(GPtrArray) trees = g_ptr_array_new();

    table->cls = cls;
    g_queue_init(&table->tombstones);
    if (cls->has_uuid)
        table->uuid = dm_field_find(cls, "uuid");
    if (cls->has_name_label)
        table->name_label = dm_field_find(cls, "name_label");
    if (table->uuid)
        table->uuids = g_hash_table_new(g_str_hash, g_str_equal);
    if (table->name_label)
        table->labels = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, label_free);
    for (unsigned i = 0; i < cls->n_fields; i++) {
        const struct dm_field *field = &cls->fields[i];
        if (!field_is_stored(field))
            continue;
        if (type_has_refs(field->type))
            g_ptr_array_add(refs, (void *)field);
        if (field_is_tree(field))
            g_ptr_array_add(trees, (void *)field);
    }
    table->n_refs = refs->len;
    table->refs = (const struct dm_field **)g_ptr_array_free(g_steal_pointer(&refs), FALSE);
    table->n_trees = trees->len;
    table->trees = (const struct dm_field **)g_ptr_array_free(g_steal_pointer(&trees), FALSE);
}

void
table_clear(struct table *table)
{
    g_free(table->all.items);
    g_clear_pointer(&table->uuids, g_hash_table_unref);
    g_clear_pointer(&table->labels, g_hash_table_unref);
    g_queue_clear_full(&table->tombstones, (GDestroyNotify)tombstone_free);
    g_free(table->refs);
    g_free(table->trees);
}

struct node *
node_find(const struct model *model, const char *ref)
{
    return g_hash_table_lookup(model->by_ref, ref);
}

struct node *
node_new(struct model *model, struct table *table, const char *ref)
{
    size_t size = strlen(ref) + 1;
    struct node *node = g_malloc0(sizeof *node + size);

    node->table = table;
    node->seq = ++model->next_seq;
    memcpy(node->ref, ref, size);
    return node;
}

void
node_free(struct node *node)
{
    for (guint i = 0; i < node->n_relations; i++)
        g_free(node->relations[i].set.items);
    g_free(node->relations);
    if (node->row)
        g_variant_unref(node->row);
    g_free(node);
}

void
node_unlink(struct node *node)
{
    struct table *table = node->table;

    *(node->previous ? &node->previous->next : &table->oldest) = node->next;
    *(node->next ? &node->next->previous : &table->newest) = node->previous;
    node->previous = node->next = NULL;
}

void
node_link(struct node *node)
{
    struct table *table = node->table;
    struct node *after = table->newest;

    /* Only undoing ever takes a step here. */
    while (after && after->modified > node->modified)
        after = after->previous;
    node->previous = after;
    node->next = after ? after->next : table->oldest;
    *(node->next ? &node->next->previous : &table->newest) = node;
    *(after ? &after->next : &table->oldest) = node;
}

static void
label_add(struct table *table, const char *text, struct node *node)
{
    struct label *label = g_hash_table_lookup(table->labels, text);

    if (!label) {
        size_t size = strlen(text) + 1;
        label = g_malloc0(sizeof *label + size);
        memcpy(label->text, text, size);
        g_hash_table_insert(table->labels, label->text, label);
    }
    node_set_add(&label->set, node);
}

static void
label_remove(struct table *table, const char *text, const struct node *node)
{
    struct label *label = g_hash_table_lookup(table->labels, text);

    if (!label)
        return;
    node_set_remove(&label->set, node);
    if (label->set.n == 0)
        g_hash_table_remove(table->labels, text);
}

/* A transaction may hand a uuid from one row to another: an entry goes only when it is still ours.
 */
static void
uuid_index(struct table *table, struct node *node, GVariant *before, GVariant *after)
{
    const char *old = before ? row_string(before, table->uuid) : "";
    const char *new = after ? row_string(after, table->uuid) : "";

    if (*old && g_hash_table_lookup(table->uuids, old) == node)
        g_hash_table_remove(table->uuids, old);
    if (*new)
        g_hash_table_replace(table->uuids, (char *)new, node);
}

struct ref_index {
    struct model *model;
    struct node *node;
    const struct dm_field *field;
};

static bool
ref_add(const struct dm_class *cls, const char *ref, void *data)
{
    struct ref_index *index = data;
    struct node *target = node_find(index->model, ref);

    (void)cls;
    if (target)
        relation_add(target, index->field, index->node);
    return true;
}

static bool
ref_remove(const struct dm_class *cls, const char *ref, void *data)
{
    struct ref_index *index = data;
    struct node *target = node_find(index->model, ref);

    (void)cls;
    if (target)
        relation_remove(target, index->field, index->node);
    return true;
}

void
node_index_refs(struct model *model, struct node *node, GVariant *row, GVariant *unless, bool add)
{
    struct ref_index index = {.model = model, .node = node};

    for (guint i = 0; row && i < node->table->n_refs; i++) {
        index.field = node->table->refs[i];
        g_autoptr(GVariant) value = row_field(row, index.field);
        g_autoptr(GVariant) same = unless ? row_field(unless, index.field) : NULL;
        if (!same || !g_variant_equal(value, same))
            value_each_ref(index.field->type, value, add ? ref_add : ref_remove, &index);
    }
}

void
node_index(struct model *model, struct node *node, GVariant *before, GVariant *after)
{
    struct table *table = node->table;

    if (!before) {
        g_hash_table_replace(model->by_ref, node->ref, node);
        node_set_add(&table->all, node);
    }
    if (table->uuid)
        uuid_index(table, node, before, after);
    if (table->name_label) {
        const char *old = before ? row_string(before, table->name_label) : NULL;
        const char *new = after ? row_string(after, table->name_label) : NULL;
        if (g_strcmp0(old, new) != 0) {
            if (old)
                label_remove(table, old, node);
            if (new)
                label_add(table, new, node);
        }
    }
    if (!after) {
        g_hash_table_remove(model->by_ref, node->ref);
        node_set_remove(&table->all, node);
    }
    if (after)
        g_variant_ref(after);
    if (node->row)
        g_variant_unref(node->row);
    node->row = after;
}
