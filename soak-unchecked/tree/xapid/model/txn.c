/* A transaction being written: the rows it works on, as field values not yet packed.  Nothing of it
 * is seen outside until commit.c applies it. */
#include "config.h"

#include <string.h>

#include "lib/error.h"
#include "lib/text.h"
#include "xapid/model/internal.h"

static void
txn_row_free(void *data)
{
    struct txn_row *row = data;

    for (unsigned i = 0; row->fields && i < row->table->cls->n_fields; i++)
        if (row->fields[i])
            g_variant_unref(row->fields[i]);
    g_free(row->fields);
    g_free(row);
}

static void
journal_delta_clear(void *data)
{
    struct journal_delta *delta = data;

    g_free(delta->key);
    g_clear_pointer(&delta->before, g_variant_unref);
    g_clear_pointer(&delta->after, g_variant_unref);
}

static struct txn *
txn_new(struct model *model)
{
    struct txn *txn = g_new0(struct txn, 1);

    /* One at a time: a transaction never outlives the turn of the loop that began it. */
    g_assert(!model->txn && !model->loading);
    model->txn = txn;
    txn->model = model;
    txn->undone = model->undone;
    txn->by_ref = g_hash_table_new(g_str_hash, g_str_equal);
    txn->rows = g_ptr_array_new_with_free_func(txn_row_free);
    txn->journal = g_array_new(FALSE, FALSE, sizeof(struct journal_delta));
    g_array_set_clear_func(txn->journal, journal_delta_clear);
    return txn;
}

struct txn *
model_begin(struct model *model, GError **error)
{
    if (model->read_only) {
        if (error)
            *error = g_error_copy(model->read_only);
        return NULL;
    }
    return txn_new(model);
}

struct txn *
model_begin_volatile(struct model *model)
{
    struct txn *txn = txn_new(model);

    txn->volatile_only = true;
    return txn;
}

struct txn *
model_begin_unsaved(struct model *model)
{
    struct txn *txn = txn_new(model);

    txn->unsaved = true;
    return txn;
}

void
txn_free(struct txn *txn)
{
    txn->model->txn = NULL;
    g_hash_table_unref(txn->by_ref);
    g_ptr_array_unref(txn->rows);
    g_array_unref(txn->journal);
    g_free(txn);
}

void
txn_abort(struct txn *txn)
{
    if (txn)
        txn_free(txn);
}

static struct txn_row *
txn_row_new(struct txn *txn, const struct table *table, struct node *node, const char *ref)
{
    size_t size = strlen(ref) + 1;
    struct txn_row *row = g_malloc0(sizeof *row + size);

    row->table = table;
    row->node = node;
    memcpy(row->ref, ref, size);
    g_ptr_array_add(txn->rows, row);
    g_hash_table_insert(txn->by_ref, row->ref, row);
    return row;
}

struct txn_row *
txn_row_find(const struct txn *txn, const char *ref)
{
    return g_hash_table_lookup(txn->by_ref, ref);
}

struct txn_row *
txn_row_get(struct txn *txn, const char *ref)
{
    struct txn_row *row = txn_row_find(txn, ref);

    if (row)
        return row->destroyed ? NULL : row;
    struct node *node = node_find(txn->model, ref);
    return node ? txn_row_new(txn, node->table, node, ref) : NULL;
}

bool
txn_row_exists(const struct txn *txn, const char *ref, const struct table **ret_table)
{
    const struct txn_row *row = txn_row_find(txn, ref);
    const struct node *node = row ? NULL : node_find(txn->model, ref);

    if (row ? row->destroyed : !node)
        return false;
    *ret_table = row ? row->table : node->table;
    return true;
}

bool
txn_has(const struct txn *txn, const struct dm_class *cls, const char *ref)
{
    const struct table *table;

    return txn_row_exists(txn, ref, &table) && (!cls || table->cls == cls);
}

GVariant *
txn_row_field(const struct txn_row *row, const struct dm_field *field)
{
    if (row->fields && row->fields[field->index])
        return g_variant_ref(row->fields[field->index]);
    return row->node ? row_field(row->node->row, field) : dm_field_default(field);
}

void
txn_row_put(struct txn_row *row, const struct dm_field *field, GVariant *value)
{
    if (!row->fields)
        row->fields = g_new0(GVariant *, row->table->cls->n_fields);
    if (row->fields[field->index])
        g_variant_unref(row->fields[field->index]);
    row->fields[field->index] = value;
}

static void
error_class(GError **error, const struct table *expected, const char *ref)
{
    api_error_set(error, "HANDLE_INVALID", expected ? expected->cls->name : "object", ref, NULL);
}

/* A value for a stored field, a full reference; clients write "" for no reference. */
static GVariant *
value_accept(const struct dm_field *field, GVariant *value, GError **error)
{
    if (!field_is_stored(field)) {
        api_error_set(error, "INTERNAL_ERROR", "field is derived", field->name, NULL);
        return NULL;
    }
    if (!dm_type_check(field->type, value)) {
        api_error_set(error, "FIELD_TYPE_ERROR", field->name, NULL);
        return NULL;
    }
    if (field->type->kind == DM_REF && !*g_variant_get_string(value, NULL))
        return g_variant_ref_sink(g_variant_new_string(REF_NULL));
    return g_variant_ref(value);
}

static bool
fields_accept(struct txn_row *row, GVariant *fields, GError **error)
{
    gsize n = fields ? g_variant_n_children(fields) : 0;

    for (gsize i = 0; i < n; i++) {
        const char *name;
        g_autoptr(GVariant) value = NULL;
        g_variant_get_child(fields, i, "{&sv}", &name, &value);
        const struct dm_field *field = dm_field_find(row->table->cls, name);
        if (!field) {
            api_error_set(error, "INTERNAL_ERROR", "no such field", row->table->cls->name, name,
                          NULL);
            return false;
        }
        GVariant *accepted = value_accept(field, value, error);
        if (!accepted)
            return false;
        txn_row_put(row, field, accepted);
    }
    return true;
}

static bool
uuid_accept(struct txn_row *row, const struct model *model, GError **error)
{
    const struct table *table = row->table;

    if (!table->uuid)
        return true;
    g_autoptr(GVariant) value = txn_row_field(row, table->uuid);
    const char *uuid = g_variant_get_string(value, NULL);
    if (!*uuid) {
        g_autofree char *random = g_uuid_string_random();
        txn_row_put(row, table->uuid, g_variant_ref_sink(g_variant_new_string(random)));
        return true;
    }
    struct node *holder = g_hash_table_lookup(table->uuids, uuid);
    const struct txn_row *held = holder ? txn_row_find(model->txn, holder->ref) : NULL;
    /* Someone whom this transaction changes may give it up: the commit looks again. */
    if (!holder || held)
        return true;
    api_error_set(error, "DB_UNIQUENESS_CONSTRAINT_VIOLATION", table->cls->name, "uuid", uuid,
                  NULL);
    return false;
}

const char *
txn_create(struct txn *txn, const struct dm_class *cls, const char *ref, GVariant *fields,
           GError **error)
{
    g_autofree char *made = NULL;
    g_autoptr(GVariant) owned = fields ? g_variant_ref_sink(fields) : NULL;

    g_assert(!fields || g_variant_is_of_type(fields, G_VARIANT_TYPE_VARDICT));
    if (!cls->in_database) {
        api_error_set(error, "INTERNAL_ERROR", "class has no rows", cls->name, NULL);
        return NULL;
    }
    if (!ref) {
        g_autofree char *uuid = g_uuid_string_random();
        ref = made = g_strconcat(REF_PREFIX, uuid, NULL);
    }
    if (!*ref || g_str_equal(ref, REF_NULL) || !text_is_valid(ref, -1)) {
        api_error_set(error, "INTERNAL_ERROR", "not a reference for a new row", ref, NULL);
        return NULL;
    }
    if (txn_row_find(txn, ref) || node_find(txn->model, ref)) {
        api_error_set(error, "DB_UNIQUENESS_CONSTRAINT_VIOLATION", cls->name, "ref", ref, NULL);
        return NULL;
    }
    struct txn_row *row = txn_row_new(txn, table_of(txn->model, cls), NULL, ref);
    if (fields_accept(row, fields, error) && uuid_accept(row, txn->model, error))
        return row->ref;
    g_hash_table_remove(txn->by_ref, row->ref);
    g_ptr_array_remove(txn->rows, row);
    return NULL;
}

bool
txn_set(struct txn *txn, const char *ref, const struct dm_field *field, GVariant *value,
        GError **error)
{
    g_autoptr(GVariant) owned = g_variant_ref_sink(value);
    struct txn_row *row = txn_row_get(txn, ref);

    if (!row || row->table->cls != field->cls) {
        error_class(error, table_of(txn->model, field->cls), ref);
        return false;
    }
    GVariant *accepted = value_accept(field, value, error);
    if (!accepted)
        return false;
    txn_row_put(row, field, accepted);
    return true;
}

static const struct dm_field *
field_by_name(const struct txn *txn, const char *ref, const char *name)
{
    const struct table *table;

    if (!txn_row_exists(txn, ref, &table))
        g_error("transaction on %s: no such row: %s", name, ref);
    const struct dm_field *field = dm_field_find(table->cls, name);
    if (!field)
        g_error("no field %s in class %s", name, table->cls->name);
    return field;
}

void
txn_set_value(struct txn *txn, const char *ref, const char *field, GVariant *value)
{
    g_autoptr(GError) error = NULL;

    if (!txn_set(txn, ref, field_by_name(txn, ref, field), value, &error))
        g_error("set %s of %s: %s", field, ref, error->message);
}

void
txn_set_string(struct txn *txn, const char *ref, const char *field, const char *value)
{
    txn_set_value(txn, ref, field, g_variant_new_string(value));
}

void
txn_set_map_value(struct txn *txn, const char *ref, const char *field, const char *key,
                  const char *value)
{
    const struct dm_field *found = field_by_name(txn, ref, field);
    g_autoptr(GVariant) map = txn_get(txn, ref, found);
    GVariantBuilder builder;
    bool seen = false;
    GVariantIter iter;
    const char *old_key, *old_value;

    if (!g_variant_is_of_type(map, G_VARIANT_TYPE("a{ss}")))
        g_error("set a key of %s: not a map of strings", field);
    g_variant_builder_init(&builder, G_VARIANT_TYPE("a{ss}"));
    g_variant_iter_init(&iter, map);
    while (g_variant_iter_next(&iter, "{&s&s}", &old_key, &old_value)) {
        if (!g_str_equal(old_key, key)) {
            g_variant_builder_add(&builder, "{ss}", old_key, old_value);
        } else if (value && !seen) {
            g_variant_builder_add(&builder, "{ss}", key, value);
            seen = true;
        }
    }
    if (value && !seen)
        g_variant_builder_add(&builder, "{ss}", key, value);
    txn_set_value(txn, ref, field, g_variant_builder_end(&builder));
}

bool
txn_destroy(struct txn *txn, const char *ref, GError **error)
{
    struct txn_row *row = txn_row_get(txn, ref);

    if (!row) {
        error_class(error, NULL, ref);
        return false;
    }
    row->destroyed = true;
    return true;
}

bool
txn_touch(struct txn *txn, const char *ref, GError **error)
{
    struct txn_row *row = txn_row_get(txn, ref);

    if (!row) {
        error_class(error, NULL, ref);
        return false;
    }
    row->touched = true;
    return true;
}

const struct model *
txn_model(const struct txn *txn)
{
    return txn->model;
}

void
txn_journal(struct txn *txn, const char *key, GVariant *value)
{
    struct journal_delta delta = {
        .key = g_strdup(key),
        .after = value ? g_variant_ref_sink(value) : NULL,
    };

    g_array_append_val(txn->journal, delta);
}

/* Referrers as the transaction sees them: those of the index that it did not change, and those of
 * its rows that refer now. */
static GVariant *
txn_derived(const struct txn *txn, const char *ref, const struct dm_field *field)
{
    const struct dm_field *near = field->reverse_of;
    const struct node *node = node_find(txn->model, ref);
    const struct node_set *set = node ? node_referrers(node, near) : NULL;
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("as"));
    for (guint i = 0; set && i < set->n; i++) {
        const struct txn_row *row = txn_row_find(txn, set->items[i]->ref);
        if (!row || (!row->destroyed && !(row->fields && row->fields[near->index])))
            g_variant_builder_add(&builder, "s", set->items[i]->ref);
    }
    for (guint i = 0; i < txn->rows->len; i++) {
        const struct txn_row *row = txn->rows->pdata[i];
        if (row->table->cls != near->cls || row->destroyed || !row->fields ||
            !row->fields[near->index])
            continue;
        if (value_refers(near->type, row->fields[near->index], ref))
            g_variant_builder_add(&builder, "s", row->ref);
    }
    return g_variant_ref_sink(g_variant_builder_end(&builder));
}

GVariant *
txn_get(struct txn *txn, const char *ref, const struct dm_field *field)
{
    const struct table *table;

    if (!txn_row_exists(txn, ref, &table) || table->cls != field->cls)
        g_error("transaction: no row %s with a field %s", ref, field->name);
    if (!field_is_stored(field))
        return txn_derived(txn, ref, field);
    const struct txn_row *row = txn_row_find(txn, ref);
    return row ? txn_row_field(row, field) : row_field(node_find(txn->model, ref)->row, field);
}
