/* What the operation engine promises: order, undo, cancelling, and what a restart finds; on a fake
 * room whose steps a test holds, fails and counts. */
#include "config.h"

#include <string.h>

#include "lib/error.h"
#include "tests/unit/fake-store.h"
#include "xapid/ops/ops.h"
#include "xapid/ops/task.h"

struct bed {
    struct model *model;
    struct fake_store store;
    struct ops *ops;
    GString *log;     /* "a" ran, "a~" was undone, "a!" was asked to end, "?" surveyed */
    const char *fail; /* letters of the steps that fail */
    bool fails_alike; /* with one message, whatever the step */
    const char *hold; /* that stay until bed_release () */
    struct op *held;
    char *vm;
    struct ops_room rooms[2];
    int ended;
    GError *error; /* of the last end */
};

/* ---- the fake room ---- */

static void
say(struct bed *bed, const char *step, const char *what)
{
    g_string_append_printf(bed->log, "%s%s%s", bed->log->len ? " " : "", step, what);
}

static GError *
failure_of(struct bed *bed, char letter)
{
    const char name[] = {letter, '\0'};

    return bed->fail && strchr(bed->fail, letter)
               ? api_error_new("INTERNAL_ERROR", bed->fails_alike ? "told to" : name, NULL)
               : NULL;
}

static void
run_letter(struct op *op, char letter)
{
    struct bed *bed = op_room_data(op);
    const char name[] = {letter, '\0'};

    say(bed, name, "");
    if (bed->hold && strchr(bed->hold, letter)) {
        g_assert_null(bed->held);
        bed->held = op;
        return;
    }
    op_step_done(op, failure_of(bed, letter));
}

static void
undo_letter(struct op *op, char letter)
{
    struct bed *bed = op_room_data(op);
    const char name[] = {letter, '\0'};

    g_assert_true(g_str_has_suffix(op_step_id(op), ".undo"));
    say(bed, name, "~");
    op_step_done(op, failure_of(bed, (char)(letter - 'a' + 'A')));
}

#define LETTER(letter)                                                                             \
    static void run_##letter(struct op *op, GVariant *args)                                        \
    {                                                                                              \
        (void)args;                                                                                \
        run_letter(op, #letter[0]);                                                                \
    }                                                                                              \
    static void undo_##letter(struct op *op, GVariant *args)                                       \
    {                                                                                              \
        (void)args;                                                                                \
        undo_letter(op, #letter[0]);                                                               \
    }

LETTER(a)
LETTER(b)
LETTER(c)
LETTER(d)

static void
cancel_step(struct op *op)
{
    struct bed *bed = op_room_data(op);

    say(bed, "", "!");
    if (bed->held == op) {
        bed->held = NULL;
        op_step_done(op, api_error_new("TASK_CANCELLED", "", NULL));
    }
}

static const struct step_kind kind_a = {.name = "a", .weight = 1, .run = run_a, .undo = undo_a};
static const struct step_kind kind_b = {
    .name = "b", .weight = 1, .run = run_b, .undo = undo_b, .cancel = cancel_step};
static const struct step_kind kind_c = {
    .name = "c", .weight = 2, .once = true, .run = run_c, .undo = undo_c};
static const struct step_kind kind_d = {
    .name = "d", .once = true, .settles = true, .run = run_d, .undo = undo_d};
static const struct step_kind *const kinds[] = {&kind_a, &kind_b, &kind_c, &kind_d, NULL};

static void
room_mark(struct txn *txn, const char *object, const char *operation, const char *task,
          bool running, void *data)
{
    (void)data;
    txn_set_map_value(txn, object, "current_operations", task, running ? operation : NULL);
}

static void
room_survey(struct op *op)
{
    say(op_room_data(op), "", "?");
    op_step_done(op, NULL);
}

static void
room_finish(struct op *op, struct txn *txn, const GError *error)
{
    txn_set_string(txn, op_object(op), "name_description", error ? "failed" : "done");
}

/* ---- the bed ---- */

static void
bed_start(struct bed *bed)
{
    bed->rooms[0] = (struct ops_room){.cls = "VM",
                                      .kinds = kinds,
                                      .survey = room_survey,
                                      .finish = room_finish,
                                      .mark = room_mark,
                                      .data = bed};
    bed->ops = ops_new(bed->model, bed->rooms);
}

static void
bed_setup(struct bed *bed, const void *data)
{
    (void)data;
    memset(bed, 0, sizeof *bed);
    bed->model = model_new();
    fake_store_init(&bed->store, bed->model);
    bed->store.automatic = true;
    bed->log = g_string_new(NULL);
    bed->vm = row_create(bed->model, "VM", fields_of("name_label", "guest", NULL));
    bed_start(bed);
}

static void
bed_teardown(struct bed *bed, const void *data)
{
    (void)data;
    assert_sound(bed->model);
    ops_free(bed->ops);
    model_free(bed->model);
    fake_store_clear(&bed->store);
    g_string_free(bed->log, TRUE);
    g_free(bed->vm);
    g_clear_error(&bed->error);
}

static void
turn(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        ;
}

/* The process is killed: what the store has not completed is lost. */
static void
bed_crash(struct bed *bed)
{
    ops_free(bed->ops);
    struct model *old = bed->model;
    bed->model = fake_store_reload(&bed->store);
    model_free(old);
    bed->store.automatic = true;
    bed->held = NULL;
    g_string_truncate(bed->log, 0);
    bed_start(bed);
    ops_recover(bed->ops);
}

static void
on_end(const GError *error, const char *value, void *data)
{
    struct bed *bed = data;

    (void)value;
    bed->ended++;
    g_clear_error(&bed->error);
    bed->error = error ? g_error_copy(error) : NULL;
}

/* Submits a plan of those steps; *ret_task (may be NULL) takes its task's reference. */
static struct op *
submit(struct bed *bed, const char *steps, bool interrupts, char **ret_task)
{
    struct plan *plan = plan_new("start", bed->vm);
    struct txn *txn = model_begin(bed->model, NULL);
    const char *task = task_create(txn, "VM.start", "", NULL, NULL, NULL);

    plan->interrupts = interrupts;
    for (; *steps; steps++) {
        const char name[] = {*steps, '\0'};
        plan_add(plan, name, NULL);
    }
    if (ret_task)
        *ret_task = g_strdup(task);
    struct op *op = ops_submit(bed->ops, txn, plan, task, NULL);
    g_assert_nonnull(op);
    guint64 generation = txn_commit(txn, NULL);
    g_assert_cmpuint(generation, >, 0);
    op_start(op, generation, on_end, bed);
    return op;
}

static void
release(struct bed *bed, GError *error)
{
    struct op *op = g_steal_pointer(&bed->held);

    g_assert_nonnull(op);
    op_step_done(op, error);
    turn();
}

static void
assert_task(struct bed *bed, const char *task, const char *status)
{
    g_autofree char *now = model_get_string(bed->model, task, "status");
    g_assert_cmpstr(now, ==, status);
}

static void
assert_log(struct bed *bed, const char *expected)
{
    turn();
    g_assert_cmpstr(bed->log->str, ==, expected);
}

static void
assert_all_ended(struct bed *bed)
{
    g_autoptr(GVariant) current = model_get(bed->model, bed->vm, fld("VM", "current_operations"));

    g_assert_cmpuint(ops_count(bed->ops), ==, 0);
    g_assert_false(ops_busy(bed->ops, bed->vm));
    g_assert_cmpuint(g_variant_n_children(current), ==, 0);
    g_assert_cmpuint(g_hash_table_size(model_journal(bed->model)), ==, 0);
}

/* ---- running ---- */

static void
test_runs(struct bed *bed, const void *data)
{
    g_autofree char *task = NULL;

    (void)data;
    bed->store.automatic = false;
    submit(bed, "abc", false, &task);
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
    submit(bed, "abc", false, &task);
    assert_log(bed, "a b c c~ b~ a~ ?");
    g_assert_true(api_error_is(bed->error, "INTERNAL_ERROR"));
    assert_task(bed, task, "failure");
    assert_all_ended(bed);
}

static void
wait_for_end(struct bed *bed, int ended)
{
    for (int i = 0; i < 1000 && bed->ended < ended; i++) {
        turn();
        g_usleep(10000);
    }
    g_assert_cmpint(bed->ended, ==, ended);
}

/* An undo that fails is tried again, and does not keep the others from being run. */
static void
test_undo_fails(struct bed *bed, const void *data)
{
    (void)data;
    bed->fail = "bB";
    submit(bed, "ab", false, NULL);
    wait_for_end(bed, 1);
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
    submit(bed, "ab", false, NULL);
    assert_log(bed, "a b b~ a~ ?");
    g_assert_cmpint(bed->ended, ==, 1);
    assert_all_ended(bed);
}

static void
test_queue(struct bed *bed, const void *data)
{
    (void)data;
    bed->hold = "a";
    submit(bed, "ac", false, NULL);
    submit(bed, "ab", false, NULL);
    assert_log(bed, "a");
    release(bed, NULL);
    assert_log(bed, "a c a"); /* the second one waited for the whole first one */
    g_assert_cmpint(bed->ended, ==, 1);
    release(bed, NULL);
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
        submit(bed, "a", false, NULL);
    struct txn *txn = model_begin(bed->model, NULL);
    g_assert_null(ops_submit(bed->ops, txn, plan_new("start", bed->vm), NULL, &error));
    txn_abort(txn);
    g_assert_true(api_error_is(error, "TOO_MANY_PENDING_TASKS"));
    for (int i = 0; i < OPS_MAX_QUEUED; i++) {
        turn();
        release(bed, NULL);
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
    submit(bed, "ab", false, &task);
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
    submit(bed, "a", false, NULL);
    submit(bed, "bc", false, &task);
    turn();
    g_assert_true(ops_cancel(bed->ops, task));
    assert_log(bed, "a");
    release(bed, NULL);
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
    submit(bed, "abc", false, &task);
    turn();
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
    submit(bed, "ab", false, &task);
    turn();
    g_assert_true(ops_cancel(bed->ops, task));
    release(bed, NULL);
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
    submit(bed, "a", false, &task);
    fake_store_complete(&bed->store, 1);
    turn();
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
    submit(bed, "b", false, &soft);
    turn();
    submit(bed, "a", true, &hard);
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
    submit(bed, "a", false, NULL);
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
    submit(bed, "a", false, &task);
    fake_store_complete(&bed->store, 1);
    assert_log(bed, "a");
    fake_store_fail(&bed->store, true);
    turn();
    g_assert_cmpint(bed->ended, ==, 0);
    assert_task(bed, task, "pending");
    g_assert_true(ops_busy(bed->ops, bed->vm));
    bed->store.automatic = true;
    model_set_writable(bed->model);
    wait_for_end(bed, 1);
    assert_log(bed, "a"); /* not again */
    assert_task(bed, task, "success");
    assert_all_ended(bed);
}

/* ---- restarts ---- */

static void
test_restart(struct bed *bed, const void *data)
{
    g_autofree char *task = NULL;

    (void)data;
    bed->hold = "b";
    struct op *op = submit(bed, "ab", false, &task);
    turn();
    g_autofree char *id = g_strdup(op_step_id(op));
    bed_crash(bed);
    g_autoptr(GVariant) current = model_get(bed->model, bed->vm, fld("VM", "current_operations"));
    g_assert_cmpuint(g_variant_n_children(current), ==, 1);
    assert_set(bed->model, task, "allowed_operations", "cancel");
    assert_log(bed, "a b"); /* from the first step, under the same names */
    g_assert_cmpstr(op_step_id(bed->held), ==, id);
    release(bed, NULL);
    assert_task(bed, task, "success");
    assert_all_ended(bed);
}

static void
test_restart_behind_once(struct bed *bed, const void *data)
{
    (void)data;
    bed->hold = "b";
    submit(bed, "acb", false, NULL);
    assert_log(bed, "a c b");
    bed_crash(bed);
    assert_log(bed, "b");
    release(bed, NULL);
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
    submit(bed, "adcb", false, &task);
    assert_log(bed, "a d c b");
    g_assert_true(op_is_settled(bed->held));
    g_assert_false(ops_cancel(bed->ops, task));
    release(bed, api_error_new("INTERNAL_ERROR", "told to", NULL));
    assert_log(bed, "a d c b b~ c~ ?");
    assert_task(bed, task, "failure");
    assert_all_ended(bed);
    g_string_truncate(bed->log, 0);
    submit(bed, "adb", false, NULL);
    assert_log(bed, "a d b");
    bed_crash(bed);
    assert_log(bed, "b");
    release(bed, api_error_new("INTERNAL_ERROR", "told to", NULL));
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
    submit(bed, "adb", false, &task);
    assert_log(bed, "a d");
    g_assert_false(op_is_settled(bed->held));
    g_assert_true(ops_cancel(bed->ops, task));
    release(bed, api_error_new("INTERNAL_ERROR", "told to", NULL));
    assert_log(bed, "a d d~ a~ ?");
    assert_all_ended(bed);
}

/* What is behind a `once` step waits until the journal says that it is done. */
static void
test_once_is_durable(struct bed *bed, const void *data)
{
    (void)data;
    bed->hold = "c";
    submit(bed, "cb", false, NULL);
    turn();
    bed->store.automatic = false;
    release(bed, NULL);
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
    submit(bed, "ab", false, &task);
    turn();
    bed->store.automatic = false;
    release(bed, api_error_new("INTERNAL_ERROR", "told to", NULL));
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
    submit(bed, "ab", false, &task);
    turn();
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
        submit(bed, "a", false, &soft);
        turn();
        submit(bed, "c", true, &hard);
        turn();
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
    turn();
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
    static const struct {
        const char *name;
        void (*run)(struct bed *bed, const void *data);
    } tests[] = {
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
    for (size_t i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_autofree char *path = g_strconcat("/ops/", tests[i].name, NULL);
        g_test_add(path, struct bed, NULL, bed_setup, tests[i].run, bed_teardown);
    }
    return g_test_run();
}
