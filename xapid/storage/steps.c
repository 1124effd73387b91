/* The steps of storage plans: each starts one call of a storage driver and notes what it learned.
 * What a driver needs of the rows is read when the step runs, so that no secret of a device_config
 * gets into the journal.  Called by ops only. */
#include "config.h"

#include "lib/error.h"
#include "lib/log.h"
#include "lib/member.h"
#include "xapid/storage/steps.h"

#include <string.h>

/* ---- arguments ---- */

static void
insert_field(const struct model *model, GVariantDict *out, const char *name, const char *ref,
             const char *field)
{
    g_autoptr(GVariant) value =
        model_get(model, ref, dm_field_find(model_class(model, ref), field));

    g_variant_dict_insert_value(out, name, value);
}

/* What every call of a driver about this SR has; false: it cannot be asked. */
static bool
insert_sr(const struct storage_world *world, GVariantDict *out, const char *sr, char **ret_driver,
          GError **error)
{
    if (!model_has(world->model, sr_class(), sr)) {
        api_error_set(error, "HANDLE_INVALID", "SR", sr, NULL);
        return false;
    }
    const char *pbd = sr_pbd(world->model, sr, world->host);
    if (!pbd) {
        api_error_set(error, "SR_HAS_NO_PBDS", sr, NULL);
        return false;
    }
    g_autoptr(GVariant) written = model_get(
        world->model, pbd, dm_field_find(model_class(world->model, pbd), "device_config"));
    g_autoptr(GVariant) config = secrets_resolve(world->model, written, error);
    if (!config)
        return false;
    insert_field(world->model, out, "sr", sr, "uuid");
    g_variant_dict_insert_value(out, "device_config", config);
    *ret_driver = model_get_string(world->model, sr, "type");
    return true;
}

/* ---- calls ---- */

static void
call_done(const GError *error, GVariant *result, void *data)
{
    g_autofree struct driver_call *call = data;
    struct storage_world *world = op_room_data(call->op);

    g_hash_table_remove(world->under_way, op_step_id(call->op));
    if (error && call->optional)
        log_warning("%s of %s: %s", op_operation(call->op), op_object(call->op), error->message);
    else if (!error && call->noted)
        call->noted(call->op, call->args, result);
    op_step_done(call->op, error && !call->optional ? g_error_copy(error) : NULL);
}

void
steps_start_call(const char *name, const char *driver, GVariantDict *args,
                 const struct driver_call *how)
{
    struct storage_world *world = op_room_data(how->op);
    const char *op_id = op_step_id(how->op);
    GVariant *params = g_variant_new("(sss@a{sv})", op_id, name, driver, g_variant_dict_end(args));

    g_hash_table_insert(world->under_way, g_strdup(op_id), how->op);
    peer_client_start(world->drivers, op_id, params, call_done, g_memdup2(how, sizeof *how));
}

static void
call_sr(const char *name, GVariant *args, const struct driver_call *how)
{
    struct storage_world *world = op_room_data(how->op);
    g_auto(GVariantDict) out = G_VARIANT_DICT_INIT(NULL);
    g_autofree char *driver = NULL;
    GError *error = NULL;
    static const char *const passed_on[] = {"size", "rate", "disks"};

    if (!insert_sr(world, &out, member_text(args, "sr"), &driver, &error)) {
        op_step_done(how->op, error);
        return;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(passed_on); i++) {
        g_autoptr(GVariant) value = g_variant_lookup_value(args, passed_on[i], NULL);
        if (value)
            g_variant_dict_insert_value(&out, passed_on[i], value);
    }
    steps_start_call(name, driver, &out, how);
}

void
steps_call_vdi(const char *name, GVariant *args, GVariantDict *more, const struct driver_call *how)
{
    struct storage_world *world = op_room_data(how->op);
    const char *vdi = member_text(args, "vdi");
    g_autoptr(GVariant) first = more ? g_variant_ref_sink(g_variant_dict_end(more)) : NULL;
    g_auto(GVariantDict) out = G_VARIANT_DICT_INIT(first);
    g_autofree char *driver = NULL;
    GError *error = NULL;

    if (!model_has(world->model, vdi_class(), vdi)) {
        op_step_done(how->op, api_error_new("HANDLE_INVALID", "VDI", vdi, NULL));
        return;
    }
    g_autofree char *sr = model_get_string(world->model, vdi, "SR");
    if (!insert_sr(world, &out, sr, &driver, &error)) {
        op_step_done(how->op, error);
        return;
    }
    insert_field(world->model, &out, "vdi", vdi, "uuid");
    steps_start_call(name, driver, &out, how);
}

/* ---- repositories ---- */

/* What a step notes of one of several rows or drives. */
static void
set_result_of(struct op *op, const char *kind, const char *of, GVariant *value)
{
    g_autofree char *key = g_strconcat(kind, of, NULL);

    op_set_result(op, key, value);
}

static void
keep_result(struct op *op, GVariant *args, GVariant *result)
{
    (void)args;
    op_set_result(op, "driver", result);
}

static void
sr_create_run(struct op *op, GVariant *args)
{
    call_sr("sr.create", args, &(struct driver_call){.op = op, .args = args});
}

static void
sr_destroy_run(struct op *op, GVariant *args)
{
    call_sr("sr.destroy", args, &(struct driver_call){.op = op, .args = args});
}

static void
note_attached(struct op *op, GVariant *args, GVariant *result)
{
    (void)result;
    chains_look(op_room_data(op), member_text(args, "sr"));
    op_set_result(op, "attached", g_variant_new_boolean(TRUE));
}

static void
sr_attach_run(struct op *op, GVariant *args)
{
    call_sr("sr.attach", args,
            &(struct driver_call){.op = op, .args = args, .noted = note_attached});
}

static void
note_detached(struct op *op, GVariant *args, GVariant *result)
{
    (void)args;
    (void)result;
    op_set_result(op, "attached", g_variant_new_boolean(FALSE));
}

static void
sr_detach_run(struct op *op, GVariant *args)
{
    call_sr("sr.detach", args,
            &(struct driver_call){.op = op, .args = args, .noted = note_detached});
}

static void
note_volumes(struct op *op, GVariant *args, GVariant *result)
{
    g_autoptr(GVariant) volumes =
        g_variant_lookup_value(result, "volumes", G_VARIANT_TYPE("aa{sv}"));

    if (volumes)
        op_set_result(op, "volumes", volumes);
    keep_result(op, args, result);
}

static void
sr_scan_run(struct op *op, GVariant *args)
{
    call_sr("sr.scan", args, &(struct driver_call){.op = op, .args = args, .noted = note_volumes});
}

static void
note_stat(struct op *op, GVariant *args, GVariant *result)
{
    set_result_of(op, "stat/", member_text(args, "sr"), result);
}

static void
sr_stat_run(struct op *op, GVariant *args)
{
    call_sr("sr.stat", args,
            &(struct driver_call){.op = op, .args = args, .noted = note_stat, .optional = true});
}

static void
sr_coalesce_run(struct op *op, GVariant *args)
{
    call_sr("sr.coalesce", args, &(struct driver_call){.op = op, .args = args});
}

/* ---- disks ---- */

/* What stands below the disk may be joined now, by `look`. */
static void
look_at_chains(struct op *op, GVariant *args,
               void (*look)(struct storage_world *world, const char *sr))
{
    struct storage_world *world = op_room_data(op);
    const char *vdi = member_text(args, "vdi");

    if (!model_has(world->model, vdi_class(), vdi))
        return;
    g_autofree char *sr = model_get_string(world->model, vdi, "SR");
    look(world, sr);
}

/* What a driver is told of a disk that it is to make. */
static void
insert_new_disk(struct op *op, GVariant *args, GVariantDict *ret_more)
{
    static const char *const fields[] = {"name_label", "name_description", "type", "virtual_size",
                                         "sm_config"};
    struct storage_world *world = op_room_data(op);
    const char *vdi = member_text(args, "vdi");

    g_variant_dict_init(ret_more, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(fields); i++)
        if (model_has(world->model, vdi_class(), vdi))
            insert_field(world->model, ret_more, fields[i], vdi, fields[i]);
}

static void
note_made(struct op *op, GVariant *args, GVariant *result)
{
    set_result_of(op, "made/", member_text(args, "vdi"), result);
}

static void
vdi_create_run(struct op *op, GVariant *args)
{
    GVariantDict more;

    insert_new_disk(op, args, &more);
    steps_call_vdi("vdi.create", args, &more,
                   &(struct driver_call){.op = op, .args = args, .noted = note_made});
}

/* A driver that cannot share what the two have in common answers nothing; then it is copied. */
static void
note_clone(struct op *op, GVariant *args, GVariant *result)
{
    if (*member_text(result, "uuid"))
        note_made(op, args, result);
}

static void
fill_disk(const char *call, struct op *op, GVariant *args,
          void (*noted)(struct op *op, GVariant *args, GVariant *result))
{
    GVariantDict more;

    insert_new_disk(op, args, &more);
    g_variant_dict_insert(&more, "source", "s", member_text(args, "source"));
    steps_call_vdi(call, args, &more,
                   &(struct driver_call){.op = op, .args = args, .noted = noted});
}

static void
vdi_clone_run(struct op *op, GVariant *args)
{
    fill_disk("vdi.clone", op, args, note_clone);
}

bool
steps_made(const struct op *op, GVariant *args)
{
    g_autofree char *key = g_strconcat("made/", member_text(args, "vdi"), NULL);

    return op_result(op, key) != NULL;
}

static void
vdi_copy_run(struct op *op, GVariant *args)
{
    if (steps_made(op, args)) /* it is a clone already */
        op_step_done(op, NULL);
    else
        fill_disk("vdi.copy", op, args, note_made);
}

static void
note_destroyed(struct op *op, GVariant *args, GVariant *result)
{
    (void)result;
    look_at_chains(op, args, chains_look);
}

static void
vdi_destroy_run(struct op *op, GVariant *args)
{
    steps_call_vdi("vdi.destroy", args, NULL,
                   &(struct driver_call){.op = op, .args = args, .noted = note_destroyed});
}

/* The two know from their own records whether they have changed places. */
static void
exchange(struct op *op, GVariant *args, bool back,
         void (*noted)(struct op *op, GVariant *args, GVariant *result))
{
    struct storage_world *world = op_room_data(op);
    const char *with = member_text(args, "with");
    GVariantDict more;

    if (!model_has(world->model, vdi_class(), with)) {
        op_step_done(op, api_error_new("HANDLE_INVALID", "VDI", with, NULL));
        return;
    }
    g_autofree char *uuid = model_get_string(world->model, with, "uuid");
    g_variant_dict_init(&more, NULL);
    g_variant_dict_insert(&more, "with", "s", uuid);
    g_variant_dict_insert(&more, "back", "b", back);
    steps_call_vdi("vdi.exchange", args, &more,
                   &(struct driver_call){.op = op, .args = args, .noted = noted});
}

static void
vdi_exchange_run(struct op *op, GVariant *args)
{
    exchange(op, args, false, note_made);
}

static void
vdi_exchange_undo(struct op *op, GVariant *args)
{
    exchange(op, args, true, NULL);
}

static void
note_gone(struct op *op, GVariant *args, GVariant *result)
{
    note_destroyed(op, args, result);
    set_result_of(op, "gone/", member_text(args, "vdi"), g_variant_new_boolean(TRUE));
}

static void
vdi_discard_run(struct op *op, GVariant *args)
{
    steps_call_vdi(
        "vdi.destroy", args, NULL,
        &(struct driver_call){.op = op, .args = args, .noted = note_gone, .optional = true});
}

static void
vdi_resize_run(struct op *op, GVariant *args)
{
    GVariantDict more;
    gint64 size = 0;

    g_variant_lookup(args, "size", "x", &size);
    g_variant_dict_init(&more, NULL);
    g_variant_dict_insert(&more, "virtual_size", "x", size);
    steps_call_vdi("vdi.resize", args, &more,
                   &(struct driver_call){.op = op, .args = args, .noted = keep_result});
}

/* The handle, the uuid of the drive's row, is the name under which xapid-domains gets the disk. */
static void
note_disk(struct op *op, const char *handle, bool attached)
{
    set_result_of(op, "disk/", handle, g_variant_new_boolean(attached));
}

static void
note_disk_attached(struct op *op, GVariant *args, GVariant *result)
{
    (void)result;
    note_disk(op, member_text(args, "handle"), true);
}

static void
note_disk_detached(struct op *op, GVariant *args, GVariant *result)
{
    (void)result;
    note_disk(op, member_text(args, "handle"), false);
    look_at_chains(op, args, chains_let_go);
}

void
steps_attach(struct op *op, GVariant *args)
{
    struct storage_world *world = op_room_data(op);
    GVariantDict more;
    gboolean read_only = TRUE;

    g_variant_lookup(args, "read_only", "b", &read_only);
    g_variant_dict_init(&more, NULL);
    g_variant_dict_insert(&more, "handle", "s", member_text(args, "handle"));
    g_variant_dict_insert(&more, "read_only", "b", read_only);
    g_variant_dict_insert(&more, "sharable", "b",
                          model_has(world->model, vdi_class(), member_text(args, "vdi")) &&
                              model_get_bool(world->model, member_text(args, "vdi"), "sharable"));
    steps_call_vdi("vdi.attach", args, &more,
                   &(struct driver_call){.op = op, .args = args, .noted = note_disk_attached});
}

static void
vdi_detach_run(struct op *op, GVariant *args)
{
    GVariantDict more;
    gboolean optional = FALSE;

    g_variant_lookup(args, "optional", "b", &optional);
    g_variant_dict_init(&more, NULL);
    g_variant_dict_insert(&more, "handle", "s", member_text(args, "handle"));
    steps_call_vdi("vdi.detach", args, &more,
                   &(struct driver_call){
                       .op = op, .args = args, .noted = note_disk_detached, .optional = optional});
}

static const struct step_kind sr_create_kind = {
    .name = "sr.create", .weight = 4, .run = sr_create_run, .undo = sr_destroy_run};
static const struct step_kind sr_destroy_kind = {
    .name = "sr.destroy", .weight = 4, .once = true, .run = sr_destroy_run};
static const struct step_kind sr_attach_kind = {
    .name = "sr.attach", .weight = 2, .run = sr_attach_run, .undo = sr_detach_run};
static const struct step_kind sr_detach_kind = {
    .name = "sr.detach", .weight = 2, .run = sr_detach_run};
static const struct step_kind sr_scan_kind = {.name = "sr.scan", .weight = 2, .run = sr_scan_run};
static const struct step_kind sr_stat_kind = {.name = "sr.stat", .weight = 1, .run = sr_stat_run};
static const struct step_kind sr_coalesce_kind = {
    .name = "sr.coalesce", .weight = 16, .run = sr_coalesce_run, .cancel = steps_cancel};
static const struct step_kind vdi_create_kind = {
    .name = "vdi.create", .weight = 4, .run = vdi_create_run, .undo = vdi_destroy_run};
static const struct step_kind vdi_clone_kind = {.name = "vdi.clone",
                                                .weight = 4,
                                                .run = vdi_clone_run,
                                                .undo = vdi_destroy_run,
                                                .cancel = steps_cancel};
static const struct step_kind vdi_copy_kind = {.name = "vdi.copy",
                                               .weight = 16,
                                               .run = vdi_copy_run,
                                               .undo = vdi_destroy_run,
                                               .cancel = steps_cancel};
static const struct step_kind vdi_exchange_kind = {
    .name = "vdi.exchange", .weight = 2, .run = vdi_exchange_run, .undo = vdi_exchange_undo};
static const struct step_kind vdi_discard_kind = {
    .name = "vdi.discard", .weight = 2, .run = vdi_discard_run};
static const struct step_kind vdi_destroy_kind = {
    .name = "vdi.destroy", .weight = 4, .once = true, .run = vdi_destroy_run};
static const struct step_kind vdi_resize_kind = {
    .name = "vdi.resize", .weight = 4, .run = vdi_resize_run};
static const struct step_kind vdi_attach_kind = {
    .name = "vdi.attach", .weight = 1, .run = steps_attach, .undo = vdi_detach_run};
static const struct step_kind vdi_detach_kind = {
    .name = "vdi.detach", .weight = 1, .run = vdi_detach_run};

const struct step_kind *const storage_step_kinds[] = {
    &sr_create_kind,
    &sr_destroy_kind,
    &sr_attach_kind,
    &sr_detach_kind,
    &sr_scan_kind,
    &sr_stat_kind,
    &sr_coalesce_kind,
    &vdi_create_kind,
    &vdi_clone_kind,
    &vdi_copy_kind,
    &vdi_destroy_kind,
    &vdi_exchange_kind,
    &vdi_discard_kind,
    &vdi_resize_kind,
    &vdi_attach_kind,
    &vdi_detach_kind,
    &vdi_renew_kind,
    &vdi_renew_back_kind,
    &vdi_shared_kind,
    &vdi_transfer_kind,
    &vm_export_kind,
    &vm_import_kind,
    NULL,
};
