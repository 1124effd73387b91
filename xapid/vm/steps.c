/* The steps of VM plans: each starts one verb of xapid-domains and notes what it learned.
 * Called by ops only. */
#include "config.h"

#include <string.h>

#include "lib/error.h"
#include "lib/log.h"
#include "lib/member.h"
#include "xapid/vm/vm.h"

static void
note_state(struct op *op, const char *power_state)
{
    op_set_result(op, "power_state", g_variant_new_string(power_state));
}

void
vm_start_verb(struct op *op, const char *verb, GVariant *args, domains_done_fn done, void *data)
{
    struct vm_world *world = op_room_data(op);
    g_autofree char *uuid = model_get_string(world->model, op_object(op), "uuid");

    domains_start(world->domains, op_step_id(op), verb, uuid, args, done, data);
}

static void
start_verb(struct op *op, const char *verb, GVariant *args, domains_done_fn done)
{
    vm_start_verb(op, verb, args, done, op);
}

/* ---- verbs that need memory: what is built ahead gives way to them ---- */

struct need {
    struct op *op;
    const char *verb;
    GVariant *args; /* of the step; they live as long as the plan */
    domains_done_fn done;
};

static void need_again(void *data);

static void
need_done(const GError *error, GVariant *result, void *data)
{
    struct need *need = data;

    if (vm_ready_yield(op_room_data(need->op), error, need_again, need))
        return;
    need->done(error, result, need->op);
    g_free(need);
}

static void
need_again(void *data)
{
    struct need *need = data;

    vm_start_verb(need->op, need->verb, need->args, need_done, need);
}

static void
start_needing(struct op *op, const char *verb, GVariant *args, domains_done_fn done)
{
    const struct need need = {op, verb, args, done};

    need_again(g_memdup2(&need, sizeof need));
}

static void
end_step(struct op *op, const GError *error)
{
    op_step_done(op, error ? g_error_copy(error) : NULL);
}

static void
abort_step(struct op *op)
{
    struct vm_world *world = op_room_data(op);

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
    start_needing(op, "create", args, create_done);
}

static void
restore_run(struct op *op, GVariant *args)
{
    start_needing(op, "restore", args, create_done);
}

/* The step's argument power_state is what the VM is without its domain: Halted or Suspended. */
static void
destroy_done(const GError *error, GVariant *result, void *data)
{
    (void)result;
    if (!error)
        note_state(data, g_variant_get_string(op_result(data, "without_domain"), NULL));
    end_step(data, error);
}

static void
destroy_run(struct op *op, GVariant *args)
{
    const char *power_state = "Halted";

    g_variant_lookup(args, "power_state", "&s", &power_state);
    op_set_result(op, "without_domain", g_variant_new_string(power_state));
    start_verb(op, "destroy", NULL, destroy_done);
}

/* What there is now is found out by the survey that follows. */
static void
quiet_done(const GError *error, GVariant *result, void *data)
{
    (void)result;
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
    start_verb(op, "destroy", g_variant_dict_end(&destroy), quiet_done);
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

/* ---- a guest that stands still while its disks are snapshotted; arguments: those of release ----
 */

static void
hold_run(struct op *op, GVariant *args)
{
    g_auto(GVariantDict) out = G_VARIANT_DICT_INIT(NULL);
    g_autoptr(GVariant) disks = g_variant_lookup_value(args, "disks", G_VARIANT_TYPE("aa{sv}"));

    g_variant_dict_insert_value(&out, "disks", disks);
    g_autoptr(GVariant) verb_args = g_variant_ref_sink(g_variant_dict_end(&out));
    start_verb(op, "hold", verb_args, quiet_done);
}

static void
release_run(struct op *op, GVariant *args)
{
    start_verb(op, "release", args, quiet_done);
}

static void
shutdown_run(struct op *op, GVariant *args)
{
    start_verb(op, "shutdown", args, quiet_done);
}

static void
save_run(struct op *op, GVariant *args)
{
    (void)args;
    start_verb(op, "save", NULL, quiet_done);
}

static void
save_undo(struct op *op, GVariant *args)
{
    (void)args;
    start_verb(op, "continue", NULL, quiet_done);
}

static void
discard_done(const GError *error, GVariant *result, void *data)
{
    (void)result;
    if (!error && !op_result(data, "started"))
        note_state(data, "Halted");
    end_step(data, error);
}

static void
discard_run(struct op *op, GVariant *args)
{
    (void)args;
    start_verb(op, "discard", NULL, discard_done);
}

/* A guest goes its way without its core, too. */
static void
dump_done(const GError *error, GVariant *result, void *data)
{
    (void)result;
    if (error)
        log_warning("no core of %s: %s", op_object(data), error->message);
    end_step(data, NULL);
}

static void
dump_run(struct op *op, GVariant *args)
{
    (void)args;
    start_verb(op, "dump", NULL, dump_done);
}

static void
adjust_run(struct op *op, GVariant *args)
{
    start_needing(op, "adjust", args, quiet_done);
}

static void
signal_run(struct op *op, GVariant *args)
{
    start_verb(op, "signal", args, quiet_done);
}

/* ---- drives; their arguments: vbd, what the verb takes, and of a medium the VDI ---- */

struct drive_call {
    struct op *op;
    GVariant *args; /* of the step; they live as long as the plan */
    bool notes_medium;
};

static void
drive_done(const GError *error, GVariant *result, void *data)
{
    g_autofree struct drive_call *call = data;
    const char *vbd = member_text(call->args, "vbd");

    (void)result;
    if (!error && call->notes_medium) {
        g_autofree char *key = g_strconcat("medium/", vbd, NULL);
        op_set_result(call->op, key, g_variant_new_string(member_text(call->args, "vdi")));
    }
    /* The verb knows the drive by its place in the guest. */
    if (error && (api_error_is(error, "DEVICE_ATTACH_TIMEOUT") ||
                  api_error_is(error, "DEVICE_DETACH_TIMEOUT")))
        op_step_done(call->op, api_error_new(api_error_code(error), "VBD", vbd, NULL));
    else
        end_step(call->op, error);
}

/* verb_args: taken. */
static void
start_drive_verb(struct op *op, const char *verb, GVariant *args, GVariant *verb_args,
                 bool notes_medium)
{
    g_autoptr(GVariant) owned = g_variant_take_ref(verb_args);
    const struct drive_call call = {op, args, notes_medium};

    vm_start_verb(op, verb, owned, drive_done, g_memdup2(&call, sizeof call));
}

/* What the verb takes, as the step has it. */
static GVariant *
args_of(GVariant *args, const char *verb)
{
    return g_variant_lookup_value(args, verb, G_VARIANT_TYPE_VARDICT);
}

static void
plug_run(struct op *op, GVariant *args)
{
    start_drive_verb(op, "plug", args, args_of(args, "plug"), false);
}

static void
plug_undo(struct op *op, GVariant *args)
{
    g_autoptr(GVariant) drive = args_of(args, "plug");
    GVariantDict out;

    g_variant_dict_init(&out, NULL);
    g_variant_dict_insert(&out, "vdev", "s", member_text(drive, "vdev"));
    g_variant_dict_insert(&out, "force", "b", TRUE);
    start_drive_verb(op, "unplug", args, g_variant_dict_end(&out), false);
}

static void
unplug_run(struct op *op, GVariant *args)
{
    start_drive_verb(op, "unplug", args, args_of(args, "unplug"), false);
}

static void
medium_run(struct op *op, GVariant *args)
{
    start_drive_verb(op, "medium", args, args_of(args, "medium"), true);
}

/* An insertion is taken back; what was ejected stays so, for the next try. */
static void
medium_undo(struct op *op, GVariant *args)
{
    g_autoptr(GVariant) drive = args_of(args, "medium");
    GVariantDict out;

    g_variant_dict_init(&out, drive);
    g_variant_dict_insert(&out, "handle", "s", "");
    start_drive_verb(op, "medium", args, g_variant_dict_end(&out), false);
}

/* What becomes of the record when all that the plan does has been done. */
static void
record_run(struct op *op, GVariant *args)
{
    op_set_result(op, "record", args);
    op_step_done(op, NULL);
}

/* From here on a revert stays. */
static void
settle_run(struct op *op, GVariant *args)
{
    (void)args;
    op_step_done(op, NULL);
}

static const struct step_kind create_kind = {.name = "domain.create",
                                             .weight = 8,
                                             .run = create_run,
                                             .undo = create_undo,
                                             .cancel = abort_step};
static const struct step_kind destroy_kind = {
    .name = "domain.destroy", .weight = 2, .once = true, .run = destroy_run};
/* The same where no new domain follows: run again after a restart, so that what becomes of the
 * record is known. */
static const struct step_kind end_kind = {.name = "domain.end", .weight = 2, .run = destroy_run};
static const struct step_kind unpause_kind = {
    .name = "domain.unpause", .weight = 1, .run = unpause_run};
static const struct step_kind pause_kind = {.name = "domain.pause", .weight = 1, .run = pause_run};
static const struct step_kind shutdown_kind = {.name = "domain.shutdown",
                                               .weight = 8,
                                               .once = true,
                                               .run = shutdown_run,
                                               .cancel = abort_step};

static const struct step_kind restore_kind = {.name = "domain.restore",
                                              .weight = 8,
                                              .run = restore_run,
                                              .undo = create_undo,
                                              .cancel = abort_step};
static const struct step_kind save_kind = {.name = "domain.save",
                                           .weight = 8,
                                           .once = true,
                                           .run = save_run,
                                           .undo = save_undo,
                                           .cancel = abort_step};
static const struct step_kind discard_kind = {
    .name = "image.discard", .weight = 1, .run = discard_run};
static const struct step_kind dump_kind = {
    .name = "domain.dump", .weight = 8, .once = true, .run = dump_run, .cancel = abort_step};
static const struct step_kind adjust_kind = {
    .name = "domain.adjust", .weight = 1, .run = adjust_run};
static const struct step_kind signal_kind = {
    .name = "domain.signal", .weight = 1, .once = true, .run = signal_run};
static const struct step_kind plug_kind = {
    .name = "domain.plug", .weight = 2, .run = plug_run, .undo = plug_undo, .cancel = abort_step};
static const struct step_kind unplug_kind = {
    .name = "domain.unplug", .weight = 2, .run = unplug_run};
static const struct step_kind medium_kind = {
    .name = "domain.medium", .weight = 2, .run = medium_run, .undo = medium_undo};
static const struct step_kind hold_kind = {
    .name = "domain.hold", .weight = 1, .run = hold_run, .undo = release_run};
static const struct step_kind release_kind = {
    .name = "domain.release", .weight = 1, .once = true, .run = release_run};
static const struct step_kind settle_kind = {
    .name = "settle", .weight = 0, .once = true, .settles = true, .run = settle_run};
static const struct step_kind record_kind = {.name = "record", .weight = 0, .run = record_run};

const struct step_kind *const vm_step_kinds[] = {
    &create_kind,     &destroy_kind, &end_kind,     &unpause_kind, &pause_kind,      &shutdown_kind,
    &restore_kind,    &save_kind,    &discard_kind, &adjust_kind,  &signal_kind,     &record_kind,
    &dump_kind,       &plug_kind,    &unplug_kind,  &medium_kind,  &vif_bridge_kind, &vif_plug_kind,
    &vif_unplug_kind, &vif_set_kind, &settle_kind,  &hold_kind,    &release_kind,    NULL,
};
