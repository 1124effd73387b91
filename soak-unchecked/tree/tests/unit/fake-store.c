#include "config.h"

#include "tests/unit/fake-store.h"

#include <stdarg.h>

#include "lib/error.h"

static void
row_free(void *data)
{
    struct model_row_change *row = data;

    g_free(row->ref);
    g_variant_unref(row->row);
    g_free(row);
}

static guint
row_position(const struct fake_store *store, const char *ref)
{
    guint i = 0;

    while (i < store->rows->len &&
           !g_str_equal(((struct model_row_change *)store->rows->pdata[i])->ref, ref))
        i++;
    return i;
}

static void
store_apply(struct fake_store *store, const struct model_changes *changes)
{
    for (guint i = 0; i < changes->rows->len; i++) {
        const struct model_row_change *change =
            &g_array_index(changes->rows, struct model_row_change, i);
        guint at = row_position(store, change->ref);
        if (!change->row) {
            g_assert_cmpuint(at, <, store->rows->len);
            g_ptr_array_remove_index(store->rows, at);
            continue;
        }
        struct model_row_change *row = g_memdup2(change, sizeof *change);
        row->ref = g_strdup(change->ref);
        g_variant_ref(row->row);
        if (at < store->rows->len) {
            row_free(store->rows->pdata[at]);
            store->rows->pdata[at] = row;
        } else {
            g_ptr_array_add(store->rows, row);
        }
    }
    for (guint i = 0; i < changes->journal->len; i++) {
        const struct model_journal_change *change =
            &g_array_index(changes->journal, struct model_journal_change, i);
        if (change->value)
            g_hash_table_replace(store->journal, g_strdup(change->key),
                                 g_variant_ref(change->value));
        else
            g_hash_table_remove(store->journal, change->key);
    }
    g_assert_cmpuint(changes->generation, >, store->generation);
    store->generation = changes->generation;
}

static void
store_commit(struct model_changes *changes, void *data)
{
    struct fake_store *store = data;

    g_queue_push_tail(&store->waiting, changes);
    if (store->automatic)
        fake_store_complete(store, 1);
}

static void
store_attach(struct fake_store *store, struct model *model)
{
    struct model_store interface = {.name = "fake", .commit = store_commit, .data = store};

    store->model = model;
    model_set_store(model, &interface);
}

void
fake_store_init(struct fake_store *store, struct model *model)
{
    *store = (struct fake_store){
        .rows = g_ptr_array_new_with_free_func(row_free),
        .journal =
            g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_variant_unref),
    };
    store_attach(store, model);
}

void
fake_store_clear(struct fake_store *store)
{
    g_queue_clear_full(&store->waiting, (GDestroyNotify)model_changes_free);
    g_ptr_array_unref(store->rows);
    g_hash_table_unref(store->journal);
}

void
fake_store_complete(struct fake_store *store, guint n)
{
    struct model_changes *changes;

    while (n-- > 0 && (changes = g_queue_pop_head(&store->waiting))) {
        guint64 generation = changes->generation;
        store_apply(store, changes);
        model_changes_free(changes);
        model_committed(store->model, generation, NULL);
    }
}

void
fake_store_fail(struct fake_store *store, bool report_all)
{
    g_autoptr(GError) error = api_error_new("INTERNAL_ERROR", "disk full", NULL);
    struct model_changes *changes;
    bool first = true;

    while ((changes = g_queue_pop_head(&store->waiting))) {
        guint64 generation = changes->generation;
        model_changes_free(changes);
        if (first || report_all)
            model_committed(store->model, generation, error);
        first = false;
    }
}

struct model *
fake_store_reload(struct fake_store *store)
{
    struct model *model = model_new();
    GHashTableIter iter;
    void *key, *value;
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < store->rows->len; i++) {
        const struct model_row_change *row = store->rows->pdata[i];
        model_load_row(model, row->cls->name, row->ref, row->row, row->created, row->modified,
                       &error);
        g_assert_no_error(error);
    }
    g_hash_table_iter_init(&iter, store->journal);
    while (g_hash_table_iter_next(&iter, &key, &value))
        model_load_journal(model, key, value);
    model_load_done(model, store->generation, &error);
    g_assert_no_error(error);
    g_queue_clear_full(&store->waiting, (GDestroyNotify)model_changes_free);
    store_attach(store, model);
    return model;
}

const struct dm_class *
cls(const char *name)
{
    const struct dm_class *found = dm_class_find(name, false);

    g_assert_nonnull(found);
    return found;
}

const struct dm_field *
fld(const char *class_name, const char *field)
{
    const struct dm_field *found = dm_field_find(cls(class_name), field);

    g_assert_nonnull(found);
    return found;
}

GVariant *
fields_of(const char *name, ...)
{
    GVariantBuilder builder;
    va_list ap;

    g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
    va_start(ap, name);
    for (; name; name = va_arg(ap, const char *))
        g_variant_builder_add(&builder, "{sv}", name,
                              g_variant_new_string(va_arg(ap, const char *)));
    va_end(ap);
    return g_variant_builder_end(&builder);
}

char *
row_create(struct model *model, const char *class_name, GVariant *fields)
{
    g_autoptr(GError) error = NULL;
    struct txn *txn = model_begin(model, &error);

    g_assert_no_error(error);
    char *ref = g_strdup(txn_create(txn, cls(class_name), NULL, fields, &error));
    g_assert_no_error(error);
    txn_commit(txn, &error);
    g_assert_no_error(error);
    return ref;
}

guint64
row_set(struct model *model, const char *ref, const char *field, GVariant *value)
{
    g_autoptr(GError) error = NULL;
    struct txn *txn = model_begin(model, &error);

    g_assert_no_error(error);
    txn_set_value(txn, ref, field, value);
    guint64 generation = txn_commit(txn, &error);
    g_assert_no_error(error);
    return generation;
}

guint64
row_destroy(struct model *model, const char *ref)
{
    g_autoptr(GError) error = NULL;
    struct txn *txn = model_begin(model, &error);

    g_assert_no_error(error);
    txn_destroy(txn, ref, &error);
    g_assert_no_error(error);
    guint64 generation = txn_commit(txn, &error);
    g_assert_no_error(error);
    return generation;
}

void
note_durable(const GError *error, void *data)
{
    *(int *)data = error ? -1 : 1;
}

int
await(struct model *model, guint64 generation)
{
    int state = 0;

    model_when_durable(model, generation, note_durable, &state);
    while (!state)
        g_main_context_iteration(NULL, TRUE);
    return state;
}

char *
set_text(const struct model *model, const char *ref, const char *field)
{
    g_autoptr(GVariant) value =
        model_get(model, ref, dm_field_find(model_class(model, ref), field));
    g_autofree const char **members = g_variant_get_strv(value, NULL);

    return g_strjoinv(" ", (char **)members);
}
