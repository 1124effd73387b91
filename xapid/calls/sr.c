/* Class SR. */
#include "config.h"

#include "lib/error.h"
#include "lib/member.h"
#include "lib/text.h"
#include "xapid/calls/call.h"

/* ---- rows ---- */

/* What SR.create and SR.introduce share of a new row; uuid NULL: a random one. */
static const char *
add_row(struct txn *txn, const char *uuid, GVariant *const *args, gint64 physical_size,
        GError **error)
{
    static const char *const names[] = {"name_label",   "name_description", "type",
                                        "content_type", "shared",           "sm_config"};
    GVariantBuilder fields;

    g_variant_builder_init(&fields, G_VARIANT_TYPE("a{sv}"));
    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++)
        g_variant_builder_add(&fields, "{sv}", names[i], args[i]);
    g_variant_builder_add(&fields, "{sv}", "physical_size", g_variant_new_int64(physical_size));
    if (uuid)
        g_variant_builder_add(&fields, "{sv}", "uuid", g_variant_new_string(uuid));
    return txn_create(txn, sr_class(), NULL, g_variant_builder_end(&fields), error);
}

static bool
add_pbd(struct txn *txn, const char *sr, const char *host, GVariant *device_config, GError **error)
{
    g_autoptr(GVariant) kept = secrets_keep(txn, device_config, error);
    GVariantBuilder fields;

    if (!kept)
        return false;
    g_variant_builder_init(&fields, G_VARIANT_TYPE("a{sv}"));
    g_variant_builder_add(&fields, "{sv}", "host", g_variant_new_string(host));
    g_variant_builder_add(&fields, "{sv}", "SR", g_variant_new_string(sr));
    g_variant_builder_add(&fields, "{sv}", "device_config", kept);
    return txn_create(txn, dm_class_find("PBD", false), NULL, g_variant_builder_end(&fields),
                      error) != NULL;
}

/* (host, device_config, physical_size, name_label, name_description, type, content_type, shared,
 * sm_config) */
static void
create(struct call *call)
{
    gint64 size = call_int(call, 2);
    g_autofree char *size_text = g_strdup_printf("%" G_GINT64_FORMAT, size);
    const char *sr = NULL;
    GError *error = NULL;
    struct txn *txn;

    if (!call_has_row(call, dm_class_find("host", false), call_ref(call, 0)))
        return;
    if (!sm_find(call->api->model, call_string(call, 5), &error)) {
        call_fail(call, error);
        return;
    }
    if (size < 0) {
        call_fail_code(call, "INVALID_VALUE", "physical_size", size_text, NULL);
        return;
    }
    if (!(txn = call_begin_plan(call)))
        return;
    sr = add_row(txn, NULL, call->args + 3, size, &error);
    if (!sr || !add_pbd(txn, sr, call_ref(call, 0), call->args[1], &error)) {
        call_abort(call, txn, error);
        return;
    }
    call_submit(call, txn, sr_plan_create(sr, size));
}

/* (uuid, name_label, name_description, type, content_type, shared, sm_config) */
static void
introduce(struct call *call)
{
    const char *uuid = call_string(call, 0);
    GError *error = NULL;
    struct txn *txn;

    if (!sm_find(call->api->model, call_string(call, 3), &error)) {
        call_fail(call, error);
        return;
    }
    if (!g_uuid_string_is_valid(uuid)) {
        call_fail_code(call, "INVALID_VALUE", "uuid", uuid, NULL);
        return;
    }
    if (model_by_uuid(call->api->model, sr_class(), uuid)) {
        call_fail_code(call, "SR_UUID_EXISTS", uuid, NULL);
        return;
    }
    if (!(txn = call_begin(call)))
        return;
    const char *sr = add_row(txn, uuid, call->args + 1, 0, &error);
    if (!sr) {
        call_abort(call, txn, error);
        return;
    }
    sr_refresh_allowed(txn, call->api->model, sr);
    call_commit(call, txn, g_variant_new_string(sr));
}

static void
forget(struct call *call)
{
    const char *sr = call_ref(call, 0);
    GError *error = NULL;
    struct txn *txn;

    if (!sr_may(call->api->storage, sr, "forget", &error)) {
        call_fail(call, error);
        return;
    }
    if (!(txn = call_begin(call)))
        return;
    if (!sr_forget(call->api->model, txn, sr, &error)) {
        call_abort(call, txn, error);
        return;
    }
    call_commit(call, txn, NULL);
}

/* ---- operations ---- */

static void
destroy(struct call *call)
{
    GError *error = NULL;
    struct plan *plan = sr_plan_destroy(call->api->storage, call_ref(call, 0), &error);

    call_run_plan(call, plan, error);
}

static void
look(struct call *call, const char *operation)
{
    GError *error = NULL;
    struct plan *plan = sr_plan_scan(call->api->storage, call_ref(call, 0), operation, &error);

    call_run_plan(call, plan, error);
}

static void
scan(struct call *call)
{
    look(call, "scan");
}

static void
update(struct call *call)
{
    look(call, "update");
}

/* ---- questions ---- */

static void
get_supported_types(struct call *call)
{
    const struct dm_class *cls = dm_class_find("SM", false);
    g_autoptr(GPtrArray) drivers = model_all(call->api->model, cls);
    GVariantBuilder types;

    g_variant_builder_init(&types, G_VARIANT_TYPE("as"));
    for (guint i = 0; i < drivers->len; i++) {
        g_autofree char *type = model_get_string(call->api->model, drivers->pdata[i], "type");
        g_variant_builder_add(&types, "s", type);
    }
    call_return(call, g_variant_builder_end(&types));
}

/* As the drivers of XAPI tell it, which clients read; Devlist is of repositories on devices. */
static char *
probe_text(GVariant *repositories)
{
    GString *text = g_string_new("<?xml version=\"1.0\"?>\n<SRlist>\n");

    for (gsize i = 0; repositories && i < g_variant_n_children(repositories); i++) {
        g_autoptr(GVariant) one = g_variant_get_child_value(repositories, i);
        const char *uuid = member_text(one, "uuid"), *location = member_text(one, "location");
        g_autofree char *devices = g_markup_printf_escaped("<Devlist>%s</Devlist>", location);
        if (g_uuid_string_is_valid(uuid))
            g_string_append_printf(text, "<SR><UUID>%s</UUID>%s</SR>\n", uuid,
                                   g_str_has_prefix(location, "/dev/") ? devices : "");
    }
    g_string_append(text, "</SRlist>\n");
    return g_string_free(text, FALSE);
}

/* What is found, for `answer`; NULL: the call has failed. */
static GVariant *
repositories_found(struct call *call, const GError *error, GVariant *result)
{
    if (error) {
        call_fail(call, g_error_copy(error));
        return NULL;
    }
    GVariant *found = g_variant_lookup_value(result, "repositories", G_VARIANT_TYPE("aa{sv}"));
    return found ? found : g_variant_ref_sink(g_variant_new("aa{sv}", NULL));
}

static void
probed(const GError *error, GVariant *result, void *data)
{
    struct call *call = data;
    g_autoptr(GVariant) repositories = repositories_found(call, error, result);

    if (!repositories)
        return;
    g_autofree char *text = probe_text(repositories);
    call_return_string(call, text);
}

/* A record of sr_stat: floating.  What the driver does not say of the room is 0. */
static GVariant *
stat_of(GVariant *repository)
{
    gint64 size = member_int(repository, "physical_size");
    gint64 used = member_int(repository, "physical_utilisation");
    GVariantDict stat;

    g_variant_dict_init(&stat, NULL);
    g_variant_dict_insert(&stat, "uuid", "s", member_text(repository, "uuid"));
    g_variant_dict_insert(&stat, "name_label", "s", "");
    g_variant_dict_insert(&stat, "name_description", "s", "");
    g_variant_dict_insert(&stat, "free_space", "x", MAX(size - used, 0));
    g_variant_dict_insert(&stat, "total_space", "x", size);
    g_variant_dict_insert(&stat, "clustered", "b", FALSE);
    g_variant_dict_insert(&stat, "health", "s", "healthy");
    return g_variant_dict_end(&stat);
}

/* A record of probe_result: floating.  repository NULL: there is none, and place for one. */
static GVariant *
result_of(GVariant *device_config, GVariant *repository)
{
    GVariantBuilder extra;
    GVariantDict one;

    g_variant_dict_init(&one, NULL);
    g_variant_builder_init(&extra, G_VARIANT_TYPE("a{ss}"));
    g_variant_dict_insert_value(&one, "configuration", device_config);
    g_variant_dict_insert(&one, "complete", "b", TRUE);
    if (repository) {
        g_variant_dict_insert_value(&one, "sr", stat_of(repository));
        g_variant_builder_add(&extra, "{ss}", "location", member_text(repository, "location"));
    }
    g_variant_dict_insert_value(&one, "extra_info", g_variant_builder_end(&extra));
    return g_variant_dict_end(&one);
}

/* A password is none of what all may read of a task. */
static void
probed_ext(const GError *error, GVariant *result, void *data)
{
    struct call *call = data;
    g_autoptr(GVariant) repositories = repositories_found(call, error, result);
    GVariantBuilder out;
    gsize n = 0;

    if (!repositories)
        return;
    g_autoptr(GVariant) config = secrets_leave_out(call->args[1]);
    g_variant_builder_init(&out, G_VARIANT_TYPE("aa{sv}"));
    for (gsize i = 0; i < g_variant_n_children(repositories); i++) {
        g_autoptr(GVariant) one = g_variant_get_child_value(repositories, i);
        if (!g_uuid_string_is_valid(member_text(one, "uuid")))
            continue;
        g_variant_builder_add_value(&out, result_of(config, one));
        n++;
    }
    if (n == 0)
        g_variant_builder_add_value(&out, result_of(config, NULL));
    call_return(call, g_variant_builder_end(&out));
}

static void
ask_what_is_there(struct call *call, peer_done_fn done)
{
    const char *type = call_string(call, 2);
    g_autoptr(GVariant) config = NULL;
    GError *error = NULL;

    if (!call_has_row(call, dm_class_find("host", false), call_ref(call, 0)))
        return;
    if (!sm_find(call->api->model, type, &error) || !call_may_wait(call, &error))
        call_fail(call, error);
    else if (!sm_can(call->api->model, type, "SR_PROBE"))
        call_fail_code(call, "SR_OPERATION_NOT_SUPPORTED", type, NULL);
    else if (!(config = secrets_resolve(call->api->model, call->args[1], &error)))
        call_fail(call, error);
    else
        storage_probe(call->api->storage, type, config, done, call);
}

/* (host, device_config, type, sm_config) */
static void
probe(struct call *call)
{
    ask_what_is_there(call, probed);
}

/* The same. */
static void
probe_ext(struct call *call)
{
    ask_what_is_there(call, probed_ext);
}

const struct call_impl calls_sr[] = {
    {"SR.create", create},
    {"SR.introduce", introduce},
    {"SR.forget", forget},
    {"SR.destroy", destroy},
    {"SR.probe", probe},
    {"SR.probe_ext", probe_ext},
    {"SR.scan", scan},
    {"SR.update", update},
    {"SR.get_supported_types", get_supported_types},
    {"SR.set_name_label", generic_write_field},
    {"SR.set_name_description", generic_write_field},
    {NULL, NULL},
};
