/* Class VDI. */
#include "config.h"

#include "lib/error.h"
#include "xapid/calls/call.h"

static bool
check_size(gint64 size, GError **error)
{
    g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, size);

    if (size > 0 && size <= VDI_SIZE_MAX)
        return true;
    api_error_set(error, "INVALID_VALUE", "virtual_size", text, NULL);
    return false;
}

/* The row, from the beginning, of a disk that is being made: not managed. */
static GVariant *
new_row(GVariant *given)
{
    GVariantDict fields;

    g_variant_dict_init(&fields, given);
    g_variant_dict_insert(&fields, "managed", "b", FALSE);
    g_variant_dict_insert(&fields, "is_a_snapshot", "b", FALSE);
    return g_variant_dict_end(&fields);
}

static void
create(struct call *call)
{
    g_autoptr(GVariant) given = g_variant_ref_sink(generic_constructor(vdi_class(), call->args[0]));
    const char *sr = "";
    gint64 size = 0;
    GError *error = NULL;
    struct txn *txn;

    g_variant_lookup(given, "SR", "&s", &sr);
    g_variant_lookup(given, "virtual_size", "x", &size);
    if (!generic_check_new(call, given, &error)) {
        call_fail(call, error);
        return;
    }
    if (!call_has_row(call, sr_class(), sr))
        return;
    if (!check_size(size, &error) || !sr_may(call->api->storage, sr, "vdi_create", &error)) {
        call_fail(call, error);
        return;
    }
    if (!(txn = call_begin_plan(call)))
        return;
    const char *vdi = txn_create(txn, vdi_class(), NULL, new_row(given), &error);
    if (!vdi) {
        call_abort(call, txn, error);
        return;
    }
    call_submit(call, txn, vdi_plan_create(vdi, sr));
}

/* sr: REF_NULL: that of the source. */
static void
copy_into(struct call *call, const char *operation, const char *sr)
{
    struct model *model = call->api->model;
    const char *source = call_ref(call, 0);
    g_autofree char *its = model_get_string(model, source, "SR");
    g_autofree char *uuid = NULL;
    GError *error = NULL;
    struct txn *txn;

    if (g_str_equal(sr, REF_NULL))
        sr = its;
    if (!vdi_may_copy(call->api->storage, source, operation, sr, /* vm= */ NULL, &error)) {
        call_fail(call, error);
        return;
    }
    if (!(txn = call_begin_plan(call)))
        return;
    const char *vdi = vdi_add_copy(model, txn, source, operation, sr, &uuid, &error);
    if (!vdi) {
        call_abort(call, txn, error);
        return;
    }
    call_submit(call, txn, vdi_plan_copy(model, operation, vdi, uuid, sr, source));
}

/* (vdi, sr, base_vdi, into_vdi) */
static void
copy_disk(struct call *call)
{
    for (unsigned i = 2; i <= 3; i++)
        if (!g_str_equal(call_ref(call, i), REF_NULL)) {
            call_fail_code(call, "NOT_IMPLEMENTED", i == 2 ? "base_vdi" : "into_vdi", NULL);
            return;
        }
    copy_into(call, "copy", call_ref(call, 1));
}

/* (vdi, driver_params), of which there are none. */
static void
copy_beside(struct call *call, const char *operation)
{
    if (g_variant_n_children(call->args[1]))
        call_fail_code(call, "NOT_IMPLEMENTED", "driver_params", NULL);
    else
        copy_into(call, operation, REF_NULL);
}

static void
clone_disk(struct call *call)
{
    copy_beside(call, "clone");
}

static void
snapshot(struct call *call)
{
    copy_beside(call, "snapshot");
}

static void
destroy(struct call *call)
{
    GError *error = NULL;
    struct plan *plan = vdi_plan_destroy(call->api->storage, call_ref(call, 0), &error);

    call_run_plan(call, plan, error);
}

static void
resize(struct call *call)
{
    GError *error = NULL;
    struct plan *plan = NULL;

    if (check_size(call_int(call, 1), &error))
        plan = vdi_plan_resize(call->api->storage, call_ref(call, 0), call_int(call, 1), &error);
    call_run_plan(call, plan, error);
}

/* The row alone goes; the next scan finds the volume again. */
static void
forget(struct call *call)
{
    const char *vdi = call_ref(call, 0);
    GError *error = NULL;
    struct txn *txn;

    if (!vdi_is_free(call->api->storage, vdi, "forget", &error)) {
        call_fail(call, error);
        return;
    }
    if (!(txn = call_begin(call)))
        return;
    if (!vdi_forget(call->api->model, txn, vdi, &error)) {
        call_abort(call, txn, error);
        return;
    }
    call_commit(call, txn, NULL);
}

const struct call_impl calls_vdi[] = {
    {"VDI.create", create},
    {"VDI.copy", copy_disk},
    {"VDI.clone", clone_disk},
    {"VDI.snapshot", snapshot},
    {"VDI.destroy", destroy},
    {"VDI.resize", resize},
    {"VDI.forget", forget},
    {"VDI.set_name_label", generic_write_field},
    {"VDI.set_name_description", generic_write_field},
    {"VDI.set_sharable", generic_write_field},
    {"VDI.set_read_only", generic_write_field},
    {"VDI.set_allow_caching", generic_write_field},
    {NULL, NULL},
};
