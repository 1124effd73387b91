/* Applies a transaction to the rows and the index, and takes one back.  Used by the model's files;
 * txn_commit () is called by everyone. */
#include "config.h"

#include "lib/error.h"
#include "xapid/model/internal.h"

static void
delta_clear(void *data)
{
    struct delta *delta = data;

    g_clear_pointer(&delta->before, g_variant_unref);
    g_clear_pointer(&delta->after, g_variant_unref);
}

static void
journal_delta_clear(void *data)
{
    struct journal_delta *delta = data;

    g_clear_pointer(&delta->key, g_free);
    g_clear_pointer(&delta->before, g_variant_unref);
    g_clear_pointer(&delta->after, g_variant_unref);
}

static struct applied *
applied_new(void)
{
    struct applied *applied = g_new0(struct applied, 1);

    applied->rows = g_array_new(FALSE, FALSE, sizeof(struct delta));
    g_array_set_clear_func(applied->rows, delta_clear);
    applied->journal = g_array_new(FALSE, FALSE, sizeof(struct journal_delta));
    g_array_set_clear_func(applied->journal, journal_delta_clear);
    return applied;
}

void
applied_free(struct applied *applied)
{
    g_array_unref(applied->rows);
    g_array_unref(applied->journal);
    g_free(applied);
}

static void
changes_row_clear(void *data)
{
    struct model_row_change *change = data;

    g_free(change->ref);
    g_clear_pointer(&change->row, g_variant_unref);
}

static void
changes_journal_clear(void *data)
{
    struct model_journal_change *change = data;

    g_free(change->key);
    g_clear_pointer(&change->value, g_variant_unref);
}

static struct model_changes *
changes_new(void)
{
    struct model_changes *changes = g_new0(struct model_changes, 1);

    changes->rows = g_array_new(FALSE, FALSE, sizeof(struct model_row_change));
    g_array_set_clear_func(changes->rows, changes_row_clear);
    changes->journal = g_array_new(FALSE, FALSE, sizeof(struct model_journal_change));
    g_array_set_clear_func(changes->journal, changes_journal_clear);
    return changes;
}

void
model_changes_free(struct model_changes *changes)
{
    if (!changes)
        return;
    g_array_unref(changes->rows);
    g_array_unref(changes->journal);
    g_free(changes);
}

/* What a row that stays becomes, or NULL when it would be as it is. */
static GVariant *
txn_row_pack(const struct txn_row *row)
{
    const struct dm_class *cls = row->table->cls;
    bool changed = !row->node;

    for (unsigned i = 0; row->fields && !changed && i < cls->n_fields; i++) {
        if (!row->fields[i])
            continue;
        g_autoptr(GVariant) before = row_field(row->node->row, &cls->fields[i]);
        changed = !g_variant_equal(before, row->fields[i]);
    }
    return changed ? row_new(cls, row->fields, row->node ? row->node->row : NULL) : NULL;
}

/* What the transaction does to rows; created nodes are made, nothing else is touched. */
static void
collect_rows(struct txn *txn, struct applied *applied)
{
    for (guint i = 0; i < txn->rows->len; i++) {
        const struct txn_row *row = txn->rows->pdata[i];
        struct delta delta = {.node = row->node};

        if (row->destroyed && !row->node)
            continue;
        if (!row->destroyed)
            delta.after = txn_row_pack(row);
        if (!row->destroyed && !delta.after && !row->touched)
            continue;
        if (!row->node)
            delta.node = node_new(txn->model, table_of(txn->model, row->table->cls), row->ref);
        else if (row->destroyed || delta.after)
            delta.before = g_variant_ref(row->node->row);
        g_array_append_val(applied->rows, delta);
    }
}

static void
collect_journal(struct txn *txn, struct applied *applied)
{
    g_autoptr(GHashTable) last = g_hash_table_new(g_str_hash, g_str_equal);

    for (guint i = 0; i < txn->journal->len; i++)
        g_hash_table_replace(last, g_array_index(txn->journal, struct journal_delta, i).key,
                             GUINT_TO_POINTER(i));
    for (guint i = 0; i < txn->journal->len; i++) {
        const struct journal_delta *write = &g_array_index(txn->journal, struct journal_delta, i);
        GVariant *before = g_hash_table_lookup(txn->model->journal, write->key);
        bool same = before == write->after ||
                    (before && write->after && g_variant_equal(before, write->after));

        if (same || GPOINTER_TO_UINT(g_hash_table_lookup(last, write->key)) != i)
            continue;
        struct journal_delta delta = {
            .key = g_strdup(write->key),
            .before = before ? g_variant_ref(before) : NULL,
            .after = write->after ? g_variant_ref(write->after) : NULL,
        };
        g_array_append_val(applied->journal, delta);
    }
}

/* What of it the store keeps; NULL when it is all volatile. */
static struct model_changes *
changes_from(const struct applied *applied, guint64 generation)
{
    struct model_changes *changes = changes_new();

    changes->generation = generation;
    for (guint i = 0; i < applied->rows->len; i++) {
        const struct delta *delta = &g_array_index(applied->rows, struct delta, i);
        const struct dm_class *cls = delta->node->table->cls;

        if (!cls->persistent || (!delta->before && !delta->after) ||
            (delta->before && delta->after &&
             !row_durable_differs(cls, delta->before, delta->after)))
            continue;
        struct model_row_change change = {
            .cls = cls,
            .ref = g_strdup(delta->node->ref),
            .row = delta->after ? row_durable(cls, delta->after) : NULL,
            .created = delta->before ? delta->node->created : generation,
            .modified = generation,
        };
        g_array_append_val(changes->rows, change);
    }
    for (guint i = 0; i < applied->journal->len; i++) {
        const struct journal_delta *delta =
            &g_array_index(applied->journal, struct journal_delta, i);
        struct model_journal_change change = {
            .key = g_strdup(delta->key),
            .value = delta->after ? g_variant_ref(delta->after) : NULL,
        };
        g_array_append_val(changes->journal, change);
    }
    if (changes->rows->len || changes->journal->len)
        return changes;
    model_changes_free(changes);
    return NULL;
}

struct model_changes *
model_everything(const struct model *model, guint64 generation,
                 bool (*wanted)(const struct dm_class *cls))
{
    struct model_changes *changes = changes_new();
    GHashTableIter iter;
    void *key, *value;

    changes->generation = generation;
    for (unsigned i = 0; i < dm_n_classes; i++) {
        const struct table *table = &model->tables[i];
        for (guint j = 0; wanted(table->cls) && j < table->all.n; j++) {
            const struct node *node = table->all.items[j];
            struct model_row_change change = {.cls = table->cls,
                                              .ref = g_strdup(node->ref),
                                              .row = row_durable(table->cls, node->row),
                                              .created = generation,
                                              .modified = generation};
            g_array_append_val(changes->rows, change);
        }
    }
    g_hash_table_iter_init(&iter, model->journal);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        struct model_journal_change change = {.key = g_strdup(key), .value = g_variant_ref(value)};
        g_array_append_val(changes->journal, change);
    }
    return changes;
}

static void
node_move(struct node *node, guint64 modified)
{
    node_unlink(node);
    node->modified = modified;
    node_link(node);
}

struct touch {
    struct model *model;
    struct applied *applied;
    guint64 generation;
};

static bool
target_touch(const struct dm_class *cls, const char *ref, void *data)
{
    struct touch *touch = data;
    struct node *node = node_find(touch->model, ref);

    (void)cls;
    if (node && node->modified != touch->generation) {
        struct delta delta = {.node = node, .modified = node->modified};
        g_array_append_val(touch->applied->rows, delta);
        node_move(node, touch->generation);
    }
    return true;
}

/* The far sides, old and new, of the relations that a row's change alters: their records show it.
 */
static void
far_sides_touch(struct touch *touch, const struct node *node, GVariant *before, GVariant *after)
{
    for (guint i = 0; i < node->table->n_refs; i++) {
        const struct dm_field *field = node->table->refs[i];
        if (!field->mirrored_by)
            continue;
        g_autoptr(GVariant) old = before ? row_field(before, field) : NULL;
        g_autoptr(GVariant) new = after ? row_field(after, field) : NULL;
        if (old && new &&g_variant_equal(old, new))
            continue;
        if (old)
            value_each_ref(field->type, old, target_touch, touch);
        if (new)
            value_each_ref(field->type, new, target_touch, touch);
    }
}

static void
journal_put(struct model *model, const char *key, GVariant *value)
{
    if (value)
        g_hash_table_replace(model->journal, g_strdup(key), g_variant_ref(value));
    else
        g_hash_table_remove(model->journal, key);
}

static void
index_move(struct model *model, const struct applied *applied, bool back)
{
    const guint n = applied->rows->len;

    for (guint i = 0; i < n; i++) {
        const struct delta *delta = &g_array_index(applied->rows, struct delta, i);
        GVariant *from = back ? delta->after : delta->before;
        node_index_refs(model, delta->node, from, back ? delta->before : delta->after, false);
    }
    for (guint i = 0; i < n; i++) {
        guint at = back ? n - 1 - i : i;
        const struct delta *delta = &g_array_index(applied->rows, struct delta, at);
        if (delta->before || delta->after)
            node_index(model, delta->node, back ? delta->after : delta->before,
                       back ? delta->before : delta->after);
    }
    for (guint i = 0; i < n; i++) {
        const struct delta *delta = &g_array_index(applied->rows, struct delta, i);
        GVariant *to = back ? delta->before : delta->after;
        node_index_refs(model, delta->node, to, back ? delta->after : delta->before, true);
    }
}

static void
apply(struct model *model, struct applied *applied, guint64 generation)
{
    struct touch touch = {.model = model, .applied = applied, .generation = generation};
    const guint n = applied->rows->len;

    applied->generation = model->head = generation;
    index_move(model, applied, false);
    for (guint i = 0; i < n; i++) {
        struct delta *delta = &g_array_index(applied->rows, struct delta, i);
        struct node *node = delta->node;

        delta->modified = node->modified;
        if (!delta->before && delta->after) {
            node->created = node->modified = generation;
            node_link(node);
        } else if (delta->before && !delta->after) {
            node_unlink(node);
            tombstone_add(node->table, node, generation);
        } else {
            node_move(node, generation);
        }
    }
    /* By value: the array grows. */
    for (guint i = 0; i < n; i++) {
        struct delta delta = g_array_index(applied->rows, struct delta, i);
        if (delta.before || delta.after)
            far_sides_touch(&touch, delta.node, delta.before, delta.after);
    }
    for (guint i = 0; i < applied->journal->len; i++) {
        const struct journal_delta *delta =
            &g_array_index(applied->journal, struct journal_delta, i);
        journal_put(model, delta->key, delta->after);
    }
}

void
applied_undo(struct model *model, struct applied *applied)
{
    index_move(model, applied, true);
    for (guint i = applied->rows->len; i-- > 0;) {
        const struct delta *delta = &g_array_index(applied->rows, struct delta, i);
        struct node *node = delta->node;

        if (!delta->before && delta->after) {
            node_unlink(node);
            node_free(node);
        } else if (delta->before && !delta->after) {
            tombstones_undo(node->table, applied->generation);
            /* Whoever looked while it was gone has to see it again, so it comes back as changed at
             * the head, which is a generation that counts as durable after the undoing. */
            node->modified = node->shown = node->table->changed = model->head;
            node_link(node);
        } else {
            /* shown is later when the undoing of a deletion has brought the row back. */
            node_move(node, MAX(delta->modified, node->shown));
        }
    }
    for (guint i = applied->journal->len; i-- > 0;) {
        const struct journal_delta *delta =
            &g_array_index(applied->journal, struct journal_delta, i);
        journal_put(model, delta->key, delta->before);
    }
}

static bool
commit_allowed(const struct txn *txn, const struct model_changes *changes, GError **error)
{
    const struct model *model = txn->model;

    if (txn->undone != model->undone && model->read_only) {
        g_propagate_error(error, g_error_copy(model->read_only));
        return false;
    }
    if (!changes || !(txn->volatile_only || model->read_only))
        return true;
    if (model->read_only)
        g_propagate_error(error, g_error_copy(model->read_only));
    else
        api_error_set(error, "INTERNAL_ERROR", "a volatile transaction changes durable fields",
                      NULL);
    return false;
}

/* Created nodes of a transaction that is not applied. */
static void
applied_drop(struct applied *applied)
{
    for (guint i = 0; i < applied->rows->len; i++) {
        const struct delta *delta = &g_array_index(applied->rows, struct delta, i);
        if (!delta->before && delta->after)
            node_free(delta->node);
    }
    applied_free(applied);
}

guint64
txn_commit(struct txn *txn, GError **error)
{
    struct model *model = txn->model;

    if (!txn_check(txn, error)) {
        txn_free(txn);
        return 0;
    }
    struct applied *applied = applied_new();
    collect_rows(txn, applied);
    collect_journal(txn, applied);
    if (!applied->rows->len && !applied->journal->len) {
        applied_free(applied);
        txn_free(txn);
        return model->head;
    }
    struct model_changes *changes = txn->unsaved ? NULL : changes_from(applied, model->head + 1);
    if (!commit_allowed(txn, changes, error)) {
        model_changes_free(changes);
        applied_drop(applied);
        txn_free(txn);
        return 0;
    }
    txn_free(txn);

    guint64 generation = model->head + 1;
    apply(model, applied, generation);
    applied->stored = changes && model->store.commit;
    bool stored = applied->stored;
    durable_push(model, applied);
    if (stored)
        model->store.commit(changes, model->store.data);
    else
        model_changes_free(changes);
    return generation;
}
