/* The invariants of a transaction that is about to be applied: references to rows that go are let
 * go, all others resolve to a row of the right class, uuids are unique, trees have no cycle.
 * Used by commit.c. */
#include "config.h"

#include "lib/error.h"
#include "xapid/model/internal.h"

static bool
ref_gone(const struct dm_class *cls, const char *ref, void *data)
{
    const struct txn_row *row = txn_row_find(data, ref);

    (void)cls;
    return row && row->destroyed;
}

static void
field_scrub(struct txn *txn, struct txn_row *row, const struct dm_field *field)
{
    g_autoptr(GVariant) value = txn_row_field(row, field);
    GVariant *scrubbed = value_scrub(field->type, value, ref_gone, txn);

    if (scrubbed)
        txn_row_put(row, field, scrubbed);
}

/* The index knows who refers to the rows that go; what this transaction wrote it does not. */
static void
txn_scrub(struct txn *txn)
{
    guint n_rows = txn->rows->len;
    bool any = false;

    for (guint i = 0; i < n_rows; i++) {
        const struct txn_row *gone = txn->rows->pdata[i];
        if (!gone->destroyed)
            continue;
        any = true;
        for (guint j = 0; gone->node && j < gone->node->n_relations; j++) {
            const struct relation *relation = &gone->node->relations[j];
            for (guint k = 0; k < relation->set.n; k++) {
                struct txn_row *row = txn_row_get(txn, relation->set.items[k]->ref);
                if (row)
                    field_scrub(txn, row, relation->field);
            }
        }
    }
    for (guint i = 0; any && i < n_rows; i++) {
        struct txn_row *row = txn->rows->pdata[i];
        for (guint j = 0; !row->destroyed && row->fields && j < row->table->n_refs; j++)
            if (row->fields[row->table->refs[j]->index])
                field_scrub(txn, row, row->table->refs[j]);
    }
}

struct resolve {
    const struct txn *txn;
    GError **error;
};

static bool
ref_resolves(const struct dm_class *cls, const char *ref, void *data)
{
    struct resolve *resolve = data;

    if (txn_has(resolve->txn, cls, ref))
        return true;
    api_error_set(resolve->error, "HANDLE_INVALID", cls->name, ref, NULL);
    return false;
}

static bool
refs_check(const struct txn *txn, const struct txn_row *row, GError **error)
{
    struct resolve resolve = {.txn = txn, .error = error};

    for (guint i = 0; row->fields && i < row->table->n_refs; i++) {
        const struct dm_field *field = row->table->refs[i];
        GVariant *value = row->fields[field->index];
        if (value && !value_each_ref(field->type, value, ref_resolves, &resolve))
            return false;
    }
    return true;
}

/* A cycle that this transaction closes goes through one of the edges that it wrote, so it is found
 * from there; the count bounds the walk into a cycle that another edge closes. */
static bool
tree_check(const struct txn *txn, const struct txn_row *row, const struct dm_field *field,
           GError **error)
{
    guint left = row->table->all.n + txn->rows->len;
    g_autofree char *at = g_strdup(row->ref);

    for (;;) {
        const struct txn_row *step = txn_row_find(txn, at);
        const struct node *node = step ? NULL : node_find(txn->model, at);
        g_autoptr(GVariant) value = step ? txn_row_field(step, field) : row_field(node->row, field);
        g_free(at);
        at = g_variant_dup_string(value, NULL);
        if (g_str_equal(at, REF_NULL))
            return true;
        if (g_str_equal(at, row->ref) || left-- == 0) {
            api_error_set(error, "INTERNAL_ERROR", "cycle", row->table->cls->name, field->name,
                          row->ref, NULL);
            return false;
        }
    }
}

static bool
trees_check(const struct txn *txn, const struct txn_row *row, GError **error)
{
    for (guint i = 0; row->fields && i < row->table->n_trees; i++) {
        const struct dm_field *field = row->table->trees[i];
        if (row->fields[field->index] && !tree_check(txn, row, field, error))
            return false;
    }
    return true;
}

/* taken: "Class uuid" of the rows seen so far. */
static bool
uuid_check(const struct txn *txn, const struct txn_row *row, GHashTable *taken, GError **error)
{
    const struct table *table = row->table;

    if (!table->uuid || !row->fields || !row->fields[table->uuid->index])
        return true;
    const char *uuid = g_variant_get_string(row->fields[table->uuid->index], NULL);
    const struct node *holder = g_hash_table_lookup(table->uuids, uuid);
    const struct txn_row *held = holder ? txn_row_find(txn, holder->ref) : NULL;
    bool given_up = held && (held->destroyed || (held->fields && held->fields[table->uuid->index]));
    if (!*uuid) {
        api_error_set(error, "INVALID_VALUE", "uuid", uuid, NULL);
        return false;
    }
    if ((!holder || holder == row->node || given_up) &&
        g_hash_table_add(taken, g_strconcat(table->cls->name, " ", uuid, NULL)))
        return true;
    api_error_set(error, "DB_UNIQUENESS_CONSTRAINT_VIOLATION", table->cls->name, "uuid", uuid,
                  NULL);
    return false;
}

bool
txn_check(struct txn *txn, GError **error)
{
    g_autoptr(GHashTable) taken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    txn_scrub(txn);
    for (guint i = 0; i < txn->rows->len; i++) {
        const struct txn_row *row = txn->rows->pdata[i];
        if (!row->destroyed && !(refs_check(txn, row, error) && uuid_check(txn, row, taken, error)))
            return false;
    }
    for (guint i = 0; i < txn->rows->len; i++) {
        const struct txn_row *row = txn->rows->pdata[i];
        if (!row->destroyed && !trees_check(txn, row, error))
            return false;
    }
    return true;
}
