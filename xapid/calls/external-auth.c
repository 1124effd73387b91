/* Classes host and pool: whether users besides root may log in.  A pool's is its hosts', and there
 * is one. */
#include "config.h"

#include "lib/error.h"
#include "xapid/calls/call.h"

/* (host or pool, config, service_name, type) */
static void
enable_on(struct call *call, const char *host, bool of_pool)
{
    const char *type = call_string(call, 3);
    g_autofree char *now = model_get_string(call->api->model, host, "external_auth_type");
    g_autofree char *service =
        model_get_string(call->api->model, host, "external_auth_service_name");
    struct txn *txn;

    if (*now && of_pool) {
        call_fail_code(call, "POOL_AUTH_ALREADY_ENABLED", host, NULL);
        return;
    }
    if (*now) {
        call_fail_code(call, "AUTH_ALREADY_ENABLED", now, service, NULL);
        return;
    }
    if (!g_str_equal(type, "PAM")) {
        call_fail_code(call, "AUTH_UNKNOWN_TYPE", type, NULL);
        return;
    }
    if (!(txn = call_begin(call)))
        return;
    txn_set_string(txn, host, "external_auth_type", type);
    txn_set_string(txn, host, "external_auth_service_name", call_string(call, 2));
    txn_set_value(txn, host, "external_auth_configuration", call->args[1]);
    call_commit(call, txn, NULL);
}

static void
enable_of_host(struct call *call)
{
    enable_on(call, call_ref(call, 0), /* of_pool= */ false);
}

static void
enable_of_pool(struct call *call)
{
    enable_on(call, call->api->host, /* of_pool= */ true);
}

static void
disable_on(struct call *call, const char *host)
{
    struct txn *txn = call_begin(call);

    if (!txn)
        return;
    txn_set_string(txn, host, "external_auth_type", "");
    txn_set_string(txn, host, "external_auth_service_name", "");
    txn_set_value(txn, host, "external_auth_configuration",
                  g_variant_new_array(G_VARIANT_TYPE("{ss}"), NULL, 0));
    call_commit(call, txn, NULL);
}

static void
disable_of_host(struct call *call)
{
    disable_on(call, call_ref(call, 0));
}

static void
disable_of_pool(struct call *call)
{
    disable_on(call, call->api->host);
}

const struct call_impl calls_external_auth[] = {
    {"host.enable_external_auth", enable_of_host},
    {"host.disable_external_auth", disable_of_host},
    {"pool.enable_external_auth", enable_of_pool},
    {"pool.disable_external_auth", disable_of_pool},
    {NULL, NULL},
};
