/* The whole model against its invariants, by a full scan that trusts no index. */
#include "config.h"

#include "xapid/model/internal.h"

struct scan {
    const struct model *model;
    struct node *node;
    const struct dm_field *field;
    GHashTable *links; /* distinct (target, field) of the node: how many index entries it has */
    guint64 n_links;   /* of all rows */
    model_fault_fn tell;
    void *data;
    guint n_faults;
};

/* node NULL: of the model as a whole. */
static void
fault(struct scan *scan, const struct node *node, const struct dm_field *field, const char *what)
{
    struct model_fault told = {
        .cls = "", .ref = "", .uuid = "", .field = field ? field->name : "", .what = what};

    if (node) {
        told.cls = node->table->cls->name;
        told.ref = node->ref;
        told.uuid = node->table->uuid ? row_string(node->row, node->table->uuid) : "";
    }
    scan->n_faults++;
    scan->tell(&told, scan->data);
}

static bool
ref_scan(const struct dm_class *cls, const char *ref, void *data)
{
    struct scan *scan = data;
    struct node *target = node_find(scan->model, ref);

    if (!target || target->table->cls != cls) {
        g_autofree char *what = g_strdup_printf("%s is not a %s", ref, cls->name);
        fault(scan, scan->node, scan->field, what);
        return true;
    }
    const struct node_set *set = node_referrers(target, scan->field);
    if (!set || !node_set_has(set, scan->node))
        fault(scan, scan->node, scan->field, "missing from the index");
    g_hash_table_add(scan->links, target);
    return true;
}

static void
fields_scan(struct scan *scan)
{
    const struct node *node = scan->node;
    const struct dm_class *cls = node->table->cls;

    for (unsigned i = 0; i < cls->n_fields; i++) {
        scan->field = &cls->fields[i];
        if (!field_is_stored(scan->field))
            continue;
        g_autoptr(GVariant) value = row_field(node->row, scan->field);
        if (!dm_type_check(scan->field->type, value)) {
            fault(scan, node, scan->field, "not a value of its type");
            continue;
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
            fault(scan, node, table->uuid, "empty or not its own");
    }
    if (table->name_label) {
        const struct label *label =
            g_hash_table_lookup(table->labels, row_string(node->row, table->name_label));
        if (!label || !node_set_has(&label->set, node))
            fault(scan, node, table->name_label, "missing from the index");
    }
}

static const struct node *
tree_parent(const struct scan *scan, const struct node *node, const struct dm_field *field)
{
    const struct node *parent = node_find(scan->model, row_string(node->row, field));

    return parent && parent->table == node->table ? parent : NULL;
}

/* Floyd's two walkers: constant memory, and a cycle anywhere on the way up is found. */
static void
trees_scan(struct scan *scan)
{
    const struct table *table = scan->node->table;

    for (guint i = 0; i < table->n_trees; i++) {
        const struct dm_field *field = table->trees[i];
        const struct node *slow = scan->node, *fast = scan->node;
        while (fast && (fast = tree_parent(scan, fast, field)) &&
               (fast = tree_parent(scan, fast, field))) {
            slow = tree_parent(scan, slow, field);
            if (slow != fast)
                continue;
            fault(scan, scan->node, field, "a cycle");
            break;
        }
    }
}

static void
table_scan(struct scan *scan, const struct table *table)
{
    guint64 labelled = 0, listed = 0, last = 0;
    GHashTableIter iter;
    void *label;

    for (const struct node *node = table->oldest; node; node = node->next, listed++) {
        if (node->modified < last || node->modified > scan->model->head ||
            node->created > node->modified)
            fault(scan, node, NULL, "out of order in the list of changes");
        last = node->modified;
    }
    if (table->labels) {
        g_hash_table_iter_init(&iter, table->labels);
        while (g_hash_table_iter_next(&iter, NULL, &label))
            labelled += ((const struct label *)label)->set.n;
    }
    if (listed != table->all.n || (table->uuids && g_hash_table_size(table->uuids) != listed) ||
        (table->labels && labelled != listed)) {
        g_autofree char *what = g_strdup_printf("the indexes of %s do not agree", table->cls->name);
        fault(scan, NULL, NULL, what);
    }
}

/* Whether memory agrees with itself, which can be asked only when every row is sound. */
static void
indexes_scan(struct scan *scan)
{
    const struct model *model = scan->model;
    guint64 n_rows = 0, n_indexed = 0;

    for (unsigned i = 0; i < dm_n_classes; i++) {
        const struct table *table = &model->tables[i];
        table_scan(scan, table);
        n_rows += table->all.n;
        for (guint j = 0; j < table->all.n; j++)
            for (guint k = 0; k < table->all.items[j]->n_relations; k++)
                n_indexed += table->all.items[j]->relations[k].set.n;
    }
    if (n_rows != g_hash_table_size(model->by_ref))
        fault(scan, NULL, NULL, "the index by reference does not agree with the classes");
    if (n_indexed != scan->n_links)
        fault(scan, NULL, NULL, "the index of relations has entries that no row accounts for");
}

guint
model_check(const struct model *model, model_fault_fn tell, void *data)
{
    g_autoptr(GHashTable) links = g_hash_table_new(NULL, NULL);
    struct scan scan = {.model = model, .links = links, .tell = tell, .data = data};

    for (unsigned i = 0; i < dm_n_classes; i++) {
        const struct table *table = &model->tables[i];
        for (guint j = 0; j < table->all.n; j++) {
            scan.node = table->all.items[j];
            if (!row_is_sound(table->cls, scan.node->row)) {
                g_autofree char *what =
                    g_strdup_printf("%s %s: a wrong type", table->cls->name, scan.node->ref);
                fault(&scan, NULL, NULL, what);
                continue;
            }
            fields_scan(&scan);
            names_scan(&scan);
            trees_scan(&scan);
        }
    }
    if (!scan.n_faults)
        indexes_scan(&scan);
    return scan.n_faults;
}

char *
model_fault_text(const struct model_fault *fault)
{
    return g_strdup_printf("%s%s%s%s%s%s%s", fault->cls, *fault->cls ? " " : "", fault->ref,
                           *fault->ref ? ": " : "", fault->field, *fault->field ? ": " : "",
                           fault->what);
}

static void
keep_first(const struct model_fault *fault, void *data)
{
    char **first = data;

    if (!*first)
        *first = model_fault_text(fault);
}

char *
model_fsck(const struct model *model)
{
    char *first = NULL;

    model_check(model, keep_first, &first);
    return first;
}
