/* What event.from builds on: what changed after a token, in order, and at what cost. */
#include "config.h"

#include "tests/unit/fake-store.h"

struct bed {
    struct model *model;
    struct fake_store store;
};

static void
bed_setup(struct bed *bed, const void *data)
{
    (void)data;
    bed->model = model_new();
    fake_store_init(&bed->store, bed->model);
    bed->store.automatic = true;
}

static void
bed_teardown(struct bed *bed, const void *data)
{
    (void)data;
    assert_sound(bed->model);
    model_free(bed->model);
    fake_store_clear(&bed->store);
}

struct listing {
    GString *text;
    guint64 last; /* rows come in the order of their change, then deletions in theirs */
    bool deleting;
};

static void
list_change(enum model_change_kind kind, const struct dm_class *of, const char *ref,
            guint64 generation, void *data)
{
    struct listing *listing = data;

    (void)of;
    if (kind == MODEL_DEL && !listing->deleting) {
        listing->deleting = true;
        listing->last = 0;
    }
    g_assert_cmpuint(generation, >=, listing->last);
    g_assert_true((kind == MODEL_DEL) == listing->deleting);
    listing->last = generation;
    g_string_append_printf(listing->text, "%s%c%s", listing->text->len ? " " : "", "+*-"[kind],
                           ref + strlen(REF_PREFIX));
}

/* "+A *B -C": what changed in the class. */
static char *
changes(const struct model *model, const char *class_name, guint64 since)
{
    struct listing listing = {.text = g_string_new(NULL)};
    bool lost = true;

    model_changes_since(model, cls(class_name), since, list_change, &listing, &lost);
    if (lost)
        g_string_append(listing.text, " lost");
    return g_string_free(listing.text, FALSE);
}

#define assert_changes(model, class_name, since, expected)                                         \
    do {                                                                                           \
        g_autofree char *changes_here = changes(model, class_name, since);                         \
        g_assert_cmpstr(changes_here, ==, expected);                                               \
    } while (0)

static guint64
create(struct model *model, const char *class_name, const char *ref, GVariant *fields)
{
    g_autoptr(GError) error = NULL;
    struct txn *txn = model_begin(model, NULL);

    txn_create(txn, cls(class_name), ref, fields, &error);
    g_assert_no_error(error);
    guint64 generation = txn_commit(txn, &error);
    g_assert_no_error(error);
    return generation;
}

static guint64
rename_to(struct model *model, const char *ref, const char *label)
{
    return row_set(model, ref, "name_label", g_variant_new_string(label));
}

static void
test_fold(struct bed *bed, const void *data)
{
    struct model *model = bed->model;

    (void)data;
    guint64 a = create(model, "VM", "OpaqueRef:A", NULL);
    guint64 b = create(model, "VM", "OpaqueRef:B", NULL);
    guint64 c = create(model, "VM", "OpaqueRef:C", NULL);
    assert_changes(model, "VM", 0, "+A +B +C");
    assert_changes(model, "VM", a, "+B +C");
    assert_changes(model, "VM", c, "");
    rename_to(model, "OpaqueRef:A", "1");
    rename_to(model, "OpaqueRef:B", "1");
    guint64 two = rename_to(model, "OpaqueRef:A", "2");
    /* Several changes are one; a row that is new is an add whatever came later. */
    assert_changes(model, "VM", c, "*B *A");
    assert_changes(model, "VM", a, "+C +B *A");
    /* A value written again is no change. */
    g_assert_cmpuint(rename_to(model, "OpaqueRef:A", "2"), ==, two);
    assert_changes(model, "VM", two, "");
    row_destroy(model, "OpaqueRef:B");
    assert_changes(model, "VM", two, "-B");
    assert_changes(model, "VM", a, "+C *A");
    assert_changes(model, "VM", b, "+C *A -B");
    assert_changes(model, "VM", 0, "+C +A");
    assert_changes(model, "VDI", 0, "");
    g_assert_cmpuint(model_class_changed(model, cls("VM")), ==, model_head(model));
    g_assert_cmpuint(model_class_changed(model, cls("VDI")), ==, 0);
}

static void
test_touch(struct bed *bed, const void *data)
{
    struct model *model = bed->model;

    (void)data;
    create(model, "VM", "OpaqueRef:A", NULL);
    guint64 token = create(model, "VM", "OpaqueRef:B", NULL);
    struct txn *txn = model_begin(model, NULL);
    g_assert_true(txn_touch(txn, "OpaqueRef:A", NULL));
    g_assert_false(txn_touch(txn, "OpaqueRef:C", NULL));
    guint64 touched = txn_commit(txn, NULL);
    g_assert_cmpuint(touched, >, token);
    assert_changes(model, "VM", token, "*A");

    /* The far side of a relation shows the coming and the going of the near one. */
    guint64 plugged = create(model, "VBD", "OpaqueRef:V", fields_of("VM", "OpaqueRef:B", NULL));
    assert_changes(model, "VM", touched, "*B");
    guint64 moved = row_set(model, "OpaqueRef:V", "VM", g_variant_new_string("OpaqueRef:A"));
    assert_changes(model, "VM", plugged, "*B *A");
    row_destroy(model, "OpaqueRef:V");
    assert_changes(model, "VM", moved, "*A");
    assert_changes(model, "VBD", moved, "-V");
}

static void
test_not_before_durable(struct bed *bed, const void *data)
{
    struct model *model = bed->model;

    (void)data;
    guint64 start = create(model, "VM", "OpaqueRef:A", NULL);
    bed->store.automatic = false;
    guint64 renamed = rename_to(model, "OpaqueRef:A", "1");
    create(model, "VM", "OpaqueRef:B", NULL);
    assert_changes(model, "VM", start, "");
    fake_store_complete(&bed->store, 1);
    assert_changes(model, "VM", start, "*A");
    /* A row that changes all the time is seen nevertheless. */
    rename_to(model, "OpaqueRef:A", "2");
    assert_changes(model, "VM", start, "*A");
    assert_changes(model, "VM", renamed, "");
    row_destroy(model, "OpaqueRef:A");
    assert_changes(model, "VM", start, "");
    fake_store_complete(&bed->store, 3);
    assert_changes(model, "VM", start, "+B -A");
}

static void
test_undone(struct bed *bed, const void *data)
{
    struct model *model = bed->model;

    (void)data;
    guint64 start = create(model, "VM", "OpaqueRef:A", NULL);
    create(model, "VM", "OpaqueRef:B", NULL);
    bed->store.automatic = false;
    rename_to(model, "OpaqueRef:A", "1");
    guint64 durable = model_durable(model);
    row_destroy(model, "OpaqueRef:B");
    create(model, "VM", "OpaqueRef:C", NULL);
    /* Someone looks while B is gone. */
    assert_changes(model, "VM", start, "");
    fake_store_fail(&bed->store, false);
    model_set_writable(model);
    assert_sound(model);
    /* B is back and shown to him; the change of A never was; C never was. */
    assert_changes(model, "VM", durable, "*B");
    assert_changes(model, "VM", start, "+B");
    guint64 token = model_durable(model);
    rename_to(model, "OpaqueRef:A", "2");
    fake_store_complete(&bed->store, 1);
    assert_changes(model, "VM", token, "*A");
}

static void
test_tombstones(struct bed *bed, const void *data)
{
    enum { ROWS = 4200, KEPT = 4096 };
    struct model *model = bed->model;
    struct listing listing = {.text = g_string_new(NULL)};
    struct txn *txn = model_begin(model, NULL);
    bool lost;

    (void)data;
    for (int i = 0; i < ROWS; i++) {
        g_autofree char *ref = g_strdup_printf(REF_PREFIX "%d", i);
        g_assert_nonnull(txn_create(txn, cls("secret"), ref, NULL, NULL));
    }
    guint64 token = txn_commit(txn, NULL);
    for (int i = 0; i < ROWS; i++) {
        g_autofree char *ref = g_strdup_printf(REF_PREFIX "%d", i);
        row_destroy(model, ref);
    }
    model_changes_since(model, cls("secret"), token + ROWS - KEPT, list_change, &listing, &lost);
    g_assert_false(lost);
    g_assert_cmpuint(g_strrstr(listing.text->str, "4199") != NULL, ==, TRUE);
    model_changes_since(model, cls("secret"), token + ROWS - KEPT - 1, list_change,
                        &(struct listing){.text = listing.text}, &lost);
    g_assert_true(lost);
    /* A token from before a restart too: deletions are not on disk. */
    model_free(model);
    bed->model = fake_store_reload(&bed->store);
    model_changes_since(bed->model, cls("secret"), model_durable(bed->model) - 1, list_change,
                        &(struct listing){.text = listing.text}, &lost);
    g_assert_true(lost);
    model_changes_since(bed->model, cls("secret"), model_durable(bed->model), list_change,
                        &(struct listing){.text = listing.text}, &lost);
    g_assert_false(lost);
    g_string_free(listing.text, TRUE);
}

/* Among many rows, looking for the few that changed is as quick as among few. */
static gint64
look_time(guint rows)
{
    struct model *model = model_new();
    struct txn *txn = model_begin(model, NULL);

    for (guint i = 0; i < rows; i++)
        txn_create(txn, cls("secret"), NULL, NULL, NULL);
    txn_create(txn, cls("secret"), "OpaqueRef:last", NULL, NULL);
    guint64 token = txn_commit(txn, NULL);
    txn = model_begin(model, NULL);
    txn_touch(txn, "OpaqueRef:last", NULL);
    txn_commit(txn, NULL);
    gint64 best = G_MAXINT64;
    for (int round = 0; round < 20; round++) {
        gint64 start = g_get_monotonic_time();
        for (int i = 0; i < 200; i++) {
            g_autofree char *text = changes(model, "secret", token);
            g_assert_cmpstr(text, ==, "*last");
        }
        best = MIN(best, g_get_monotonic_time() - start);
    }
    model_free(model);
    return best;
}

static void
test_cost(void)
{
    gint64 few = look_time(10), many = look_time(20000);

    g_test_message("200 looks: %" G_GINT64_FORMAT " us among 10 rows, %" G_GINT64_FORMAT
                   " us among 20,000",
                   few, many);
    /* A scan of the rows would be a thousand times slower. */
    g_assert_cmpint(many, <, 20 * few + 1000);
}

#define add(name, function)                                                                        \
    g_test_add("/model-events/" name, struct bed, NULL, bed_setup, function, bed_teardown)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("fold", test_fold);
    add("touch", test_touch);
    add("not-before-durable", test_not_before_durable);
    add("undone", test_undone);
    add("tombstones", test_tombstones);
    g_test_add_func("/model-events/cost", test_cost);
    return g_test_run();
}
