/* The whole model against its invariants, by a full scan that trusts no index. */
#include "config.h"

#include "xapid/model/internal.h"

struct scan {
    const struct model *model;
    struct node *node;
    const struct dm_field *field;
    GHashTable *links; /* distinct (target, field) of the node: how many index entries it has */
    guint64 n_links;   /* of all rows */
    char *violation;
};

static char *
violation(const struct node *node, const struct dm_field *field, const char *what)
{
    return g_strdup_printf("%s %s: %s%s%s", node->table->cls->name, node->ref,
                           field ? field->name : "", field ? ": " : "", what);
}

static bool
ref_scan(const struct dm_class *cls, const char *ref, void *data)
{
    struct scan *scan = data;
    struct node *target = node_find(scan->model, ref);

    if (!target || target->table->cls != cls) {
        g_autofree char *what = g_strdup_printf("%s is not a %s", ref, cls->name);
        scan->violation = violation(scan->node, scan->field, what);
        return false;
    }
    const struct node_set *set = node_referrers(target, scan->field);
    if (!set || !node_set_has(set, scan->node)) {
        scan->violation = violation(scan->node, scan->field, "missing from the index");
        return false;
    }
    g_hash_table_add(scan->links, target);
    return true;
}

static void
fields_scan(struct scan *scan)
{
    const struct node *node = scan->node;
    const struct dm_class *cls = node->table->cls;

    if (!g_variant_is_of_type(node->row, G_VARIANT_TYPE(cls->row_type))) {
        scan->violation = violation(node, NULL, "the row has a wrong type");
        return;
    }
    for (unsigned i = 0; i < cls->n_fields && !scan->violation; i++) {
        scan->field = &cls->fields[i];
        if (!field_is_stored(scan->field))
            continue;
        g_autoptr(GVariant) value = row_field(node->row, scan->field);
        if (!dm_type_check(scan->field->type, value)) {
            scan->violation = violation(node, scan->field, "not a value of its type");
            return;
        }
        g_hash_table_remove_all(scan->links);
        value_each_ref(scan->field->type, value, ref_scan, scan);
        scan->n_links += g_hash_table_size(scan->links);
    }
}

static void
names_scan(struct scan *scan)
{
    const struct node *node = scan->node;
    const struct table *table = node->table;

    if (table->uuid) {
        const char *uuid = row_string(node->row, table->uuid);
        if (!*uuid || g_hash_table_lookup(table->uuids, uuid) != node)
            scan->violation = violation(node, table->uuid, "empty or not its own");
    }
    if (table->name_label && !scan->violation) {
        const struct label *label =
            g_hash_table_lookup(table->labels, row_string(node->row, table->name_label));
        if (!label || !node_set_has(&label->set, node))
            scan->violation = violation(node, table->name_label, "missing from the index");
    }
}

/* Floyd's two walkers: constant memory, and a cycle anywhere on the way up is found. */
static void
trees_scan(struct scan *scan)
{
    const struct table *table = scan->node->table;

    for (guint i = 0; i < table->n_trees && !scan->violation; i++) {
        const struct dm_field *field = table->trees[i];
        const struct node *slow = scan->node, *fast = scan->node;
        while (fast && (fast = node_find(scan->model, row_string(fast->row, field))) &&
               (fast = node_find(scan->model, row_string(fast->row, field)))) {
            slow = node_find(scan->model, row_string(slow->row, field));
            if (slow != fast)
                continue;
            scan->violation = violation(scan->node, field, "a cycle");
            break;
        }
    }
}

static char *
table_scan(const struct model *model, const struct table *table)
{
    guint64 labelled = 0, listed = 0, last = 0;
    GHashTableIter iter;
    void *label;

    for (const struct node *node = table->oldest; node; node = node->next, listed++) {
        if (node->modified < last || node->modified > model->head || node->created > node->modified)
            return violation(node, NULL, "out of order in the list of changes");
        last = node->modified;
    }
    if (table->labels) {
        g_hash_table_iter_init(&iter, table->labels);
        while (g_hash_table_iter_next(&iter, NULL, &label))
            labelled += ((const struct label *)label)->set.n;
    }
    if (listed != table->all.n || (table->uuids && g_hash_table_size(table->uuids) != listed) ||
        (table->labels && labelled != listed))
        return g_strdup_printf("class %s: its indexes do not agree", table->cls->name);
    return NULL;
}

char *
model_fsck(const struct model *model)
{
    g_autoptr(GHashTable) links = g_hash_table_new(NULL, NULL);
    struct scan scan = {.model = model, .links = links};
    guint64 n_rows = 0, n_indexed = 0;

    for (unsigned i = 0; i < dm_n_classes && !scan.violation; i++) {
        const struct table *table = &model->tables[i];

        n_rows += table->all.n;
        for (guint j = 0; j < table->all.n && !scan.violation; j++) {
            scan.node = table->all.items[j];
            for (guint k = 0; k < scan.node->n_relations; k++)
                n_indexed += scan.node->relations[k].set.n;
            fields_scan(&scan);
            if (!scan.violation)
                names_scan(&scan);
            if (!scan.violation)
                trees_scan(&scan);
        }
        if (!scan.violation)
            scan.violation = table_scan(model, table);
    }
    if (!scan.violation && n_rows != g_hash_table_size(model->by_ref))
        scan.violation = g_strdup("the index by reference does not agree with the classes");
    if (!scan.violation && n_indexed != scan.n_links)
        scan.violation = g_strdup("the index of relations has entries that no row accounts for");
    return scan.violation;
}
