/* Class VBD: the drives of VMs. */
#include "config.h"

#include "lib/error.h"
#include "xapid/calls/call.h"

/* ---- making and removing ---- */

struct drive {
    const char *vm, *vdi, *type, *mode, *userdevice;
    bool empty;
    int position;
};

static bool
check_rows(struct call *call, struct drive *drive, GError **error)
{
    struct model *model = call->api->model;
    bool cd = g_str_equal(drive->type, "CD");

    if (!model_has(model, vm_class(), drive->vm)) {
        api_error_set(error, "HANDLE_INVALID", "VM", drive->vm, NULL);
        return false;
    }
    if (!vm_is_not_foreign(model, drive->vm, error))
        return false;
    drive->empty = g_str_equal(drive->vdi, REF_NULL) || !*drive->vdi;
    if (drive->empty && cd)
        return true;
    if (drive->empty || !model_has(model, vdi_class(), drive->vdi)) {
        api_error_set(error, "HANDLE_INVALID", "VDI", drive->vdi, NULL);
        return false;
    }
    if (model_get_bool(model, drive->vdi, "managed"))
        return true;
    api_error_set(error, "VDI_NOT_MANAGED", drive->vdi, NULL);
    return false;
}

static bool
check_mode(struct call *call, const struct drive *drive, GError **error)
{
    bool read_only = g_str_equal(drive->mode, "RO");

    if (g_str_equal(drive->type, "Floppy")) {
        api_error_set(error, "NOT_IMPLEMENTED", "VBD of type Floppy", NULL);
        return false;
    }
    if (g_str_equal(drive->type, "CD") && !read_only) {
        api_error_set(error, "VBD_CDS_MUST_BE_READONLY", NULL);
        return false;
    }
    if (!drive->empty && !read_only && model_get_bool(call->api->model, drive->vdi, "read_only")) {
        api_error_set(error, "VDI_READONLY", drive->vdi, NULL);
        return false;
    }
    return true;
}

static bool
check_position(struct call *call, struct drive *drive, GError **error)
{
    struct model *model = call->api->model;

    if (g_str_equal(drive->userdevice, "autodetect")) {
        drive->position = vbd_free_position(model, drive->vm, g_str_equal(drive->type, "CD"));
        if (drive->position >= 0)
            return true;
    } else {
        drive->position = vbd_position(drive->userdevice);
        if (drive->position >= 0 && vbd_position_is_free(model, drive->vm, drive->position))
            return true;
        if (drive->position >= 0) {
            api_error_set(error, "DEVICE_ALREADY_EXISTS", drive->userdevice, NULL);
            return false;
        }
    }
    api_error_set(error, "INVALID_DEVICE", drive->userdevice, NULL);
    return false;
}

static GVariant *
new_row(GVariant *given, const struct drive *drive, const char *metrics)
{
    g_autofree char *position = g_strdup_printf("%d", drive->position);
    GVariantDict fields;

    g_variant_dict_init(&fields, given);
    if (g_str_equal(drive->userdevice, "autodetect"))
        g_variant_dict_insert(&fields, "userdevice", "s", position);
    g_variant_dict_insert(&fields, "empty", "b", drive->empty);
    g_variant_dict_insert(&fields, "currently_attached", "b", FALSE);
    g_variant_dict_insert(&fields, "device", "s", "");
    g_variant_dict_insert(&fields, "metrics", "s", metrics);
    return g_variant_dict_end(&fields);
}

static bool
add_rows(struct call *call, struct txn *txn, GVariant *given, const struct drive *drive,
         const char **ret_vbd, GError **error)
{
    g_autoptr(GVariant) none =
        g_variant_ref_sink(g_variant_new_array(G_VARIANT_TYPE("{sv}"), NULL, 0));
    const char *metrics = txn_create(txn, dm_class_find("VBD_metrics", false), NULL, none, error);

    if (!metrics)
        return false;
    *ret_vbd = txn_create(txn, call->message->cls, NULL, new_row(given, drive, metrics), error);
    if (!*ret_vbd)
        return false;
    vbd_refresh_allowed(txn, *ret_vbd);
    if (!drive->empty)
        vdi_refresh_allowed(txn, call->api->model, drive->vdi);
    return true;
}

static void
create(struct call *call)
{
    g_autoptr(GVariant) given =
        g_variant_ref_sink(generic_constructor(call->message->cls, call->args[0]));
    struct drive drive = {
        .vm = "", .vdi = REF_NULL, .type = "Disk", .mode = "RW", .userdevice = "autodetect"};
    const char *vbd;
    GError *error = NULL;
    struct txn *txn;

    g_variant_lookup(given, "VM", "&s", &drive.vm);
    g_variant_lookup(given, "VDI", "&s", &drive.vdi);
    g_variant_lookup(given, "type", "&s", &drive.type);
    g_variant_lookup(given, "mode", "&s", &drive.mode);
    g_variant_lookup(given, "userdevice", "&s", &drive.userdevice);
    if (!generic_check_new(call, given, &error) || !check_rows(call, &drive, &error) ||
        !check_mode(call, &drive, &error) || !check_position(call, &drive, &error)) {
        call_fail(call, error);
        return;
    }
    if (!(txn = call_begin(call)))
        return;
    if (!add_rows(call, txn, given, &drive, &vbd, &error)) {
        call_abort(call, txn, error);
        return;
    }
    call_commit(call, txn, g_variant_new_string(vbd));
}

static bool
must_be_detached(struct call *call, const char *vbd, GError **error)
{
    g_autofree char *device = model_get_string(call->api->model, vbd, "device");

    if (!model_get_bool(call->api->model, vbd, "currently_attached"))
        return true;
    api_error_set(error, "DEVICE_ALREADY_ATTACHED", device, NULL);
    return false;
}

static void
destroy(struct call *call)
{
    struct model *model = call->api->model;
    const char *vbd = call_ref(call, 0);
    g_autofree char *metrics = model_get_string(model, vbd, "metrics");
    g_autofree char *vdi = model_get_string(model, vbd, "VDI");
    GError *error = NULL;
    struct txn *txn;

    if (!must_be_detached(call, vbd, &error) || !vm_device_is_idle(model, vbd, &error)) {
        call_fail(call, error);
        return;
    }
    if (!(txn = call_begin(call)))
        return;
    if ((model_class(model, metrics) && !txn_destroy(txn, metrics, &error)) ||
        !txn_destroy(txn, vbd, &error)) {
        call_abort(call, txn, error);
        return;
    }
    if (model_has(model, vdi_class(), vdi))
        vdi_refresh_allowed(txn, model, vdi);
    call_commit(call, txn, NULL);
}

/* ---- media ---- */

static bool
check_medium(struct call *call, const char *vbd, bool empty, GError **error)
{
    struct model *model = call->api->model;
    g_autofree char *type = model_get_string(model, vbd, "type");

    if (!g_str_equal(type, "CD"))
        api_error_set(error, "VBD_NOT_REMOVABLE_MEDIA", vbd, NULL);
    else if (model_get_bool(model, vbd, "empty") != empty)
        api_error_set(error, empty ? "VBD_NOT_EMPTY" : "VBD_IS_EMPTY", vbd, NULL);
    else
        return true;
    return false;
}

/* Of a VM without a domain, which gets it when it starts. */
static void
write_medium(struct call *call, const char *vdi)
{
    const char *vbd = call_ref(call, 0);
    struct txn *txn = call_begin(call);

    if (!txn)
        return;
    txn_set_string(txn, vbd, "VDI", vdi);
    txn_set_value(txn, vbd, "empty", g_variant_new_boolean(g_str_equal(vdi, REF_NULL)));
    vbd_refresh_allowed(txn, vbd);
    call_commit(call, txn, NULL);
}

static bool
vm_is_halted(struct call *call)
{
    g_autofree char *vm = model_get_string(call->api->model, call_ref(call, 0), "VM");
    g_autofree char *state = model_get_string(call->api->model, vm, "power_state");

    return g_str_equal(state, "Halted");
}

static void
insert(struct call *call)
{
    const char *vbd = call_ref(call, 0), *vdi = call_ref(call, 1);
    GError *error = NULL;

    if (!call_has_row(call, vdi_class(), vdi))
        return;
    if (!model_get_bool(call->api->model, vdi, "managed")) {
        call_fail_code(call, "VDI_NOT_MANAGED", vdi, NULL);
    } else if (!check_medium(call, vbd, true, &error)) {
        call_fail(call, error);
    } else if (vm_is_halted(call)) {
        write_medium(call, vdi);
    } else {
        struct plan *plan = vbd_plan_insert(call->api->vm, vbd, vdi, &error);
        call_run_plan(call, plan, error);
    }
}

static void
eject(struct call *call)
{
    const char *vbd = call_ref(call, 0);
    GError *error = NULL;

    if (!check_medium(call, vbd, false, &error)) {
        call_fail(call, error);
    } else if (vm_is_halted(call)) {
        write_medium(call, REF_NULL);
    } else {
        struct plan *plan = vbd_plan_eject(call->api->vm, vbd, &error);
        call_run_plan(call, plan, error);
    }
}

/* ---- plugging ---- */

static void
plug(struct call *call)
{
    GError *error = NULL;
    struct plan *plan = vbd_plan_plug(call->api->vm, call_ref(call, 0), &error);

    call_run_plan(call, plan, error);
}

static void
run_unplug(struct call *call, bool force)
{
    GError *error = NULL;
    struct plan *plan = vbd_plan_unplug(call->api->vm, call_ref(call, 0), force, &error);

    call_run_plan(call, plan, error);
}

static void
unplug(struct call *call)
{
    run_unplug(call, false);
}

static void
unplug_force(struct call *call)
{
    run_unplug(call, true);
}

static void
set_mode(struct call *call)
{
    struct model *model = call->api->model;
    const char *vbd = call_ref(call, 0);
    g_autofree char *type = model_get_string(model, vbd, "type");
    g_autofree char *vdi = model_get_string(model, vbd, "VDI");
    const struct drive drive = {.vdi = vdi,
                                .type = type,
                                .mode = call_string(call, 1),
                                .empty = !model_has(model, vdi_class(), vdi)};
    GError *error = NULL;

    if (!must_be_detached(call, vbd, &error) || !check_mode(call, &drive, &error))
        call_fail(call, error);
    else
        generic_write_field(call);
}

/* Of VM; clients take the first: that of CDs comes last. */
static void
get_allowed_devices(struct call *call)
{
    GVariantBuilder devices;

    g_variant_builder_init(&devices, G_VARIANT_TYPE("as"));
    for (int i = 0; i <= VBD_POSITION_MAX; i++) {
        int position = i < VBD_CD_POSITION ? i : i < VBD_POSITION_MAX ? i + 1 : VBD_CD_POSITION;
        if (vbd_position_is_free(call->api->model, call_ref(call, 0), position))
            g_variant_builder_add_value(&devices,
                                        g_variant_new_take_string(g_strdup_printf("%d", position)));
    }
    call_return(call, g_variant_builder_end(&devices));
}

const struct call_impl calls_vbd[] = {
    {"VBD.create", create},
    {"VBD.destroy", destroy},
    {"VBD.insert", insert},
    {"VBD.eject", eject},
    {"VBD.plug", plug},
    {"VBD.unplug", unplug},
    {"VBD.unplug_force", unplug_force},
    {"VBD.set_mode", set_mode},
    {"VM.get_allowed_VBD_devices", get_allowed_devices},
    {NULL, NULL},
};
