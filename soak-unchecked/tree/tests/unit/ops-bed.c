#include "config.h"

#include "tests/unit/ops-bed.h"

#include <string.h>

#include "lib/error.h"

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

void
bed_turn(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        ;
}

void
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

struct op *
bed_submit(struct bed *bed, const char *steps, bool interrupts, char **ret_task)
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

void
bed_release(struct bed *bed, GError *error)
{
    struct op *op = g_steal_pointer(&bed->held);

    g_assert_nonnull(op);
    op_step_done(op, error);
    bed_turn();
}

void
assert_task(struct bed *bed, const char *task, const char *status)
{
    g_autofree char *now = model_get_string(bed->model, task, "status");
    g_assert_cmpstr(now, ==, status);
}

void
assert_log(struct bed *bed, const char *expected)
{
    bed_turn();
    g_assert_cmpstr(bed->log->str, ==, expected);
}

void
assert_all_ended(struct bed *bed)
{
    g_autoptr(GVariant) current = model_get(bed->model, bed->vm, fld("VM", "current_operations"));

    g_assert_cmpuint(ops_count(bed->ops), ==, 0);
    g_assert_false(ops_busy(bed->ops, bed->vm));
    g_assert_cmpuint(g_variant_n_children(current), ==, 0);
    g_assert_cmpuint(g_hash_table_size(model_journal(bed->model)), ==, 0);
}

void
bed_wait(struct bed *bed, int ended)
{
    for (int i = 0; i < 1000 && bed->ended < ended; i++) {
        bed_turn();
        g_usleep(10000);
    }
    g_assert_cmpint(bed->ended, ==, ended);
}

void
bed_add_tests(const struct bed_test *tests, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        g_autofree char *path = g_strconcat("/ops/", tests[i].name, NULL);
        g_test_add(path, struct bed, NULL, bed_setup, tests[i].run, bed_teardown);
    }
}
