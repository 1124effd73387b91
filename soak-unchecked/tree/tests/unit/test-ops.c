/* What the operation engine promises while it runs: order, undo, queue, cancelling. */
#include "config.h"

#include "lib/error.h"
#include "tests/unit/ops-bed.h"

/* ---- running ---- */

static void
test_runs(struct bed *bed, const void *data)
{
    g_autofree char *task = NULL;

    (void)data;
    bed->store.automatic = false;
    bed_submit(bed, "abc", false, &task);
    assert_log(bed, ""); /* the intent is not on disk */
    g_assert_true(ops_busy(bed->ops, bed->vm));
    fake_store_complete(&bed->store, 1);
    assert_log(bed, "a b c");
    g_assert_cmpint(bed->ended, ==, 0); /* nor is the end */
    fake_store_complete(&bed->store, 1);
    g_assert_cmpint(bed->ended, ==, 1);
    g_assert_no_error(bed->error);
    assert_task(bed, task, "success");
    g_autofree char *became = model_get_string(bed->model, bed->vm, "name_description");
    g_assert_cmpstr(became, ==, "done");
    assert_all_ended(bed);
}

static void
test_undo(struct bed *bed, const void *data)
{
    g_autofree char *task = NULL;

    (void)data;
    bed->fail = "c";
    bed_submit(bed, "abc", false, &task);
    assert_log(bed, "a b c c~ b~ a~ ?");
    g_assert_true(api_error_is(bed->error, "INTERNAL_ERROR"));
    assert_task(bed, task, "failure");
    assert_all_ended(bed);
}

/* An undo that fails is tried again, and does not keep the others from being run. */
static void
test_undo_fails(struct bed *bed, const void *data)
{
    (void)data;
    bed->fail = "bB";
    bed_submit(bed, "ab", false, NULL);
    bed_wait(bed, 1);
    assert_log(bed, "a b b~ b~ b~ a~ ?");
    assert_all_ended(bed);
}

/* What was not there to do something on is not there to undo it on. */
static void
test_undo_fails_alike(struct bed *bed, const void *data)
{
    (void)data;
    bed->fail = "bB";
    bed->fails_alike = true;
    bed_submit(bed, "ab", false, NULL);
    assert_log(bed, "a b b~ a~ ?");
    g_assert_cmpint(bed->ended, ==, 1);
    assert_all_ended(bed);
}

static void
test_queue(struct bed *bed, const void *data)
{
    (void)data;
    bed->hold = "a";
    bed_submit(bed, "ac", false, NULL);
    bed_submit(bed, "ab", false, NULL);
    assert_log(bed, "a");
    bed_release(bed, NULL);
    assert_log(bed, "a c a"); /* the second one waited for the whole first one */
    g_assert_cmpint(bed->ended, ==, 1);
    bed_release(bed, NULL);
    assert_log(bed, "a c a b");
    assert_all_ended(bed);
}

static void
test_limit(struct bed *bed, const void *data)
{
    g_autoptr(GError) error = NULL;

    (void)data;
    bed->hold = "a";
    for (int i = 0; i < OPS_MAX_QUEUED; i++)
        bed_submit(bed, "a", false, NULL);
    struct txn *txn = model_begin(bed->model, NULL);
    g_assert_null(ops_submit(bed->ops, txn, plan_new("start", bed->vm), NULL, &error));
    txn_abort(txn);
    g_assert_true(api_error_is(error, "TOO_MANY_PENDING_TASKS"));
    for (int i = 0; i < OPS_MAX_QUEUED; i++) {
        bed_turn();
        bed_release(bed, NULL);
    }
    assert_all_ended(bed);
}

static void
test_dropped(struct bed *bed, const void *data)
{
    (void)data;
    struct txn *txn = model_begin(bed->model, NULL);
    struct plan *plan = plan_new("start", bed->vm);
    plan_add(plan, "a", NULL);
    struct op *op = ops_submit(bed->ops, txn, plan, NULL, NULL);
    txn_abort(txn);
    op_drop(op);
    assert_log(bed, "");
    assert_all_ended(bed);
}

/* ---- cancelling ---- */

static void
test_cancel_before(struct bed *bed, const void *data)
{
    g_autofree char *task = NULL;

    (void)data;
    bed->store.automatic = false;
    bed_submit(bed, "ab", false, &task);
    g_assert_true(ops_cancel(bed->ops, task)); /* not even submitted */
    bed->store.automatic = true;
    fake_store_complete(&bed->store, 1);
    assert_log(bed, "a~ ?");
    g_assert_true(api_error_is(bed->error, "TASK_CANCELLED"));
    assert_task(bed, task, "cancelled");
    assert_all_ended(bed);
}

static void
test_cancel_queued(struct bed *bed, const void *data)
{
    g_autofree char *task = NULL;

    (void)data;
    bed->hold = "a";
    bed_submit(bed, "a", false, NULL);
    bed_submit(bed, "bc", false, &task);
    bed_turn();
    g_assert_true(ops_cancel(bed->ops, task));
    assert_log(bed, "a");
    bed_release(bed, NULL);
    assert_log(bed, "a b~ ?");
    assert_task(bed, task, "cancelled");
    assert_all_ended(bed);
}

static void
test_cancel_running(struct bed *bed, const void *data)
{
    g_autofree char *task = NULL;

    (void)data;
    bed->hold = "b";
    bed_submit(bed, "abc", false, &task);
    bed_turn();
    g_assert_true(ops_cancel(bed->ops, task));
    assert_log(bed, "a b ! b~ a~ ?");
    assert_task(bed, task, "cancelled");
    g_assert_false(ops_cancel(bed->ops, task));
    assert_all_ended(bed);
}

/* A step that cannot be ended early: what comes after it does not begin. */
static void
test_cancel_late(struct bed *bed, const void *data)
{
    g_autofree char *task = NULL;

    (void)data;
    bed->hold = "a";
    bed_submit(bed, "ab", false, &task);
    bed_turn();
    g_assert_true(ops_cancel(bed->ops, task));
    bed_release(bed, NULL);
    assert_log(bed, "a b~ a~ ?");
    assert_task(bed, task, "cancelled");
    assert_all_ended(bed);
}

/* After the last step there is nothing to cancel. */
static void
test_cancel_too_late(struct bed *bed, const void *data)
{
    g_autofree char *task = NULL;

    (void)data;
    bed->store.automatic = false;
    bed_submit(bed, "a", false, &task);
    fake_store_complete(&bed->store, 1);
    bed_turn();
    g_assert_false(ops_cancel(bed->ops, task));
    fake_store_complete(&bed->store, 1);
    assert_task(bed, task, "success");
    assert_all_ended(bed);
}

static void
test_interrupt(struct bed *bed, const void *data)
{
    g_autofree char *soft = NULL, *hard = NULL;

    (void)data;
    bed->hold = "b";
    bed_submit(bed, "b", false, &soft);
    bed_turn();
    bed_submit(bed, "a", true, &hard);
    assert_log(bed, "b ! b~ ? a");
    assert_task(bed, soft, "cancelled");
    assert_task(bed, hard, "success");
    assert_all_ended(bed);
}

/* ---- the store ---- */

static void
test_submission_fails(struct bed *bed, const void *data)
{
    (void)data;
    bed->store.automatic = false;
    bed_submit(bed, "a", false, NULL);
    fake_store_fail(&bed->store, true);
    assert_log(bed, "");
    g_assert_cmpint(bed->ended, ==, 1);
    g_assert_nonnull(bed->error);
    model_set_writable(bed->model);
    assert_all_ended(bed);
}

/* The steps are done and their end cannot be written: it is, when the store can be written. */
static void
test_end_fails(struct bed *bed, const void *data)
{
    g_autofree char *task = NULL;

    (void)data;
    bed->store.automatic = false;
    bed_submit(bed, "a", false, &task);
    fake_store_complete(&bed->store, 1);
    assert_log(bed, "a");
    fake_store_fail(&bed->store, true);
    bed_turn();
    g_assert_cmpint(bed->ended, ==, 0);
    assert_task(bed, task, "pending");
    g_assert_true(ops_busy(bed->ops, bed->vm));
    bed->store.automatic = true;
    model_set_writable(bed->model);
    bed_wait(bed, 1);
    assert_log(bed, "a"); /* not again */
    assert_task(bed, task, "success");
    assert_all_ended(bed);
}

int
main(int argc, char **argv)
{
    static const struct bed_test tests[] = {
        {"runs", test_runs},
        {"undo", test_undo},
        {"undo-fails", test_undo_fails},
        {"undo-fails/alike", test_undo_fails_alike},
        {"queue", test_queue},
        {"limit", test_limit},
        {"dropped", test_dropped},
        {"cancel/before", test_cancel_before},
        {"cancel/queued", test_cancel_queued},
        {"cancel/running", test_cancel_running},
        {"cancel/late", test_cancel_late},
        {"cancel/too-late", test_cancel_too_late},
        {"interrupt", test_interrupt},
        {"store/submission", test_submission_fails},
        {"store/end", test_end_fails},
    };

    g_test_init(&argc, &argv, NULL);
    bed_add_tests(tests, G_N_ELEMENTS(tests));
    return g_test_run();
}
