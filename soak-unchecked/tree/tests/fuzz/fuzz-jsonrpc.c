/* JSON-RPC against arbitrary bytes: requests, replies; and what is understood can be said again. */
#include "config.h"

#include "lib/wire/jsonrpc.h"
#include "tests/fuzz/params.h"

static void
check_value(const struct dm_type *type, GVariant *value)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GError) error = NULL;

    json_value_encode(text, type, value);
    g_autoptr(GVariant) untyped = json_parse(text->str, text->len, &error);
    if (!untyped)
        g_error("%s: %s", text->str, error->message);
    g_autoptr(GVariant) back = rpc_value_convert(type, untyped, "value", &error);
    if (!back)
        g_error("%s: %s", text->str, error->message);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const char *body = (const char *)bytes;
    struct rpc_request request;
    g_autoptr(GError) error = NULL;

    if (jsonrpc_request_parse(body, size, &request, &error)) {
        convert_params(&request, check_value);
    } else {
        g_autoptr(GString) reply = g_string_new(NULL);
        g_autoptr(GError) back = NULL;
        jsonrpc_reply_failure(reply, &request, error);
        if (jsonrpc_reply_parse(NULL, reply->str, reply->len, &back) ||
            !api_error_is(back, api_error_code(error)))
            g_error("%s", reply->str);
    }
    rpc_request_clear(&request);

    g_autoptr(GVariant) untyped = json_parse(body, size, NULL);
    if (untyped) {
        g_autoptr(GString) text = g_string_new(NULL);
        json_untyped_encode(text, untyped);
        g_autoptr(GVariant) back = json_parse(text->str, text->len, NULL);
        if (!back)
            g_error("%s", text->str);
    }
    g_autoptr(GVariant) reply = jsonrpc_reply_parse(dm_type_find("event_batch"), body, size, NULL);
    return 0;
}
