/* How an operation of an appliance goes through its VMs.  It keeps nothing on disk: run again after
 * a restart it waits for what still goes on, passes over what is done, and tries once more what has
 * failed. */
#include "config.h"

#include "lib/error.h"
#include "lib/log.h"
#include "xapid/ops/task.h"
#include "xapid/vm/appliance.h"

/* One of its VMs that was not where it should be when the operation began. */
struct member {
    char *vm;
    gint64 order;
    gint64 delay; /* seconds from its end to the next order's beginning */
    guint tries;  /* operations of it that were begun, or could not be */
};

struct appliance_run {
    struct vm_world *world;
    struct op *op;
    const char *operation;
    bool paused;
    bool cancelled;
    GArray *members;   /* of struct member, in the order in which they come */
    guint begin, end;  /* those whose turn it is */
    GPtrArray *failed; /* references */
    guint source;      /* the next look at them */
    guint delay;       /* until the next ones; 0: not waiting for that */
};

static bool
is_start(const struct appliance_run *run)
{
    return g_str_equal(run->operation, "start");
}

static void
member_clear(void *data)
{
    g_free(((struct member *)data)->vm);
}

/* Who started last ends first. */
static gint
compare_turns(const void *a, const void *b, void *data)
{
    const struct member *left = a, *right = b;
    gint order = left->order < right->order ? -1 : left->order > right->order;

    return is_start(data) ? order : -order;
}

/* Where the operation wants it, or there no more. */
static bool
is_there(const struct appliance_run *run, const char *vm)
{
    const struct model *model = run->world->model;

    if (!model_has(model, vm_class(), vm))
        return true;
    g_autofree char *state = model_get_string(model, vm, "power_state");
    return is_start(run)
               ? g_str_equal(state, "Running") || (run->paused && g_str_equal(state, "Paused"))
               : g_str_equal(state, "Halted");
}

static void
find_members(struct appliance_run *run)
{
    const struct model *model = run->world->model;
    g_autoptr(GPtrArray) vms =
        model_referrers(model, op_object(run->op), dm_field_find(vm_class(), "appliance"));

    for (guint i = 0; i < vms->len; i++) {
        const char *vm = vms->pdata[i];
        struct member member = {
            .vm = g_strdup(vm),
            .order = model_get_int(model, vm, "order"),
            .delay = model_get_int(model, vm, is_start(run) ? "start_delay" : "shutdown_delay")};
        if (is_there(run, vm) && !ops_busy(run->world->ops, vm))
            member_clear(&member);
        else
            g_array_append_val(run->members, member);
    }
    g_array_sort_with_data(run->members, compare_turns, run);
}

static struct member *
member_at(const struct appliance_run *run, guint i)
{
    return &g_array_index(run->members, struct member, i);
}

/* ---- an operation of one VM ---- */

/* NULL and no error: there is nothing more to try. */
static struct plan *
next_plan(const struct appliance_run *run, const struct member *member, GError **error)
{
    const struct vm_world *world = run->world;

    if (is_start(run))
        return member->tries ? NULL : vm_plan_start(world, member->vm, "start", run->paused, error);
    if (g_str_equal(run->operation, "clean_shutdown"))
        return member->tries ? NULL : vm_plan_shutdown(world, member->vm, /* clean= */ true, error);
    guint last = g_str_equal(run->operation, "shutdown") ? 1 : 0;
    return member->tries > last
               ? NULL
               : vm_plan_shutdown(world, member->vm, /* clean= */ member->tries < last, error);
}

/* Its task within txn, a part of the appliance's: whoever may cancel that may cancel this. */
static const char *
add_task(const struct appliance_run *run, struct txn *txn, const struct plan *plan, GError **error)
{
    const struct model *model = run->world->model;
    const char *whole = op_task(run->op);
    g_autofree char *label = g_strconcat("VM.", plan->operation, NULL);
    g_autofree char *session = NULL;
    bool has_whole = whole && model_has(model, dm_class_find("task", false), whole);

    if (!task_make_room(txn, model, run->world->max_tasks, error))
        return NULL;
    if (has_whole)
        session = model_get_string(model, whole, "session");
    const char *task = task_create(txn, label, "", session, run->world->host, error);
    if (!task)
        return NULL;
    if (has_whole)
        txn_set_string(txn, task, "subtask_of", whole);
    task_set_cancellable(txn, task, true);
    return task;
}

/* Takes the plan. */
static bool
submit(const struct appliance_run *run, struct plan *plan, GError **error)
{
    struct txn *txn = model_begin(run->world->model, error);
    const char *task = txn ? add_task(run, txn, plan, error) : NULL;

    if (task)
        return ops_run(run->world->ops, txn, plan, task, NULL, NULL, error);
    txn_abort(txn);
    plan_free(plan);
    return false;
}

/* Begins what is next for a VM.  True: wait for it; false: it is there, or cannot be brought. */
static bool
is_under_way(const struct appliance_run *run, struct member *member)
{
    bool busy = ops_busy(run->world->ops, member->vm);

    while (!is_there(run, member->vm)) {
        g_autoptr(GError) error = NULL;
        struct plan *plan = run->cancelled ? NULL : next_plan(run, member, &error);
        if (plan && submit(run, plan, &error)) {
            member->tries++;
            return true;
        }
        if (!error)
            break;
        /* Of another's: its end will tell. */
        if (busy && api_error_is(error, "OTHER_OPERATION_IN_PROGRESS"))
            return true;
        log_info("%s of %s: %s", run->operation, member->vm, error->message);
        member->tries++;
    }
    return busy;
}

/* ---- all of them ---- */

static void
run_free(struct appliance_run *run)
{
    g_hash_table_remove(run->world->appliance_runs, run->op);
    g_clear_handle_id(&run->source, g_source_remove);
    g_clear_handle_id(&run->delay, g_source_remove);
    g_array_unref(run->members);
    g_ptr_array_unref(run->failed);
    g_free(run);
}

static GError *
partially_failed(const struct appliance_run *run)
{
    g_autoptr(GPtrArray) params = g_ptr_array_new();
    g_autofree char *message = g_strconcat("VM_appliance.", run->operation, NULL);

    g_ptr_array_add(params, message);
    for (guint i = 0; i < run->failed->len; i++)
        g_ptr_array_add(params, run->failed->pdata[i]);
    g_ptr_array_add(params, NULL);
    return api_error_newv("OPERATION_PARTIALLY_FAILED", (const char *const *)params->pdata);
}

static void
end_run(struct appliance_run *run)
{
    struct op *op = run->op;
    GError *error = NULL;

    if (run->cancelled)
        error = api_error_new("TASK_CANCELLED", op_task(op) ? op_task(op) : "", NULL);
    else if (run->failed->len)
        error = partially_failed(run);
    run_free(run);
    op_step_done(op, error);
}

static gboolean look(void *data);

static void
look_soon(struct appliance_run *run)
{
    if (!run->source && !run->delay)
        run->source = g_idle_add_full(G_PRIORITY_DEFAULT, look, run, NULL);
}

static void
begin_next(struct appliance_run *run)
{
    run->begin = run->end;
    while (run->end < run->members->len &&
           member_at(run, run->end)->order == member_at(run, run->begin)->order)
        run->end++;
    look_soon(run);
}

static gboolean
delay_over(void *data)
{
    struct appliance_run *run = data;

    run->delay = 0;
    begin_next(run);
    return G_SOURCE_REMOVE;
}

/* All of this order have ended, one way or the other. */
static void
end_order(struct appliance_run *run)
{
    gint64 delay = 0;

    for (guint i = run->begin; i < run->end; i++) {
        struct member *member = member_at(run, i);
        delay = MAX(delay, member->delay);
        if (!is_there(run, member->vm))
            g_ptr_array_add(run->failed, member->vm);
    }
    op_step_progress(run->op, (double)run->end / MAX(run->members->len, 1));
    if (run->cancelled || run->end == run->members->len)
        end_run(run);
    else if (delay > 0)
        run->delay = g_timeout_add_seconds(MIN(delay, G_MAXUINT), delay_over, run);
    else
        begin_next(run);
}

static gboolean
look(void *data)
{
    struct appliance_run *run = data;
    bool waits = false;

    run->source = 0;
    for (guint i = run->begin; i < run->end; i++)
        waits |= is_under_way(run, member_at(run, i));
    if (!waits)
        end_order(run);
    return G_SOURCE_REMOVE;
}

void
appliances_go_on(struct vm_world *world)
{
    GHashTableIter iter;
    void *run;

    g_hash_table_iter_init(&iter, world->appliance_runs);
    while (g_hash_table_iter_next(&iter, NULL, &run))
        look_soon(run);
}

/* ---- the step ---- */

static void
run_appliance(struct op *op, GVariant *args)
{
    struct appliance_run *run = g_new0(struct appliance_run, 1);
    gboolean paused = FALSE;

    g_variant_lookup(args, "paused", "b", &paused);
    run->world = op_room_data(op);
    run->op = op;
    run->operation = op_operation(op);
    run->paused = paused;
    run->members = g_array_new(FALSE, FALSE, sizeof(struct member));
    g_array_set_clear_func(run->members, member_clear);
    run->failed = g_ptr_array_new();
    g_hash_table_insert(run->world->appliance_runs, op, run);
    find_members(run);
    begin_next(run);
}

/* What goes on with its VMs is cancelled, too, where it can be; what was done stays. */
static void
cancel_run(struct op *op)
{
    struct vm_world *world = op_room_data(op);
    struct appliance_run *run = g_hash_table_lookup(world->appliance_runs, op);
    const char *whole = op_task(op);

    run->cancelled = true;
    g_clear_handle_id(&run->delay, g_source_remove);
    if (whole && model_has(world->model, dm_class_find("task", false), whole)) {
        const struct dm_field *subtask_of =
            dm_field_find(dm_class_find("task", false), "subtask_of");
        g_autoptr(GPtrArray) parts = model_referrers(world->model, whole, subtask_of);
        for (guint i = 0; i < parts->len; i++)
            (void)ops_cancel(world->ops, parts->pdata[i]);
    }
    look_soon(run);
}

static const struct step_kind run_kind = {
    .name = "appliance.run", .weight = 1, .run = run_appliance, .cancel = cancel_run};

const struct step_kind *const appliance_step_kinds[] = {&run_kind, NULL};
