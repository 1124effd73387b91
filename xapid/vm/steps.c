/* The steps of VM plans: each starts one verb of xapid-domains and notes what it learned.
 * Called by ops only. */
#include "config.h"

#include <string.h>

#include "xapid/vm/vm.h"

static void
note_state(struct op *op, const char *power_state)
{
    op_set_result(op, "power_state", g_variant_new_string(power_state));
}

static void
start_verb(struct op *op, const char *verb, GVariant *args, domains_done_fn done)
{
    struct vm_world *world = op_world_data(op);
    g_autofree char *uuid = model_get_string(world->model, op_object(op), "uuid");

    domains_start(world->domains, op_step_id(op), verb, uuid, args, done, op);
}

static void
end_step(struct op *op, const GError *error)
{
    op_step_done(op, error ? g_error_copy(error) : NULL);
}

static void
abort_step(struct op *op)
{
    struct vm_world *world = op_world_data(op);

    domains_abort(world->domains, op_step_id(op));
}

static void
create_done(const GError *error, GVariant *result, void *data)
{
    struct op *op = data;
    gint32 domid;

    if (!error && g_variant_lookup(result, "domid", "i", &domid)) {
        op_set_result(op, "domid", g_variant_new_int64(domid));
        op_set_result(op, "started", g_variant_new_boolean(TRUE));
        note_state(op, "Paused");
    }
    end_step(op, error);
}

static void
create_run(struct op *op, GVariant *args)
{
    start_verb(op, "create", args, create_done);
}

static void
destroy_done(const GError *error, GVariant *result, void *data)
{
    (void)result;
    if (!error)
        note_state(data, "Halted");
    end_step(data, error);
}

static void
destroy_run(struct op *op, GVariant *args)
{
    (void)args;
    start_verb(op, "destroy", NULL, destroy_done);
}

static void
undo_done(const GError *error, GVariant *result, void *data)
{
    (void)result;
    if (!error && op_result(data, "power_state"))
        note_state(data, "Halted");
    end_step(data, error);
}

/* Only what this operation built: a domain of that uuid that was there before is not ours to end.
 */
static void
create_undo(struct op *op, GVariant *args)
{
    const char *id = op_step_id(op);
    g_autofree char *built_by = g_strndup(id, strlen(id) - strlen(".undo"));
    GVariantDict destroy;

    (void)args;
    g_variant_dict_init(&destroy, NULL);
    g_variant_dict_insert(&destroy, "built_by", "s", built_by);
    start_verb(op, "destroy", g_variant_dict_end(&destroy), undo_done);
}

static void
unpause_done(const GError *error, GVariant *result, void *data)
{
    (void)result;
    if (!error)
        note_state(data, "Running");
    end_step(data, error);
}

static void
unpause_run(struct op *op, GVariant *args)
{
    (void)args;
    start_verb(op, "unpause", NULL, unpause_done);
}

static void
pause_done(const GError *error, GVariant *result, void *data)
{
    (void)result;
    if (!error)
        note_state(data, "Paused");
    end_step(data, error);
}

static void
pause_run(struct op *op, GVariant *args)
{
    (void)args;
    start_verb(op, "pause", NULL, pause_done);
}

static void
shutdown_done(const GError *error, GVariant *result, void *data)
{
    (void)result;
    end_step(data, error);
}

static void
shutdown_run(struct op *op, GVariant *args)
{
    start_verb(op, "shutdown", args, shutdown_done);
}

static const struct step_kind create_kind = {.name = "domain.create",
                                             .weight = 8,
                                             .run = create_run,
                                             .undo = create_undo,
                                             .cancel = abort_step};
static const struct step_kind destroy_kind = {
    .name = "domain.destroy", .weight = 2, .once = true, .run = destroy_run};
static const struct step_kind unpause_kind = {
    .name = "domain.unpause", .weight = 1, .run = unpause_run};
static const struct step_kind pause_kind = {.name = "domain.pause", .weight = 1, .run = pause_run};
static const struct step_kind shutdown_kind = {.name = "domain.shutdown",
                                               .weight = 8,
                                               .once = true,
                                               .run = shutdown_run,
                                               .cancel = abort_step};

const struct step_kind *const vm_step_kinds[] = {
    &create_kind, &destroy_kind, &unpause_kind, &pause_kind, &shutdown_kind, NULL,
};
