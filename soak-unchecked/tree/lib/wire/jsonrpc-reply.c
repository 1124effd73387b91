/* JSON-RPC, what stands around values: replies and requests; see jsonrpc.h. */
#include "config.h"

#include "lib/error.h"
#include "lib/wire/jsonrpc.h"

static void
id_append(GString *out, const struct rpc_request *request)
{
    g_string_append(out, ",\"id\":");
    if (request->id)
        json_untyped_encode(out, request->id);
    else
        g_string_append(out, "null");
    g_string_append_c(out, '}');
}

void
jsonrpc_reply_begin(GString *out, const struct rpc_request *request)
{
    g_string_append(out, request->dialect == RPC_JSON1 ? "{\"result\":"
                                                       : "{\"jsonrpc\":\"2.0\",\"result\":");
}

void
jsonrpc_reply_end(GString *out, const struct rpc_request *request)
{
    if (request->dialect == RPC_JSON1)
        g_string_append(out, ",\"error\":null");
    id_append(out, request);
}

void
jsonrpc_reply_success(GString *out, const struct rpc_request *request, const struct dm_type *type,
                      GVariant *value)
{
    jsonrpc_reply_begin(out, request);
    json_value_encode(out, type, value);
    jsonrpc_reply_end(out, request);
}

void
jsonrpc_reply_failure(GString *out, const struct rpc_request *request, const GError *error)
{
    const char *const foreign[] = {error->message, NULL};
    const char *const *params = api_error_params(error);
    bool first = true;

    if (request->dialect == RPC_JSON1) {
        g_string_append(out, "{\"result\":null,\"error\":[");
        json_text_append(out, api_error_code(error));
        first = false;
    } else {
        g_string_append(out, "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":1,\"message\":");
        json_text_append(out, api_error_code(error));
        g_string_append(out, ",\"data\":[");
    }
    for (params = params ? params : foreign; *params; params++) {
        if (!first)
            g_string_append_c(out, ',');
        json_text_append(out, *params);
        first = false;
    }
    g_string_append(out, request->dialect == RPC_JSON1 ? "]" : "]}");
    id_append(out, request);
}

void
jsonrpc_request_encode(GString *out, gint64 id, const char *method,
                       const struct dm_type *const *types, GVariant *const *params,
                       unsigned n_params)
{
    g_string_append(out, "{\"jsonrpc\":\"2.0\",\"id\":");
    g_string_append_printf(out, "%" G_GINT64_FORMAT, id);
    g_string_append(out, ",\"method\":");
    json_text_append(out, method);
    g_string_append(out, ",\"params\":[");
    for (unsigned i = 0; i < n_params; i++) {
        if (i)
            g_string_append_c(out, ',');
        json_value_encode(out, types[i], params[i]);
    }
    g_string_append(out, "]}");
}
