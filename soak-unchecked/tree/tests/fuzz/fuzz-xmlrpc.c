/* XML-RPC against arbitrary bytes: requests, replies, single values; and what is understood can be
 * said again. */
#include "config.h"

#include "lib/wire/xmlrpc.h"
#include "tests/fuzz/params.h"

static void
check_value(const struct dm_type *type, GVariant *value)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GError) error = NULL;

    xmlrpc_value_encode(text, type, value);
    g_autoptr(GVariant) back = xmlrpc_value_decode(type, text->str, text->len, &error);
    /* Depth is the one thing that a value may lose on the way. */
    if (!back && !api_error_is(error, "XMLRPC_UNMARSHAL_FAILURE"))
        g_error("%s: %s", text->str, error->message);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const char *body = (const char *)bytes;
    struct rpc_request request;
    g_autoptr(GError) error = NULL;

    if (xmlrpc_request_parse(body, size, &request, &error)) {
        convert_params(&request, check_value);
    } else {
        g_autoptr(GString) reply = g_string_new(NULL);
        g_autoptr(GError) back = NULL;
        xmlrpc_reply_failure(reply, error);
        if (xmlrpc_reply_parse(NULL, reply->str, reply->len, &back) ||
            !api_error_is(back, api_error_code(error)))
            g_error("%s", reply->str);
    }
    rpc_request_clear(&request);

    g_autoptr(GVariant) reply = xmlrpc_reply_parse(dm_type_find("event_batch"), body, size, NULL);
    g_autoptr(GVariant) value = xmlrpc_value_decode(dm_type_find("record<VM>"), body, size, NULL);
    if (value)
        check_value(dm_type_find("record<VM>"), value);
    return 0;
}
