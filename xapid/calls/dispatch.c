/* From a request to an implementation: every check that the data model asks for, in this order:
 * session, number of parameters, their types, role, references. */
#include "config.h"

#include <string.h>

#include "lib/error.h"
#include "xapid/calls/exchange.h"
#include "xapid/calls/safe-change.h"

void
api_init(struct api *api)
{
    api->impls = g_hash_table_new(g_str_hash, g_str_equal);
}

void
api_register(struct api *api, const struct call_impl *impls)
{
    for (; impls->name; impls++) {
        const struct dm_message *message = dm_method_find(impls->name);
        if (!message || !g_str_equal(message->full_name, impls->name))
            g_error("the data model has no message %s", impls->name);
        if (!g_hash_table_insert(api->impls, (char *)impls->name, (void *)impls))
            g_error("%s is implemented twice", impls->name);
    }
}

/* The references among the parameters: the object itself must exist, others exist or be null. */
static bool
check_refs(struct call *call, GError **error)
{
    const struct dm_message *message = call->message;

    for (unsigned i = 0; i < message->n_params; i++) {
        const struct dm_type *type = message->params[i].type;
        if (type->kind != DM_REF || !type->cls->in_database)
            continue;
        if (g_str_equal(type->cls->name, "session")) {
            /* A client names its own session by the secret; the row goes by a hash of it. */
            g_autofree char *public_ref = session_public_ref(call_string(call, i));
            if (model_has(call->api->model, type->cls, public_ref)) {
                g_variant_unref(call->args[i]);
                call->args[i] = g_variant_ref_sink(g_variant_new_string(public_ref));
            }
        }
        const char *ref = call_string(call, i);
        bool self = i == 0 && type->cls == message->cls;
        if ((!self && (g_str_equal(ref, REF_NULL) || !*ref)) ||
            model_has(call->api->model, type->cls, ref))
            continue;
        api_error_set(error, "HANDLE_INVALID", type->cls->name, ref, NULL);
        return false;
    }
    return true;
}

static GVariant *
boxed_child(GVariant *params, gsize i)
{
    g_autoptr(GVariant) boxed = g_variant_get_child_value(params, i);

    return g_variant_get_variant(boxed);
}

static bool
convert_args(struct call *call, const struct rpc_request *request, gsize first, GError **error)
{
    const struct dm_message *message = call->message;
    gsize given = g_variant_n_children(request->params) - first;

    if (request->unfit) {
        g_propagate_error(error, g_error_copy(request->unfit));
        return false;
    }
    call->args = g_new0(GVariant *, message->n_params + 1);
    for (unsigned i = 0; i < message->n_params; i++) {
        const struct dm_param *param = &message->params[i];
        if (i >= given) {
            call->args[i] = dm_param_default(param);
            continue;
        }
        g_autoptr(GVariant) value = boxed_child(request->params, first + i);
        call->args[i] = request->converted
                            ? g_steal_pointer(&value)
                            : rpc_value_convert(param->type, value, param->name, error);
        if (!call->args[i])
            return false;
    }
    return true;
}

static enum dm_role
needed_role(const struct call *call)
{
    const struct dm_message *message = call->message;
    enum dm_role role = message->min_role;

    if (message->client_cert_ok && role > DM_ROLE_CLIENT_CERT && role != DM_ROLE_LOCAL_ROOT &&
        call->caller.role == DM_ROLE_CLIENT_CERT)
        return DM_ROLE_CLIENT_CERT;
    return role;
}

static const char *
key_argument(const struct call *call)
{
    const struct dm_message *message = call->message;

    for (unsigned i = 0; i < message->n_params; i++)
        if (g_str_equal(message->params[i].name, "key"))
            return call_string(call, i);
    return NULL;
}

static bool
check_role(struct call *call, GError **error)
{
    const struct dm_message *message = call->message;
    enum dm_role needed = needed_role(call);
    const char *permission = message->permission;
    g_autofree char *with_key = NULL;

    if (!message->session)
        return true;
    if (message->pool_internal && !call->caller.pool && !call->caller.local_root) {
        api_error_set(error, "RBAC_PERMISSION_DENIED", permission,
                      "only the hosts of the pool may call it", NULL);
        return false;
    }
    const char *key = message->key_roles ? key_argument(call) : NULL;
    if (key) {
        needed = dm_key_role(message->key_roles, key, needed);
        with_key = g_strdup_printf("%s/key:%s", permission, key);
        if (needed != message->min_role)
            permission = with_key;
    }
    return rbac_check(&call->caller, permission, needed, error);
}

/* Starts the task of an asynchronous call and answers with it; the call goes on without a client.
 */
static bool
begin_async(struct call *call, GError **error)
{
    static const struct dm_type *ref_task;
    struct txn *txn = model_begin(call->api->model, error);

    if (!txn)
        return false;
    if (!call_task(call, txn, error)) {
        txn_abort(txn);
        return false;
    }
    if (!txn_commit(txn, error)) {
        g_clear_pointer(&call->task, g_free);
        return false;
    }
    if (!ref_task)
        ref_task = dm_method_find("task.create")->result;
    struct exchange *exchange = g_steal_pointer(&call->exchange);
    exchange_answer(exchange, ref_task, NULL, g_variant_ref_sink(g_variant_new_string(call->task)));
    return true;
}

static const struct call_impl *
impl_of(const struct call *call)
{
    return g_hash_table_lookup(call->api->impls, call->message->full_name);
}

static void
run(struct call *call)
{
    const struct call_impl *impl = impl_of(call);

    if (impl)
        impl->run(call);
    else
        generic_run(call);
}

/* Clients try out what a host can do with references that they make up, so that this comes before
 * the look at them. */
static bool
check_implemented(struct call *call, GError **error)
{
    if (impl_of(call) || call->message->kind != DM_CUSTOM)
        return true;
    api_error_set(error, "NOT_IMPLEMENTED", call->message->full_name, NULL);
    return false;
}

/* The first parameter of a message with a session. */
static bool
authenticate(struct call *call, GVariant *params, GError **error)
{
    const struct dm_message *message = call->message;

    if (g_variant_n_children(params) == 0) {
        g_autofree char *expected = g_strdup_printf("%u", message->n_required);
        api_error_set(error, "MESSAGE_PARAMETER_COUNT_MISMATCH", message->full_name, expected, "0",
                      NULL);
        return false;
    }
    g_autoptr(GVariant) boxed = g_variant_get_child_value(params, 0);
    g_autoptr(GVariant) secret = g_variant_get_variant(boxed);
    if (!g_variant_is_of_type(secret, G_VARIANT_TYPE_STRING)) {
        api_error_set(error, "SESSION_INVALID", "", NULL);
        return false;
    }
    return session_authenticate(call->api, g_variant_get_string(secret, NULL), &call->caller,
                                error);
}

static bool
check_count(const struct dm_message *message, gsize given, GError **error)
{
    if (given >= message->n_required && given <= message->n_params)
        return true;
    g_autofree char *expected = g_strdup_printf("%u", message->n_required);
    g_autofree char *received = g_strdup_printf("%zu", given);
    api_error_set(error, "MESSAGE_PARAMETER_COUNT_MISMATCH", message->full_name, expected, received,
                  NULL);
    return false;
}

static bool
prepare(struct call *call, const struct rpc_request *request, GError **error)
{
    const struct dm_message *message = call->message;
    GVariant *params = request->params;
    gsize first = message->session ? 1 : 0;

    if (message->session && !authenticate(call, params, error))
        return false;
    if (message->session && call->api->change)
        safe_change_seen(call->api->change, &call->origin);
    if (message->lifecycle == DM_REMOVED) {
        api_error_set(error, "MESSAGE_REMOVED", NULL);
        return false;
    }
    if (!check_count(message, g_variant_n_children(params) - first, error))
        return false;
    return convert_args(call, request, first, error) && check_role(call, error) &&
           check_implemented(call, error) && check_refs(call, error);
}

/* The message behind a method's name, as any of Class.message, Class_message and Async. */
static const struct dm_message *
find_message(const char *method, bool *ret_async, GError **error)
{
    bool async = g_str_has_prefix(method, "Async.");
    const struct dm_message *message = dm_method_find(async ? method + strlen("Async.") : method);

    if (!message) {
        api_error_set(error, "MESSAGE_METHOD_UNKNOWN", method, NULL);
        return NULL;
    }
    if (async && !message->async) {
        g_autofree char *text =
            g_strdup_printf("No async mode for this operation (rpc: %s)", method);
        api_error_set(error, "Fault", text, NULL);
        return NULL;
    }
    *ret_async = async;
    return message;
}

void
api_convert(struct rpc_request *request)
{
    bool async;
    const struct dm_message *message = find_message(request->method, &async, NULL);
    gsize first = message && message->session ? 1 : 0;
    GVariantBuilder values;

    if (!message)
        return;
    g_variant_builder_init(&values, G_VARIANT_TYPE("av"));
    for (gsize i = 0; i < g_variant_n_children(request->params); i++) {
        g_autoptr(GVariant) value = boxed_child(request->params, i);
        if (i >= first && i - first < message->n_params && !request->unfit) {
            const struct dm_param *param = &message->params[i - first];
            GVariant *typed = rpc_value_convert(param->type, value, param->name, &request->unfit);
            g_variant_unref(value);
            value = typed;
        }
        /* The number of them is still asked for, when one does not fit. */
        if (request->unfit)
            g_variant_builder_add(&values, "v", g_variant_new_tuple(NULL, 0));
        else
            g_variant_builder_add(&values, "v", value);
    }
    g_variant_unref(request->params);
    request->params = g_variant_ref_sink(g_variant_builder_end(&values));
    request->converted = true;
}

struct exchange *
api_call(struct api *api, const struct rpc_request *request, const struct call_origin *origin,
         call_reply_fn reply, void *reply_data)
{
    GError *error = NULL;
    bool async = false;

    api->calls++;
    if (system_call(request, reply, reply_data))
        return NULL;
    const struct dm_message *message = find_message(request->method, &async, &error);
    if (!message) {
        reply(&(struct call_answer){.error = error}, reply_data);
        g_error_free(error);
        return NULL;
    }

    struct exchange *exchange = g_new0(struct exchange, 1);
    struct call *call = g_new0(struct call, 1);
    exchange->api = api;
    exchange->call = call;
    exchange->entering = true;
    exchange->reply = reply;
    exchange->reply_data = reply_data;
    call->api = api;
    call->message = message;
    call->origin = *origin;
    call->exchange = exchange;
    api->parked++;

    if (prepare(call, request, &error) && (!async || begin_async(call, &error)))
        run(call);
    else
        call_fail(call, error);

    exchange->entering = false;
    if (exchange->replied) {
        exchange_free(exchange);
        return NULL;
    }
    return exchange;
}
