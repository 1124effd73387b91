/* Which tasks go with time, and which stay; on a clock of the test's. */
#include "config.h"

#include "lib/error.h"
#include "tests/unit/fake-store.h"
#include "xapid/ops/ops.h"
#include "xapid/ops/task.h"

#define MINUTE (60 * (gint64)G_USEC_PER_SEC)
#define HOUR (60 * MINUTE)

struct bed {
    struct model *model;
    struct fake_store store;
    struct ops *ops;
    gint64 start; /* when the tasks were made */
};

static struct op *under_way;

static void
stay(struct op *op, GVariant *args)
{
    (void)args;
    under_way = op;
}

static void
finish(struct op *op, struct txn *txn, const GError *error)
{
    (void)op;
    (void)txn;
    g_assert_no_error(error);
}

static void
mark(struct txn *txn, const char *object, const char *operation, const char *task, bool running,
     void *data)
{
    (void)data;
    txn_set_map_value(txn, object, "current_operations", task, running ? operation : NULL);
}

static const struct step_kind stay_kind = {.name = "stay", .weight = 1, .run = stay};
static const struct step_kind *const kinds[] = {&stay_kind, NULL};
static const struct ops_room rooms[] = {
    {.cls = "VM", .kinds = kinds, .finish = finish, .mark = mark}, {0}};

static void
bed_setup(struct bed *bed, const void *data)
{
    (void)data;
    bed->model = model_new();
    fake_store_init(&bed->store, bed->model);
    bed->store.automatic = true;
    bed->ops = ops_new(bed->model, rooms);
    bed->start = g_get_real_time();
}

static void
bed_teardown(struct bed *bed, const void *data)
{
    (void)data;
    ops_free(bed->ops);
    model_free(bed->model);
    fake_store_clear(&bed->store);
}

static char *
new_task(struct bed *bed)
{
    struct txn *txn = model_begin(bed->model, NULL);
    char *task = g_strdup(task_create(txn, "of a client", "", NULL, NULL, NULL));

    g_assert_cmpuint(txn_commit(txn, NULL), >, 0);
    return task;
}

/* Whether the task is there after what is collected at that time. */
static bool
stays(struct bed *bed, const char *task, gint64 after)
{
    task_collect(bed->model, bed->ops, bed->start + after);
    return model_has(bed->model, cls("task"), task);
}

static void
test_finished(struct bed *bed, const void *data)
{
    g_autofree char *task = new_task(bed);
    struct txn *txn = model_begin(bed->model, NULL);

    (void)data;
    task_succeed(txn, task, "");
    g_assert_cmpuint(txn_commit(txn, NULL), >, 0);
    g_assert_true(stays(bed, task, 64 * MINUTE));
    g_assert_false(stays(bed, task, 66 * MINUTE));
}

static void
test_standing(struct bed *bed, const void *data)
{
    g_autofree char *forgotten = new_task(bed), *moving = new_task(bed);

    (void)data;
    g_assert_true(stays(bed, forgotten, 0));
    g_assert_true(stays(bed, forgotten, 23 * HOUR));
    row_set(bed->model, moving, "progress", g_variant_new_double(0.5));
    g_assert_false(stays(bed, forgotten, 24 * HOUR));
    g_assert_true(stays(bed, moving, 24 * HOUR));
    g_assert_true(stays(bed, moving, 47 * HOUR));
    g_assert_false(stays(bed, moving, 48 * HOUR));
}

static void
test_of_an_operation(struct bed *bed, const void *data)
{
    g_autofree char *vm = row_create(bed->model, "VM", fields_of("name_label", "guest", NULL));
    struct plan *plan = plan_new("start", vm);
    struct txn *txn = model_begin(bed->model, NULL);
    g_autofree char *task = g_strdup(task_create(txn, "VM.start", "", NULL, NULL, NULL));

    (void)data;
    plan_add(plan, "stay", NULL);
    struct op *op = ops_submit(bed->ops, txn, plan, task, NULL);
    g_assert_nonnull(op);
    op_start(op, txn_commit(txn, NULL), NULL, NULL);
    while (!under_way)
        g_main_context_iteration(NULL, TRUE);
    g_assert_true(stays(bed, task, 0));
    g_assert_true(stays(bed, task, 100 * HOUR));
    op_step_done(g_steal_pointer(&under_way), NULL);
    while (ops_count(bed->ops) > 0)
        g_main_context_iteration(NULL, TRUE);
    g_assert_false(stays(bed, task, 100 * HOUR));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, test) g_test_add(name, struct bed, NULL, bed_setup, test, bed_teardown)
    ADD("/task/finished", test_finished);
    ADD("/task/standing", test_standing);
    ADD("/task/of-an-operation", test_of_an_operation);
    return g_test_run();
}
