/* Class PBD: how a host reaches a storage repository. */
#include "config.h"

#include "lib/error.h"
#include "xapid/calls/call.h"

static char *
sr_of(struct call *call)
{
    return model_get_string(call->api->model, call_ref(call, 0), "SR");
}

/* Its SR's queue has its operations; an SR that is not there (any more) has none. */
static char *
sr_to_ask(struct call *call)
{
    g_autofree char *sr = sr_of(call);

    return call_has_row(call, sr_class(), sr) ? g_steal_pointer(&sr) : NULL;
}

/* The fields of a new row, with secrets in place of passwords: the caller's. */
static GVariant *
keep_passwords(struct txn *txn, GVariant *fields, GError **error)
{
    g_autoptr(GVariant) config =
        g_variant_lookup_value(fields, "device_config", G_VARIANT_TYPE("a{ss}"));
    g_autoptr(GVariant) kept = config ? secrets_keep(txn, config, error) : NULL;
    GVariantDict out;

    if (!config)
        return g_variant_ref(fields);
    if (!kept)
        return NULL;
    g_variant_dict_init(&out, fields);
    g_variant_dict_insert_value(&out, "device_config", kept);
    return g_variant_ref_sink(g_variant_dict_end(&out));
}

static void
create(struct call *call)
{
    struct model *model = call->api->model;
    g_autoptr(GVariant) fields =
        g_variant_ref_sink(generic_constructor(call->message->cls, call->args[0]));
    const char *host = "", *sr = "";
    GError *error = NULL;
    struct txn *txn;

    if (!generic_check_new(call, fields, &error)) {
        call_fail(call, error);
        return;
    }
    g_variant_lookup(fields, "host", "&s", &host);
    g_variant_lookup(fields, "SR", "&s", &sr);
    if (!call_has_row(call, dm_class_find("host", false), host) ||
        !call_has_row(call, sr_class(), sr))
        return;
    const char *pbd = sr_pbd(model, sr, host);
    if (pbd) {
        call_fail_code(call, "PBD_EXISTS", sr, host, pbd, NULL);
        return;
    }
    if (!sr_may(call->api->storage, sr, "pbd_create", &error)) {
        call_fail(call, error);
        return;
    }
    if (!(txn = call_begin(call)))
        return;
    g_autoptr(GVariant) kept = keep_passwords(txn, fields, &error);
    pbd = kept ? txn_create(txn, call->message->cls, NULL, kept, &error) : NULL;
    if (!pbd) {
        call_abort(call, txn, error);
        return;
    }
    call_commit(call, txn, g_variant_new_string(pbd));
}

static void
destroy(struct call *call)
{
    const char *pbd = call_ref(call, 0);
    g_autofree char *sr = sr_of(call);
    GError *error = NULL;
    struct txn *txn;

    if (model_has(call->api->model, sr_class(), sr) &&
        !sr_may(call->api->storage, sr, "pbd_destroy", &error)) {
        call_fail(call, error);
        return;
    }
    if (!(txn = call_begin(call)))
        return;
    if (!secrets_forget(call->api->model, txn, pbd, /* next: none */ NULL, &error) ||
        !txn_destroy(txn, pbd, &error)) {
        call_abort(call, txn, error);
        return;
    }
    call_commit(call, txn, NULL);
}

static void
move(struct call *call, bool attached,
     struct plan *(*plan)(const struct storage_world *world, const char *sr, GError **error))
{
    g_autofree char *sr = sr_to_ask(call);
    GError *error = NULL;

    if (!sr)
        return;
    /* What is so already is a success, as XAPI has it. */
    if (model_get_bool(call->api->model, call_ref(call, 0), "currently_attached") == attached) {
        call_return(call, NULL);
        return;
    }
    struct plan *planned = plan(call->api->storage, sr, &error);
    call_run_plan(call, planned, error);
}

static void
plug(struct call *call)
{
    move(call, true, sr_plan_plug);
}

static void
unplug(struct call *call)
{
    move(call, false, sr_plan_unplug);
}

static void
set_device_config(struct call *call)
{
    const char *pbd = call_ref(call, 0);
    g_autofree char *sr = sr_to_ask(call);
    GError *error = NULL;
    struct txn *txn;

    if (!sr)
        return;
    if (!sr_may(call->api->storage, sr, "pbd_destroy", &error)) {
        call_fail(call, error);
        return;
    }
    if (!(txn = call_begin(call)))
        return;
    g_autoptr(GVariant) kept = secrets_keep(txn, call->args[1], &error);
    if (!kept || !secrets_forget(call->api->model, txn, pbd, kept, &error) ||
        !txn_set(txn, pbd, dm_field_find(call->message->cls, "device_config"), kept, &error)) {
        call_abort(call, txn, error);
        return;
    }
    call_commit(call, txn, NULL);
}

const struct call_impl calls_pbd[] = {
    {"PBD.create", create},
    {"PBD.destroy", destroy},
    {"PBD.plug", plug},
    {"PBD.unplug", unplug},
    {"PBD.set_device_config", set_device_config},
    {NULL, NULL},
};
