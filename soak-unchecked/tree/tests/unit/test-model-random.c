/* Random transactions, store failures and crashes on the model and on a naive picture of it: a list
 * of rows that is copied whole for each generation.  Equal at every step.
 * XAPID_SOAK=n: n times as many steps. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/fake-store.h"
#include "tests/unit/picture.h"

#define STEPS 1500
#define SOAK 20 /* times as many in make soak */
#define ROWS_MAX 24

static const char *const class_names[] = {"VM",      "VBD",        "VDI",        "VIF",
                                          "network", "VM_group",   "SR",         "PCI",
                                          "blob",    "VM_metrics", "VBD_metrics"};

struct bed {
    struct model *model;
    struct fake_store store;
    GPtrArray *pictures;   /* oldest: the durable one; last: the head */
    struct picture *draft; /* of the open transaction */
    /* A client of events: what it has cached, ref -> record, and the answer on its way to it, which
     * leaves when all that it shows is durable. */
    GHashTable *client, *answer;
    guint64 token, answer_token, answer_shows;
    guint n_refs, n_failed, n_crashes, n_refused, n_commits, n_followed;
};

static struct picture *
head_of(struct bed *bed)
{
    return bed->pictures->pdata[bed->pictures->len - 1];
}

static void
assert_same(struct bed *bed)
{
    const struct picture *picture = head_of(bed);
    guint n = 0;
    GHashTableIter iter;
    void *key, *value;

    g_assert_cmpuint(model_head(bed->model), ==, picture->generation);
    for (guint i = 0; i < picture->rows->len; i++) {
        const struct picture_row *row = picture->rows->pdata[i];
        g_autoptr(GVariant) expected = picture_record(picture, row);
        g_autoptr(GVariant) found = model_record(bed->model, row->ref);
        g_assert_true(model_has(bed->model, row->cls, row->ref));
        if (!g_variant_equal(expected, found)) {
            g_autofree char *a = g_variant_print(expected, FALSE);
            g_autofree char *b = g_variant_print(found, FALSE);
            g_test_message("%s %s\nexpected %s\nfound    %s", row->cls->name, row->ref, a, b);
            g_assert_not_reached();
        }
        const char *uuid =
            g_variant_get_string(row->fields[dm_field_find(row->cls, "uuid")->index], NULL);
        g_assert_cmpstr(model_by_uuid(bed->model, row->cls, uuid), ==, row->ref);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(class_names); i++)
        n += model_count(bed->model, cls(class_names[i]));
    g_assert_cmpuint(n, ==, picture->rows->len);
    g_assert_cmpuint(g_hash_table_size(model_journal(bed->model)), ==,
                     g_hash_table_size(picture->journal));
    g_hash_table_iter_init(&iter, picture->journal);
    while (g_hash_table_iter_next(&iter, &key, &value))
        g_assert_true(g_variant_equal(value, g_hash_table_lookup(model_journal(bed->model), key)));
    assert_sound(bed->model);
}

/* A reference of the class, null, or now and then one that is not there. */
static const char *
random_ref(const struct bed *bed, const struct dm_class *of)
{
    const GPtrArray *rows = bed->draft->rows;
    int dice = g_test_rand_int_range(0, 100);

    if (dice < 1)
        return "OpaqueRef:nowhere";
    for (int tries = 0; dice < 75 && rows->len && tries < 30; tries++) {
        const struct picture_row *row = rows->pdata[g_test_rand_int_range(0, (int)rows->len)];
        if (row->cls == of)
            return row->ref;
    }
    return REF_NULL;
}

static GVariant *
random_value(const struct bed *bed, const struct dm_type *type)
{
    int dice = g_test_rand_int_range(0, 4);

    switch (type->kind) {
    case DM_STRING:
        return g_variant_new_take_string(g_strdup_printf("s%d", dice));
    case DM_BOOL:
        return g_variant_new_boolean(dice & 1);
    case DM_INT:
    case DM_DATETIME:
        return g_variant_new_int64(dice - 1);
    case DM_FLOAT:
        return g_variant_new_double(dice / 2.0);
    case DM_ENUM:
        return g_variant_new_string(type->en->values[dice % (int)type->en->n_values]);
    case DM_REF:
        return g_variant_new_string(random_ref(bed, type->cls));
    default:
        break;
    }
    GVariantBuilder builder;
    g_variant_builder_init(&builder, G_VARIANT_TYPE(type->gvariant));
    for (int i = 0; i < dice; i++) {
        GVariant *member = random_value(bed, type->elem);
        g_variant_builder_add_value(
            &builder, type->kind == DM_SET
                          ? member
                          : g_variant_new_dict_entry(random_value(bed, type->key), member));
    }
    return g_variant_builder_end(&builder);
}

static const struct dm_field *
random_field(const struct dm_class *of)
{
    const struct dm_field *field;

    do {
        field = &of->fields[g_test_rand_int_range(0, (int)of->n_fields)];
        /* References are what matters. */
    } while (field->storage == DM_DERIVED || g_str_equal(field->name, "uuid") ||
             (!strstr(field->type->name, "ref<") && g_test_rand_int_range(0, 4)));
    return field;
}

static void
random_create(struct bed *bed, struct txn *txn)
{
    const struct dm_class *of =
        cls(class_names[g_test_rand_int_range(0, G_N_ELEMENTS(class_names))]);
    g_autofree char *ref = g_strdup_printf("OpaqueRef:%u", ++bed->n_refs);
    struct picture_row *row = picture_row_new(of, ref, NULL);
    GVariantBuilder fields;

    g_variant_builder_init(&fields, G_VARIANT_TYPE_VARDICT);
    g_ptr_array_add(bed->draft->rows, row);
    /* Sometimes a uuid that someone had and may still have. */
    guint uuid = g_test_rand_int_range(0, 20) ? bed->n_refs : (guint)g_test_rand_int_range(1, 50);
    picture_set(row, dm_field_find(of, "uuid"),
                g_variant_new_take_string(g_strdup_printf("u%u", uuid)));
    g_variant_builder_add(&fields, "{sv}", "uuid", row->fields[dm_field_find(of, "uuid")->index]);
    for (int i = 0; i < 3; i++) {
        const struct dm_field *field = random_field(of);
        g_autoptr(GVariant) value = g_variant_ref_sink(random_value(bed, field->type));
        picture_set(row, field, value);
        g_variant_builder_add(&fields, "{sv}", field->name, value);
    }
    if (!txn_create(txn, of, ref, g_variant_builder_end(&fields), NULL))
        g_ptr_array_remove(bed->draft->rows, row);
}

static void
random_write(struct bed *bed, struct txn *txn)
{
    GPtrArray *rows = bed->draft->rows;
    int dice = g_test_rand_int_range(0, 20);

    if (dice == 0) {
        g_autofree char *key = g_strdup_printf("k%d", g_test_rand_int_range(0, 5));
        GVariant *value =
            g_test_rand_bit() ? g_variant_ref_sink(g_variant_new_int64(g_test_rand_int())) : NULL;
        txn_journal(txn, key, value);
        if (value)
            g_hash_table_replace(bed->draft->journal, g_steal_pointer(&key), value);
        else
            g_hash_table_remove(bed->draft->journal, key);
        return;
    }
    if (rows->len == 0 || (dice < 6 && rows->len < ROWS_MAX)) {
        random_create(bed, txn);
        return;
    }
    struct picture_row *row = rows->pdata[g_test_rand_int_range(0, (int)rows->len)];
    if (dice < 9) {
        g_autofree char *ref = g_strdup(row->ref);
        g_assert_true(txn_destroy(txn, ref, NULL));
        picture_destroy(bed->draft, row);
        g_assert_false(txn_destroy(txn, ref, NULL));
        return;
    }
    const struct dm_field *field = random_field(row->cls);
    g_autoptr(GVariant) value = g_variant_ref_sink(random_value(bed, field->type));
    picture_set(row, field, value);
    g_assert_true(txn_set(txn, row->ref, field, value, NULL));
}

/* What the transaction sees, before anyone else does. */
static void
assert_inside(struct bed *bed, struct txn *txn)
{
    const struct picture *draft = bed->draft;

    for (guint i = 0; i < draft->rows->len; i++) {
        const struct picture_row *row = draft->rows->pdata[i];
        const struct dm_field *field =
            &row->cls->fields[g_test_rand_int_range(0, (int)row->cls->n_fields)];
        if (field->storage == DM_DERIVED || strstr(field->type->name, "ref<"))
            continue;
        g_autoptr(GVariant) found = txn_get(txn, row->ref, field);
        g_assert_true(g_variant_equal(found, row->fields[field->index]));
    }
}

static void
random_transaction(struct bed *bed)
{
    g_autoptr(GError) error = NULL;
    guint64 head = model_head(bed->model);

    if (!model_is_writable(bed->model)) {
        g_assert_null(model_begin(bed->model, &error));
        model_set_writable(bed->model);
        return;
    }
    struct txn *txn = model_begin(bed->model, &error);
    bed->draft = picture_copy(head_of(bed));
    int n = g_test_rand_int_range(1, 6);
    for (int i = 0; i < n; i++)
        random_write(bed, txn);
    assert_inside(bed, txn);
    if (g_test_rand_int_range(0, 20) == 0) {
        txn_abort(txn);
        g_clear_pointer(&bed->draft, picture_free);
        return;
    }
    bool sound = picture_sound(bed->draft);
    guint64 generation = txn_commit(txn, &error);
    g_assert_cmpint(sound, ==, generation != 0);
    g_assert_cmpint(sound, ==, error == NULL);
    bed->n_refused += !sound;
    bed->n_commits += generation > head;
    if (sound && generation > head) {
        bed->draft->generation = generation;
        g_ptr_array_add(bed->pictures, g_steal_pointer(&bed->draft));
    }
    g_clear_pointer(&bed->draft, picture_free);
}

/* Pictures that are older than the durable one are not needed any more. */
static void
trim(struct bed *bed)
{
    while (bed->pictures->len > 1 &&
           ((struct picture *)bed->pictures->pdata[1])->generation <= model_durable(bed->model))
        g_ptr_array_remove_index(bed->pictures, 0);
}

static void
fail(struct bed *bed)
{
    guint64 head = model_head(bed->model);

    trim(bed);
    if (!bed->store.waiting.length)
        return;
    fake_store_fail(&bed->store, g_test_rand_bit());
    g_ptr_array_set_size(bed->pictures, 1);
    /* What is there now has a generation of its own: those who wait for the failed ones fail, those
     * who read from now on do not. */
    g_assert_cmpuint(model_head(bed->model), ==, head + 1);
    g_assert_cmpuint(model_durable(bed->model), ==, head + 1);
    head_of(bed)->generation = head + 1;
    /* The call fails, and the client asks again from where it was. */
    g_clear_pointer(&bed->answer, g_hash_table_unref);
    bed->n_failed++;
}

static void
crash(struct bed *bed)
{
    trim(bed);
    model_free(bed->model);
    bed->model = fake_store_reload(&bed->store);
    g_ptr_array_set_size(bed->pictures, 1);
    picture_restart(head_of(bed));
    head_of(bed)->generation = model_head(bed->model);
    g_clear_pointer(&bed->answer, g_hash_table_unref);
    g_hash_table_remove_all(bed->client);
    bed->token = 0;
    bed->n_crashes++;
}

static void
on_change(enum model_change_kind kind, const struct dm_class *of, const char *ref,
          guint64 generation, void *data)
{
    struct bed *bed = data;

    g_assert_cmpuint(generation, >, bed->token);
    g_assert_cmpuint(generation, <=, model_durable(bed->model));
    if (kind == MODEL_DEL) {
        g_assert_false(model_has(bed->model, of, ref) &&
                       model_modified(bed->model, ref) <= model_durable(bed->model));
        g_hash_table_remove(bed->answer, ref);
        return;
    }
    g_assert_cmpint(kind == MODEL_ADD, ==, model_created(bed->model, ref) > bed->token);
    g_hash_table_replace(bed->answer, g_strdup(ref), model_record(bed->model, ref));
    bed->answer_shows = MAX(bed->answer_shows, model_modified(bed->model, ref));
}

static GHashTable *
client_copy(GHashTable *from)
{
    GHashTable *copy =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_variant_unref);
    GHashTableIter iter;
    void *key, *value;

    g_hash_table_iter_init(&iter, from);
    while (g_hash_table_iter_next(&iter, &key, &value))
        g_hash_table_insert(copy, g_strdup(key), g_variant_ref(value));
    return copy;
}

static void
ask(struct bed *bed)
{
    bool lost;

    if (bed->answer)
        return;
    bed->answer = client_copy(bed->client);
    bed->answer_token = bed->answer_shows = model_durable(bed->model);
    for (size_t i = 0; i < G_N_ELEMENTS(class_names); i++) {
        model_changes_since(bed->model, cls(class_names[i]), bed->token, on_change, bed, &lost);
        g_assert_false(lost);
    }
}

/* Whenever all is durable and the client has its answer, it has seen everything. */
static void
deliver(struct bed *bed)
{
    const struct picture *picture = head_of(bed);

    if (!bed->answer || bed->answer_shows > model_durable(bed->model))
        return;
    g_hash_table_unref(bed->client);
    bed->client = g_steal_pointer(&bed->answer);
    bed->token = bed->answer_token;
    if (bed->token != model_head(bed->model))
        return;
    g_assert_cmpuint(g_hash_table_size(bed->client), ==, picture->rows->len);
    for (guint i = 0; i < picture->rows->len; i++) {
        const struct picture_row *row = picture->rows->pdata[i];
        g_autoptr(GVariant) expected = picture_record(picture, row);
        g_assert_true(g_variant_equal(expected, g_hash_table_lookup(bed->client, row->ref)));
    }
    bed->n_followed++;
}

static void
test_random(void)
{
    const char *soak = g_getenv("XAPID_SOAK");
    int steps = STEPS * (soak ? MAX(1, atoi(soak)) : 1);
    struct bed bed = {
        .model = model_new(),
        .pictures = g_ptr_array_new_with_free_func(picture_free),
        .client =
            g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_variant_unref),
    };

    g_test_message("random transactions of the model, sample/full: %d/%d", steps, STEPS * SOAK);
    fake_store_init(&bed.store, bed.model);
    g_ptr_array_add(bed.pictures, picture_new());
    for (int step = 0; step < steps; step++) {
        int dice = g_test_rand_int_range(0, 100);
        if (dice < 65)
            random_transaction(&bed);
        else if (dice < 85)
            fake_store_complete(&bed.store, (guint)g_test_rand_int_range(1, 8));
        else if (dice < 97)
            ask(&bed);
        else if (dice < 99)
            fail(&bed);
        else
            crash(&bed);
        deliver(&bed);
        assert_same(&bed);
    }
    g_test_message("%d steps: %u commits, %u refused, %u store failures, %u crashes,"
                   " %u times a client up to date",
                   steps, bed.n_commits, bed.n_refused, bed.n_failed, bed.n_crashes,
                   bed.n_followed);
    g_assert_cmpuint(MIN(MIN(bed.n_commits, bed.n_refused), MIN(bed.n_failed, bed.n_crashes)), >,
                     0);
    model_free(bed.model);
    fake_store_clear(&bed.store);
    g_ptr_array_unref(bed.pictures);
    g_hash_table_unref(bed.client);
    g_clear_pointer(&bed.answer, g_hash_table_unref);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/model-random/transactions", test_random);
    return g_test_run();
}
