/* What the operation engine finds when it is started again, and what it may not undo. */
#include "config.h"

#include "lib/error.h"
#include "tests/unit/ops-bed.h"

static void
test_restart(struct bed *bed, const void *data)
{
    g_autofree char *task = NULL;

    (void)data;
    bed->hold = "b";
    struct op *op = bed_submit(bed, "ab", false, &task);
    bed_turn();
    g_autofree char *id = g_strdup(op_step_id(op));
    bed_crash(bed);
    g_autoptr(GVariant) current = model_get(bed->model, bed->vm, fld("VM", "current_operations"));
    g_assert_cmpuint(g_variant_n_children(current), ==, 1);
    assert_set(bed->model, task, "allowed_operations", "cancel");
    assert_log(bed, "a b"); /* from the first step, under the same names */
    g_assert_cmpstr(op_step_id(bed->held), ==, id);
    bed_release(bed, NULL);
    assert_task(bed, task, "success");
    assert_all_ended(bed);
}

static void
test_restart_behind_once(struct bed *bed, const void *data)
{
    (void)data;
    bed->hold = "b";
    bed_submit(bed, "acb", false, NULL);
    assert_log(bed, "a c b");
    bed_crash(bed);
    assert_log(bed, "b");
    bed_release(bed, NULL);
    assert_all_ended(bed);
}

/* What was done until a step that settles stays, whatever fails or is cancelled behind it, and
 * whoever is started again. */
static void
test_settled(struct bed *bed, const void *data)
{
    g_autofree char *task = NULL;

    (void)data;
    bed->hold = "b";
    bed_submit(bed, "adcb", false, &task);
    assert_log(bed, "a d c b");
    g_assert_true(op_is_settled(bed->held));
    g_assert_false(ops_cancel(bed->ops, task));
    bed_release(bed, api_error_new("INTERNAL_ERROR", "told to", NULL));
    assert_log(bed, "a d c b b~ c~ ?");
    assert_task(bed, task, "failure");
    assert_all_ended(bed);
    g_string_truncate(bed->log, 0);
    bed_submit(bed, "adb", false, NULL);
    assert_log(bed, "a d b");
    bed_crash(bed);
    assert_log(bed, "b");
    bed_release(bed, api_error_new("INTERNAL_ERROR", "told to", NULL));
    assert_log(bed, "b b~ ?");
    assert_all_ended(bed);
}

/* Before it is on disk that it settled, everything can be undone. */
static void
test_not_settled(struct bed *bed, const void *data)
{
    g_autofree char *task = NULL;

    (void)data;
    bed->hold = "d";
    bed_submit(bed, "adb", false, &task);
    assert_log(bed, "a d");
    g_assert_false(op_is_settled(bed->held));
    g_assert_true(ops_cancel(bed->ops, task));
    bed_release(bed, api_error_new("INTERNAL_ERROR", "told to", NULL));
    assert_log(bed, "a d d~ a~ ?");
    assert_all_ended(bed);
}

/* What is behind a `once` step waits until the journal says that it is done. */
static void
test_once_is_durable(struct bed *bed, const void *data)
{
    (void)data;
    bed->hold = "c";
    bed_submit(bed, "cb", false, NULL);
    bed_turn();
    bed->store.automatic = false;
    bed_release(bed, NULL);
    assert_log(bed, "c");
    fake_store_complete(&bed->store, 1);
    assert_log(bed, "c b");
}

static void
test_restart_of_undo(struct bed *bed, const void *data)
{
    g_autofree char *task = NULL;

    (void)data;
    bed->hold = "b";
    bed_submit(bed, "ab", false, &task);
    bed_turn();
    bed->store.automatic = false;
    bed_release(bed, api_error_new("INTERNAL_ERROR", "told to", NULL));
    assert_log(bed, "a b"); /* going back is not on disk yet */
    fake_store_complete(&bed->store, 1);
    assert_log(bed, "a b b~ a~ ?"); /* its end is not */
    bed_crash(bed);
    assert_log(bed, "b~ a~ ?");
    assert_task(bed, task, "failure");
    assert_all_ended(bed);
}

/* task.cancel was acknowledged, and then the process was killed. */
static void
test_restart_of_cancel(struct bed *bed, const void *data)
{
    g_autofree char *task = NULL;

    (void)data;
    bed->hold = "a";
    bed_submit(bed, "ab", false, &task);
    bed_turn();
    row_set(bed->model, task, "status", g_variant_new_string("cancelling"));
    bed_crash(bed);
    bed->hold = NULL;
    assert_log(bed, "a~ ?");
    assert_task(bed, task, "cancelled");
    assert_all_ended(bed);
}

/* The order of the queue and who interrupted whom are in the journal. */
static void
test_restart_of_interrupt(struct bed *bed, const void *data)
{
    (void)data;
    for (int i = 0; i < 8; i++) {
        g_autofree char *soft = NULL, *hard = NULL;
        bed->hold = "ac"; /* a cannot be ended early */
        bed_submit(bed, "a", false, &soft);
        bed_turn();
        bed_submit(bed, "c", true, &hard);
        bed_turn();
        bed_crash(bed);
        bed->hold = NULL;
        assert_log(bed, "a~ ? c");
        assert_task(bed, soft, "cancelled");
        assert_task(bed, hard, "success");
        assert_all_ended(bed);
    }
}

/* A call's task without an operation: the process was killed in between. */
static void
test_orphans(struct bed *bed, const void *data)
{
    (void)data;
    struct txn *txn = model_begin(bed->model, NULL);
    g_autofree char *ours = g_strdup(task_create(txn, "VM.start", "", NULL, NULL, NULL));
    g_autofree char *clients = g_strdup(task_create(txn, "my import", "", NULL, NULL, NULL));
    g_assert_cmpuint(txn_commit(txn, NULL), >, 0);
    bed_crash(bed);
    bed_turn();
    assert_task(bed, ours, "failure");
    assert_task(bed, clients, "pending");
}

/* An entry that this version does not understand stays for the one that does. */
static void
test_foreign_entry(struct bed *bed, const void *data)
{
    (void)data;
    struct txn *txn = model_begin(bed->model, NULL);
    txn_journal(txn, "op/future", g_variant_new_string("?"));
    g_assert_cmpuint(txn_commit(txn, NULL), >, 0);
    bed_crash(bed);
    assert_log(bed, "");
    g_assert_cmpuint(ops_count(bed->ops), ==, 0);
    g_assert_true(g_hash_table_contains(model_journal(bed->model), "op/future"));
}

int
main(int argc, char **argv)
{
    static const struct bed_test tests[] = {
        {"restart/first-step", test_restart},
        {"restart/behind-once", test_restart_behind_once},
        {"restart/once-is-durable", test_once_is_durable},
        {"settled", test_settled},
        {"not-settled", test_not_settled},
        {"restart/undo", test_restart_of_undo},
        {"restart/cancel", test_restart_of_cancel},
        {"restart/interrupt", test_restart_of_interrupt},
        {"restart/orphans", test_orphans},
        {"restart/foreign-entry", test_foreign_entry},
    };

    g_test_init(&argc, &argv, NULL);
    bed_add_tests(tests, G_N_ELEMENTS(tests));
    return g_test_run();
}
