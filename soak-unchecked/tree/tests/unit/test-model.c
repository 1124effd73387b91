/* What users of the model see: rows, relations, refusals, two generations, undoing, events. */
#include "config.h"

#include "lib/error.h"
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

static void
assert_code(const GError *error, const char *code)
{
    g_assert_nonnull(error);
    g_assert_cmpstr(api_error_code(error), ==, code);
}

static void
test_row(struct bed *bed, const void *data)
{
    struct model *model = bed->model;
    /* Nothing to do is no failure, on a model where nothing was done yet either. */
    g_assert_cmpuint(txn_commit(model_begin(model, NULL), NULL), >, 0);
    g_autofree char *vm = row_create(model, "VM", fields_of("name_label", "red", NULL));

    (void)data;
    g_assert_true(g_str_has_prefix(vm, REF_PREFIX));
    g_assert_true(model_class(model, vm) == cls("VM"));
    g_autofree char *uuid = model_get_string(model, vm, "uuid");
    g_assert_true(g_uuid_string_is_valid(uuid));
    g_assert_cmpstr(model_by_uuid(model, cls("VM"), uuid), ==, vm);
    g_assert_null(model_by_uuid(model, cls("VDI"), uuid));
    g_autoptr(GPtrArray) red = model_by_name_label(model, cls("VM"), "red");
    g_assert_cmpuint(red->len, ==, 1);
    g_assert_cmpstr(red->pdata[0], ==, vm);

    row_set(model, vm, "name_label", g_variant_new_string("blue"));
    row_set(model, vm, "memory_static_max", g_variant_new_int64(1 << 20));
    g_autoptr(GPtrArray) none = model_by_name_label(model, cls("VM"), "red");
    g_assert_cmpuint(none->len, ==, 0);
    g_assert_cmpint(model_get_int(model, vm, "memory_static_max"), ==, 1 << 20);
    g_assert_cmpstr(model_by_uuid(model, cls("VM"), uuid), ==, vm);

    g_autoptr(GVariant) record = model_record(model, vm);
    for (unsigned i = 0; i < cls("VM")->n_fields; i++) {
        const struct dm_field *field = &cls("VM")->fields[i];
        g_autoptr(GVariant) value = g_variant_lookup_value(record, field->name, NULL);
        g_assert_cmpint(value != NULL, ==, !field->internal_only);
        g_assert_true(!value || dm_type_check(field->type, value));
    }
    row_destroy(model, vm);
    g_assert_null(model_class(model, vm));
    g_assert_null(model_by_uuid(model, cls("VM"), uuid));
    g_assert_cmpuint(model_count(model, cls("VM")), ==, 0);
}

static void
test_map(struct bed *bed, const void *data)
{
    struct model *model = bed->model;
    g_autofree char *vm = row_create(model, "VM", NULL);
    struct txn *txn = model_begin(model, NULL);

    (void)data;
    txn_set_map_value(txn, vm, "other_config", "a", "1");
    txn_set_map_value(txn, vm, "other_config", "b", "2");
    txn_set_map_value(txn, vm, "other_config", "a", "3");
    txn_set_map_value(txn, vm, "other_config", "b", NULL);
    txn_set_map_value(txn, vm, "other_config", "c", NULL);
    g_assert_cmpuint(txn_commit(txn, NULL), >, 0);
    g_autofree char *a = model_get_map_value(model, vm, "other_config", "a");
    g_autofree char *b = model_get_map_value(model, vm, "other_config", "b");
    g_assert_cmpstr(a, ==, "3");
    g_assert_null(b);
}

static void
test_relation(struct bed *bed, const void *data)
{
    struct model *model = bed->model;
    g_autofree char *one = row_create(model, "VM", NULL);
    g_autofree char *two = row_create(model, "VM", NULL);
    g_autofree char *disk = row_create(model, "VDI", NULL);
    g_autofree char *vbd = row_create(model, "VBD", fields_of("VM", one, "VDI", disk, NULL));
    g_autofree char *vbd2 = row_create(model, "VBD", fields_of("VM", one, NULL));
    g_autofree char *both = g_strjoin(" ", vbd, vbd2, NULL);
    g_autoptr(GError) error = NULL;

    (void)data;
    assert_set(model, one, "VBDs", both);
    assert_set(model, disk, "VBDs", vbd);
    guint64 generation = row_set(model, vbd, "VM", g_variant_new_string(two));
    assert_set(model, one, "VBDs", vbd2);
    assert_set(model, two, "VBDs", vbd);
    /* Both far sides show the change, the one that is not concerned does not. */
    g_assert_cmpuint(model_modified(model, one), ==, generation);
    g_assert_cmpuint(model_modified(model, two), ==, generation);
    g_assert_cmpuint(model_modified(model, disk), <, generation);

    struct txn *txn = model_begin(model, NULL);
    g_assert_false(txn_set(txn, one, fld("VM", "VBDs"),
                           g_variant_new_array(G_VARIANT_TYPE_STRING, NULL, 0), &error));
    g_assert_nonnull(error);
    txn_set_string(txn, vbd2, "VM", two);
    g_autoptr(GVariant) inside = txn_get(txn, two, fld("VM", "VBDs"));
    g_assert_cmpuint(g_variant_n_children(inside), ==, 2);
    g_autoptr(GVariant) left = txn_get(txn, one, fld("VM", "VBDs"));
    g_assert_cmpuint(g_variant_n_children(left), ==, 0);
    txn_abort(txn);
    assert_set(model, one, "VBDs", vbd2);
}

static void
test_destroy_lets_go(struct bed *bed, const void *data)
{
    struct model *model = bed->model;
    g_autofree char *vm = row_create(model, "VM", NULL);
    g_autofree char *net = row_create(model, "network", NULL);
    g_autofree char *vif = row_create(model, "VIF", fields_of("VM", vm, "network", net, NULL));
    g_autofree char *blob = row_create(model, "blob", NULL);
    g_autofree char *pci = row_create(model, "PCI", NULL);
    const char *vms[] = {vm};
    GVariantBuilder ips;

    (void)data;
    g_variant_builder_init(&ips, G_VARIANT_TYPE("a{ss}"));
    g_variant_builder_add(&ips, "{ss}", vif, "10.0.0.1");
    row_set(model, net, "assigned_ips", g_variant_builder_end(&ips));
    row_set(model, net, "blobs", g_variant_new_parsed("{'icon': %s}", blob));
    row_set(model, pci, "attached_VMs", g_variant_new_strv(vms, 1));

    row_destroy(model, vm);
    g_autofree char *no_vm = model_get_string(model, vif, "VM");
    g_assert_cmpstr(no_vm, ==, REF_NULL);
    assert_set(model, pci, "attached_VMs", "");
    row_destroy(model, vif);
    row_destroy(model, blob);
    g_autoptr(GVariant) assigned = model_get(model, net, fld("network", "assigned_ips"));
    g_autoptr(GVariant) blobs = model_get(model, net, fld("network", "blobs"));
    g_assert_cmpuint(g_variant_n_children(assigned), ==, 0);
    g_assert_cmpuint(g_variant_n_children(blobs), ==, 0);

    /* The store has heard of all of it: a restart sees the same. */
    g_autoptr(GVariant) before = model_record(model, net);
    model_free(model);
    bed->model = fake_store_reload(&bed->store);
    g_autoptr(GVariant) after = model_record(bed->model, net);
    g_assert_true(g_variant_equal(before, after));
}

static void
test_refusals(struct bed *bed, const void *data)
{
    struct model *model = bed->model;
    g_autofree char *vm = row_create(model, "VM", NULL);
    g_autofree char *child = row_create(model, "VM", fields_of("snapshot_of", vm, NULL));
    g_autofree char *uuid = model_get_string(model, vm, "uuid");
    guint64 head = model_head(model);
    g_autoptr(GError) error = NULL;

    (void)data;
    /* A row of another class, and a row that is not there. */
    const char *bad[] = {vm, "OpaqueRef:nowhere"};
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        struct txn *txn = model_begin(model, NULL);
        txn_create(txn, cls("VBD"), NULL, fields_of("VM", vm, "VDI", bad[i], NULL), NULL);
        g_assert_cmpuint(txn_commit(txn, &error), ==, 0);
        assert_code(error, "HANDLE_INVALID");
        g_assert_cmpstr(api_error_params(error)[0], ==, "VDI");
        g_assert_cmpstr(api_error_params(error)[1], ==, bad[i]);
        g_clear_error(&error);
    }
    g_assert_cmpuint(model_count(model, cls("VBD")), ==, 0);

    struct txn *txn = model_begin(model, NULL);
    g_assert_null(txn_create(txn, cls("VM"), NULL, fields_of("uuid", uuid, NULL), &error));
    assert_code(error, "DB_UNIQUENESS_CONSTRAINT_VIOLATION");
    g_clear_error(&error);
    g_assert_null(txn_create(txn, cls("VM"), vm, NULL, &error));
    g_clear_error(&error);
    g_assert_null(txn_create(txn, cls("VM"), NULL, fields_of("no_such", "x", NULL), &error));
    g_clear_error(&error);
    g_assert_null(
        txn_create(txn, cls("VM"), NULL, fields_of("power_state", "Flying", NULL), &error));
    assert_code(error, "FIELD_TYPE_ERROR");
    g_clear_error(&error);
    g_assert_false(txn_set(txn, "OpaqueRef:nowhere", fld("VM", "name_label"),
                           g_variant_new_string("x"), &error));
    assert_code(error, "HANDLE_INVALID");
    g_clear_error(&error);
    /* Nothing is left of the refused ones. */
    g_assert_cmpuint(txn_commit(txn, &error), ==, head);

    txn = model_begin(model, NULL);
    txn_set_string(txn, vm, "snapshot_of", child);
    g_assert_cmpuint(txn_commit(txn, &error), ==, 0);
    assert_code(error, "INTERNAL_ERROR");
    g_clear_error(&error);

    /* A uuid may change hands within one transaction. */
    txn = model_begin(model, NULL);
    g_assert_true(txn_destroy(txn, vm, NULL));
    const char *heir =
        txn_create(txn, cls("VM"), "OpaqueRef:heir", fields_of("uuid", uuid, NULL), &error);
    g_assert_nonnull(heir);
    g_assert_cmpuint(txn_commit(txn, &error), ==, head + 1);
    g_assert_cmpstr(model_by_uuid(model, cls("VM"), uuid), ==, "OpaqueRef:heir");
    g_autofree char *orphan = model_get_string(model, child, "snapshot_of");
    g_assert_cmpstr(orphan, ==, REF_NULL);
}

struct outcome {
    int called;
    bool failed;
};

static void
note_outcome(const GError *error, void *data)
{
    struct outcome *outcome = data;

    outcome->called++;
    outcome->failed = error != NULL;
}

static void
note_change(void *data)
{
    ++*(int *)data;
}

static void
turn(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        ;
}

static void
test_durable(struct bed *bed, const void *data)
{
    struct model *model = bed->model;
    g_autofree char *vm = row_create(model, "VM", NULL);
    struct outcome first = {0}, second = {0}, third = {0};
    int observed = 0;

    (void)data;
    bed->store.automatic = false;
    guint observer = model_observe(model, note_change, &observed);
    guint64 one = row_set(model, vm, "name_label", g_variant_new_string("1"));
    /* Volatile: never seen by the store, but not durable before what precedes it. */
    guint64 two = row_set(model, vm, "allowed_operations", g_variant_new_parsed("['start']"));
    guint64 three = row_set(model, vm, "name_label", g_variant_new_string("3"));
    g_assert_cmpuint(bed->store.waiting.length, ==, 2);
    model_when_durable(model, two, note_outcome, &second);
    model_when_durable(model, one, note_outcome, &first);
    model_when_durable(model, three, note_outcome, &third);
    turn();
    g_assert_cmpint(first.called + second.called + third.called + observed, ==, 0);
    fake_store_complete(&bed->store, 1);
    g_assert_cmpuint(model_durable(model), ==, two);
    g_assert_cmpint(first.called, ==, 1);
    g_assert_cmpint(second.called, ==, 1);
    g_assert_cmpint(third.called, ==, 0);
    fake_store_complete(&bed->store, 1);
    g_assert_cmpint(third.called, ==, 1);
    g_assert_cmpint(observed, ==, 0);
    turn();
    g_assert_cmpint(observed, ==, 1);
    /* With nothing under way a volatile change is durable at once. */
    row_set(model, vm, "allowed_operations", g_variant_new_parsed("['pause']"));
    g_assert_cmpuint(model_durable(model), ==, model_head(model));
    model_unobserve(model, observer);
    turn();
    g_assert_cmpint(observed, ==, 1);
    /* And gone after a restart. */
    model_free(model);
    bed->model = fake_store_reload(&bed->store);
    assert_set(bed->model, vm, "allowed_operations", "");
    g_autofree char *label = model_get_string(bed->model, vm, "name_label");
    g_assert_cmpstr(label, ==, "3");
}

static void
test_undo(struct bed *bed, const void *data)
{
    struct model *model = bed->model;
    g_autofree char *vm = row_create(model, "VM", fields_of("name_label", "kept", NULL));
    g_autofree char *vbd = row_create(model, "VBD", fields_of("VM", vm, NULL));
    g_autoptr(GVariant) before = model_record(model, vm);
    struct outcome kept = {0}, lost = {0}, late = {0}, later = {0};
    g_autoptr(GError) error = NULL;

    (void)data;
    bed->store.automatic = false;
    guint64 one = row_set(model, vm, "name_label", g_variant_new_string("first"));
    row_destroy(model, vbd);
    g_autofree char *made = row_create(model, "VBD", fields_of("VM", vm, NULL));
    struct txn *txn = model_begin(model, NULL);
    txn_journal(txn, "op/1", g_variant_new_string("intent"));
    guint64 last = txn_commit(txn, NULL);
    model_when_durable(model, one, note_outcome, &kept);
    model_when_durable(model, last, note_outcome, &lost);
    fake_store_complete(&bed->store, 1);
    fake_store_fail(&bed->store, true);
    g_assert_true(kept.called == 1 && !kept.failed);
    g_assert_true(lost.called == 1 && lost.failed);
    /* Who asks afterwards learns it too. */
    model_when_durable(model, last, note_outcome, &late);
    g_assert_true(late.called == 1 && late.failed);
    model_when_durable(model, one, note_outcome, &later);
    g_assert_true(later.called == 1 && !later.failed);

    g_assert_false(model_has(model, cls("VBD"), made));
    g_assert_cmpuint(g_hash_table_size(model_journal(model)), ==, 0);
    assert_set(model, vm, "VBDs", vbd);
    g_autofree char *label = model_get_string(model, vm, "name_label");
    g_assert_cmpstr(label, ==, "first");

    g_assert_false(model_is_writable(model));
    g_assert_null(model_begin(model, &error));
    g_assert_nonnull(error);
    g_clear_error(&error);
    /* What is volatile still changes; what the store would have to keep does not. */
    txn = model_begin_volatile(model);
    g_assert_nonnull(txn_create(txn, cls("VBD_metrics"), NULL, NULL, NULL));
    g_assert_cmpuint(txn_commit(txn, &error), >, last);
    g_assert_cmpuint(model_durable(model), ==, model_head(model));
    txn = model_begin_volatile(model);
    txn_set_string(txn, vm, "name_label", "no");
    g_assert_cmpuint(txn_commit(txn, &error), ==, 0);
    g_assert_nonnull(error);
    model_set_writable(model);
    row_set(model, vm, "name_label", g_variant_new_string("kept"));
    fake_store_complete(&bed->store, 1);
    g_autoptr(GVariant) after = model_record(model, vm);
    g_assert_true(g_variant_equal(before, after));
}

/* What need not outlive the process is there at once and never reaches the store. */
static void
test_unsaved(struct bed *bed, const void *data)
{
    struct model *model = bed->model;
    g_autoptr(GError) error = NULL;

    (void)data;
    for (int refused = 0; refused < 2; refused++) {
        if (refused) {
            bed->store.automatic = false;
            g_autofree char *lost = row_create(model, "VM", fields_of("name_label", "lost", NULL));
            fake_store_fail(&bed->store, true);
            g_assert_false(model_is_writable(model));
        }
        guint waiting = g_queue_get_length(&bed->store.waiting);
        struct txn *txn = model_begin_unsaved(model);
        g_autofree char *session = g_strdup(txn_create(txn, cls("session"), NULL, NULL, &error));
        txn_journal(txn, "of-it", g_variant_new_string("kept"));
        g_assert_cmpuint(txn_commit(txn, &error), ==, model_head(model));
        g_assert_no_error(error);
        g_assert_true(model_has(model, cls("session"), session));
        g_assert_true(g_hash_table_contains(model_journal(model), "of-it"));
        g_assert_cmpuint(g_queue_get_length(&bed->store.waiting), ==, waiting);
        g_assert_cmpuint(model_durable(model), ==, model_head(model));
        txn = model_begin_unsaved(model);
        g_assert_true(txn_destroy(txn, session, NULL));
        txn_journal(txn, "of-it", NULL);
        g_assert_cmpuint(txn_commit(txn, &error), >, 0);
        g_assert_false(model_has(model, cls("session"), session));
    }
    model_set_writable(model);
}

static void
test_load_tolerant(struct bed *bed, const void *data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) fields = g_variant_ref_sink(g_variant_new_parsed(
        "{'uuid': <'u1'>, 'name_label': <int64 7>, 'field_of_old': <'x'>,"
        " 'power_state': <'Flying'>, 'memory_static_max': <int64 5>, 'VBDs': <['x']>}"));
    g_autoptr(GVariant) dangling = g_variant_ref_sink(g_variant_new_parsed(
        "{'uuid': <'b1'>, 'VM': <'OpaqueRef:gone'>, 'metrics': <'OpaqueRef:m'>}"));
    struct model *model = model_new();

    (void)data;
    g_assert_true(model_load_row(model, "VM", "OpaqueRef:1", fields, 3, 5, &error));
    g_assert_false(model_load_row(model, "VM", "OpaqueRef:2", fields, 3, 5, &error));
    g_clear_error(&error);
    g_assert_false(model_load_row(model, "Spaceship", "OpaqueRef:3", fields, 3, 5, &error));
    g_clear_error(&error);
    /* A class that is not kept any more is no error, its rows are gone. */
    g_assert_true(model_load_row(model, "VBD_metrics", "OpaqueRef:4", fields, 3, 5, &error));
    g_assert_true(model_load_done(model, 9, &error));
    g_assert_false(model_has(model, cls("VBD_metrics"), "OpaqueRef:4"));
    g_autofree char *label = model_get_string(model, "OpaqueRef:1", "name_label");
    g_autofree char *state = model_get_string(model, "OpaqueRef:1", "power_state");
    g_assert_cmpstr(label, ==, "");
    g_assert_cmpstr(state, !=, "Flying");
    g_assert_cmpint(model_get_int(model, "OpaqueRef:1", "memory_static_max"), ==, 5);
    assert_set(model, "OpaqueRef:1", "VBDs", "");
    model_free(model);

    /* A reference that resolves to nothing is named. */
    model = model_new();
    g_assert_true(model_load_row(model, "VBD", "OpaqueRef:b", dangling, 1, 1, &error));
    g_assert_false(model_load_done(model, 9, &error));
    g_assert_nonnull(strstr(error->message, "OpaqueRef:b"));
    g_assert_nonnull(strstr(error->message, "OpaqueRef:gone"));
    model_free(model);
    (void)bed;
}

#define add(name, function)                                                                        \
    g_test_add("/model/" name, struct bed, NULL, bed_setup, function, bed_teardown)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("row", test_row);
    add("map", test_map);
    add("relation", test_relation);
    add("destroy-lets-go", test_destroy_lets_go);
    add("refusals", test_refusals);
    add("durable", test_durable);
    add("undo", test_undo);
    add("unsaved", test_unsaved);
    add("load-tolerant", test_load_tolerant);
    return g_test_run();
}
