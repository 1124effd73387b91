/* JSON-RPC: the documented bytes in both versions, and input that means harm. */
#include "config.h"

#include <float.h>
#include <string.h>

#include "lib/error.h"
#include "lib/wire/jsonrpc.h"

static void
assert_encodes(const char *type, const char *value_text, const char *expected)
{
    const struct dm_type *t = dm_type_find(type);
    g_autoptr(GVariant) value =
        g_variant_parse(G_VARIANT_TYPE(t->gvariant), value_text, NULL, NULL, NULL);
    g_autoptr(GString) out = g_string_new(NULL);

    g_assert_nonnull(value);
    json_value_encode(out, t, value);
    g_assert_cmpstr(out->str, ==, expected);
}

static void
test_values(void)
{
    assert_encodes("string", "''", "\"\"");
    assert_encodes("string", "'a\"b\\\\c/\\n\\r\\t\\u0001\\u007f\xc3\xa9'",
                   "\"a\\\"b\\\\c/\\n\\r\\t\\u0001\x7f\xc3\xa9\"");
    assert_encodes("int", "9223372036854775807", "9223372036854775807");
    assert_encodes("int", "-1", "-1");
    assert_encodes("bool", "true", "true");
    assert_encodes("float", "0.25", "0.25");
    assert_encodes("float", "30.0", "30");
    assert_encodes("float", "nan", "0");
    assert_encodes("float", "inf", "1.7976931348623157e+308");
    assert_encodes("float", "-inf", "-1.7976931348623157e+308");
    assert_encodes("datetime", "0", "\"19700101T00:00:00Z\"");
    assert_encodes("ref<VM>", "'OpaqueRef:NULL'", "\"OpaqueRef:NULL\"");
    assert_encodes("void", "()", "\"\"");
    assert_encodes("set<string>", "[]", "[]");
    assert_encodes("set<int>", "[1, 2]", "[1,2]");
    assert_encodes("map<string,string>", "{}", "{}");
    assert_encodes("map<int,float>", "{0: 0.5, 1: 1.0}", "{\"0\":0.5,\"1\":1}");
    assert_encodes("record<sr_stat>", "{'name_label': <'x'>, 'clustered': <true>}",
                   "{\"name_label\":\"x\",\"clustered\":true}");
    assert_encodes("record<console>", "{'port': <int64 5900>, 'uuid': <'u'>}", "{\"uuid\":\"u\"}");
    assert_encodes(
        "event_batch",
        "{'events': <[{'id': <'8'>, 'timestamp': <'0.0'>, 'class': <'secret'>, "
        "'operation': <'add'>, 'ref': <'OpaqueRef:2'>, 'snapshot': <{'uuid': <'u'>}>}]>, "
        "'valid_ref_counts': <{'vm': 3, 'task': 0}>, 'token': <'1,2'>}",
        "{\"events\":[{\"id\":\"8\",\"timestamp\":\"0.0\",\"class\":\"secret\","
        "\"operation\":\"add\",\"ref\":\"OpaqueRef:2\",\"snapshot\":{\"uuid\":\"u\"}}],"
        "\"valid_ref_counts\":{\"vm\":3,\"task\":0},\"token\":\"1,2\"}");
}

static void
test_replies(void)
{
    struct rpc_request v1 = {.dialect = RPC_JSON1, .id = g_variant_new_string("a")};
    struct rpc_request v2 = {.dialect = RPC_JSON2, .id = g_variant_new_int64(0)};
    struct rpc_request none = {.dialect = RPC_JSON2};
    g_autoptr(GVariant) value = g_variant_ref_sink(g_variant_new_string("x"));
    g_autoptr(GError) error = api_error_new("HOST_IS_SLAVE", "10.0.0.1", NULL);
    const struct dm_type *type = dm_type_find("string");
    g_autoptr(GString) out = g_string_new(NULL);

    g_variant_ref_sink(v1.id);
    g_variant_ref_sink(v2.id);
    jsonrpc_reply_success(out, &v2, type, value);
    g_assert_cmpstr(out->str, ==, "{\"jsonrpc\":\"2.0\",\"result\":\"x\",\"id\":0}");
    g_string_truncate(out, 0);
    jsonrpc_reply_success(out, &v1, type, value);
    g_assert_cmpstr(out->str, ==, "{\"result\":\"x\",\"error\":null,\"id\":\"a\"}");
    g_string_truncate(out, 0);
    jsonrpc_reply_failure(out, &v1, error);
    g_assert_cmpstr(out->str, ==,
                    "{\"result\":null,\"error\":[\"HOST_IS_SLAVE\",\"10.0.0.1\"],\"id\":\"a\"}");
    g_autoptr(GError) back = NULL;
    g_assert_null(jsonrpc_reply_parse(NULL, out->str, out->len, &back));
    g_assert_cmpstr(back->message, ==, error->message);
    g_clear_error(&back);
    g_string_truncate(out, 0);
    jsonrpc_reply_failure(out, &v2, error);
    g_assert_cmpstr(out->str, ==,
                    "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":1,\"message\":\"HOST_IS_SLAVE\","
                    "\"data\":[\"10.0.0.1\"]},\"id\":0}");
    g_assert_null(jsonrpc_reply_parse(NULL, out->str, out->len, &back));
    g_assert_cmpstr(back->message, ==, error->message);
    g_string_truncate(out, 0);
    g_autoptr(GError) empty = api_error_new("MESSAGE_REMOVED", NULL);
    jsonrpc_reply_failure(out, &none, empty);
    g_assert_cmpstr(out->str, ==,
                    "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":1,\"message\":\"MESSAGE_REMOVED\","
                    "\"data\":[]},\"id\":null}");
    rpc_request_clear(&v1);
    rpc_request_clear(&v2);
}

static void
test_record_pieces(void)
{
    const struct dm_class *cls = dm_class_find("console", false);
    struct rpc_request request = {.dialect = RPC_JSON2};
    g_autoptr(GVariant) uuid = g_variant_ref_sink(g_variant_new_string("u"));
    GVariant *values[64] = {NULL};
    g_autoptr(GString) record = g_string_new(NULL);
    g_autoptr(GString) out = g_string_new(NULL);

    values[dm_field_find(cls, "uuid")->index] = uuid;
    rpc_record_encode(record, RPC_JSON2, cls, values);
    rpc_records_begin(out, &request);
    rpc_records_add(out, &request, true, "OpaqueRef:1", record);
    rpc_records_add(out, &request, false, "OpaqueRef:2", record);
    rpc_records_end(out, &request);
    g_assert_cmpstr(out->str, ==,
                    "{\"jsonrpc\":\"2.0\",\"result\":{\"OpaqueRef:1\":{\"uuid\":\"u\"},"
                    "\"OpaqueRef:2\":{\"uuid\":\"u\"}},\"id\":null}");
}

/* Dialect, id and parameters as one text; on an error its code instead of the parameters. */
static void
assert_request(const char *body, const char *expected)
{
    static const char *const dialects[] = {"xml", "1", "2"};
    g_autoptr(GError) error = NULL;
    struct rpc_request request;
    bool ok = jsonrpc_request_parse(body, strlen(body), &request, &error);
    g_autofree char *id = request.id ? g_variant_print(request.id, FALSE) : g_strdup("-");
    g_autofree char *rest =
        ok ? g_variant_print(request.params, FALSE) : g_strdup(api_error_code(error));
    g_autofree char *text = g_strjoin(" ", dialects[request.dialect], id, rest, NULL);

    g_assert_cmpint(ok, ==, error == NULL);
    g_assert_cmpstr(text, ==, expected);
    rpc_request_clear(&request);
}

#define FAILURE "XMLRPC_UNMARSHAL_FAILURE"

static void
test_requests(void)
{
    assert_request(
        "{\"jsonrpc\":\"2.0\",\"method\":\"a.b\",\"params\":[\"x\",1,1.5,true,null,[],{}],"
        "\"id\":7}",
        "2 7 [<'x'>, <int64 1>, <1.5>, <true>, <()>, <@av []>, <@a{sv} {}>]");
    assert_request("{\"method\":\"a.b\",\"params\":[],\"id\":\"q\"}", "1 'q' []");
    assert_request("{\"jsonrpc\":\"2.0\",\"method\":\"a\",\"id\":1}", "2 1 []");
    assert_request("{\"jsonrpc\":\"2.0\",\"method\":\"a\",\"params\":null,\"id\":1}", "2 1 []");
    assert_request("{\"jsonrpc\":\"2.0\",\"method\":\"a\",\"params\":{\"k\":\"v\"},\"id\":1}",
                   "2 1 [<{'k': <'v'>}>]");
    assert_request(" {\"id\":1,\"method\":\"a\",\"extra\":[],\"params\":[]} \n", "1 1 []");
    assert_request("{\"method\":\"a\",\"id\":1}", "1 1 " FAILURE);
    assert_request("{\"method\":\"a\",\"params\":{},\"id\":1}", "1 1 " FAILURE);
    assert_request("{\"jsonrpc\":\"2.0\",\"method\":\"a\",\"params\":1,\"id\":1}", "2 1 " FAILURE);
    assert_request("{\"jsonrpc\":\"2.0\",\"method\":\"a\",\"params\":[]}", "2 - " FAILURE);
    assert_request("{\"jsonrpc\":\"2.0\",\"method\":\"a\",\"params\":[],\"id\":null}",
                   "2 - " FAILURE);
    assert_request("{\"jsonrpc\":\"2.0\",\"method\":\"a\",\"params\":[],\"id\":1.5}",
                   "2 - " FAILURE);
    assert_request("{\"jsonrpc\":\"1.0\",\"method\":\"a\",\"params\":[],\"id\":1}", "2 1 " FAILURE);
    assert_request("{\"jsonrpc\":2.0,\"method\":\"a\",\"params\":[],\"id\":1}", "2 1 " FAILURE);
    assert_request("{\"jsonrpc\":\"2.0\",\"params\":[],\"id\":1}", "2 1 " FAILURE);
    assert_request("{\"jsonrpc\":\"2.0\",\"method\":1,\"params\":[],\"id\":1}", "2 1 " FAILURE);
    assert_request("[{\"jsonrpc\":\"2.0\",\"method\":\"a\",\"id\":1}]", "2 - " FAILURE);
    /* What was understood before the text broke is used for the answer. */
    assert_request("{\"jsonrpc\":\"2.0\",\"id\":9,\"method\":\"a\",\"params\":[", "2 9 " FAILURE);
    assert_request("{\"id\":9,\"method\":\"a\",\"params\":[}", "2 9 " FAILURE);
    /* Of repeated members the last one counts. */
    assert_request("{\"id\":1,\"id\":2,\"method\":\"a\",\"params\":[{\"k\":1,\"j\":2,\"k\":3}]}",
                   "1 2 [<{'k': <int64 3>, 'j': <int64 2>}>]");
}

static void
assert_parses(const char *text, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) value = json_parse(text, strlen(text), &error);
    g_autofree char *printed = value ? g_variant_print(value, FALSE) : NULL;

    if (expected) {
        g_assert_no_error(error);
        g_assert_cmpstr(printed, ==, expected);
    } else {
        g_assert_null(value);
        g_assert_true(error->domain == API_ERROR);
    }
}

static void
test_parse(void)
{
    assert_parses("0", "0");
    assert_parses("-9223372036854775808", "-9223372036854775808");
    assert_parses("9223372036854775807", "9223372036854775807");
    assert_parses("9223372036854775808", NULL);
    assert_parses("-9223372036854775809", NULL);
    assert_parses("123456789012345678901234567890123456789012345678901234567890123456789", NULL);
    assert_parses("1e3", "1000.0");
    assert_parses("1e400", NULL);
    assert_parses("01", NULL);
    assert_parses("+1", NULL);
    assert_parses("NaN", NULL);
    assert_parses("nul", NULL);
    assert_parses("\"\\u00e9\\ud83d\\ude00\\/\"", "'\xc3\xa9\xf0\x9f\x98\x80/'");
    assert_parses("\"a\\u0000b\"", NULL);
    assert_parses("\"a\\u0001b\"", NULL);
    assert_parses("{\"a\\u0000b\":1}", NULL);
    assert_parses("\"\\ufffe\"", NULL);
    assert_parses("\"\xff\"", NULL);
    assert_parses("\"\xc0\x80\"", NULL);
    assert_parses("\"\xed\xa0\x80\"", NULL);
    assert_parses("\"a\nb\"", NULL);
    assert_parses("\"a", NULL);
    assert_parses("\"\\u12\"", NULL);
    assert_parses("\"\\", NULL);
    assert_parses("[1,]", NULL);
    assert_parses("{\"a\":1,}", NULL);
    assert_parses("{1:1}", NULL);
    assert_parses("[1] x", NULL);
    assert_parses("/* c */ 1", NULL);
    assert_parses("", NULL);
    assert_parses(" ", NULL);
    assert_parses("]", NULL);
    assert_parses("}", NULL);
}

static void
test_nul(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(json_parse("\"a\0b\"", 5, &error));
    g_clear_error(&error);
    g_assert_null(json_parse("1\0", 2, &error));
    g_assert_nonnull(error);
}

static void
test_truncated(void)
{
    static const char body[] =
        " {\"jsonrpc\":\"2.0\",\"method\":\"a.b\",\"params\":[\"\xc3\xa9\\u00e9\\n\",-1.5e3,true,"
        "false,null,{\"k\":[1,{\"j\":\"\"}]}],\"id\":\"x\"}";

    for (size_t i = 0; i < sizeof body - 1; i++) {
        g_autofree char *part = g_memdup2(body, MAX(i, 1));
        g_autoptr(GError) error = NULL;
        struct rpc_request request;
        g_assert_false(jsonrpc_request_parse(part, i, &request, &error));
        g_assert_true(api_error_is(error, FAILURE));
        rpc_request_clear(&request);
    }
    assert_request(body, "2 'x' [<'\xc3\xa9\xc3\xa9\\n'>, <-1500.0>, <true>, <false>, <()>, "
                         "<{'k': <[<int64 1>, <{'j': <''>}>]>}>]");
}

static char *
nested(unsigned depth)
{
    g_autofree char *open = g_strnfill(depth, '['), *end = g_strnfill(depth, ']');

    return g_strconcat(open, end, NULL);
}

static void
test_limits(void)
{
    g_autofree char *deep = nested(100000), *over = nested(JSONRPC_MAX_DEPTH + 1);
    g_autofree char *most = nested(JSONRPC_MAX_DEPTH);
    g_autofree char *open = g_strnfill(100000, '[');
    g_autoptr(GString) many = g_string_new("[1");
    g_autoptr(GString) same = g_string_new("{\"k\":0");

    assert_parses(deep, NULL);
    assert_parses(over, NULL);
    assert_parses(open, NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) value = json_parse(most, strlen(most), &error);
    g_assert_no_error(error);
    /* The deepest value is whole: nothing of it is lost on the way back. */
    g_autoptr(GString) back = g_string_new(NULL);
    g_variant_get_data(value);
    json_untyped_encode(back, value);
    g_assert_cmpstr(back->str, ==, most);

    for (int i = 0; i < JSONRPC_MAX_VALUES; i++)
        g_string_append(many, ",1");
    g_string_append_c(many, ']');
    assert_parses(many->str, NULL);
    for (int i = 1; i < 100000; i++)
        g_string_append_printf(same, ",\"k\":%d", i);
    g_string_append_c(same, '}');
    assert_parses(same->str, "{'k': <int64 99999>}");
}

static void
test_untyped(void)
{
    g_autoptr(GVariant) value = g_variant_ref_sink(g_variant_new_parsed(
        "{'s': <'a\"b'>, 'b': <false>, 'x': <int64 -5>, 'd': <0.5>, 'as': <['a', 'b']>, "
        "'ass': <{'k': 'v'}>, 'av': <[<'a'>, <int64 1>]>, 'n': <()>, 'u': <uint32 5>, "
        "'m': <{1: 'one'}>}"));
    g_autoptr(GString) out = g_string_new(NULL);

    json_untyped_encode(out, value);
    g_assert_cmpstr(
        out->str, ==,
        "{\"s\":\"a\\\"b\",\"b\":false,\"x\":-5,\"d\":0.5,\"as\":[\"a\",\"b\"],"
        "\"ass\":{\"k\":\"v\"},\"av\":[\"a\",1],\"n\":null,\"u\":5,\"m\":{\"1\":\"one\"}}");
}

static void
test_client(void)
{
    const struct dm_type *types[] = {dm_type_find("string"), dm_type_find("int")};
    GVariant *params[] = {g_variant_new_string("x"), g_variant_new_int64(5)};
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    const char *reply = "{\"jsonrpc\":\"2.0\",\"result\":[\"OpaqueRef:1\"],\"id\":3}";

    jsonrpc_request_encode(out, 3, "a.b", types, params, 2);
    g_assert_cmpstr(out->str, ==,
                    "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"a.b\",\"params\":[\"x\",5]}");
    g_autoptr(GVariant) typed =
        jsonrpc_reply_parse(dm_type_find("set<ref<VM>>"), reply, strlen(reply), &error);
    g_assert_no_error(error);
    g_assert_cmpstr(g_variant_get_type_string(typed), ==, "as");
    g_assert_null(jsonrpc_reply_parse(dm_type_find("int"), reply, strlen(reply), &error));
    g_assert_true(api_error_is(error, "INVALID_VALUE"));
    g_clear_error(&error);
    g_assert_null(jsonrpc_reply_parse(NULL, "{}", 2, &error));
    g_assert_true(api_error_is(error, FAILURE));
    g_clear_error(&error);
    g_assert_null(jsonrpc_reply_parse(NULL, "{\"error\":{}}", 12, &error));
    g_assert_true(api_error_is(error, "INTERNAL_ERROR"));
    g_variant_unref(g_variant_ref_sink(params[0]));
    g_variant_unref(g_variant_ref_sink(params[1]));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/jsonrpc/values", test_values);
    g_test_add_func("/jsonrpc/replies", test_replies);
    g_test_add_func("/jsonrpc/record-pieces", test_record_pieces);
    g_test_add_func("/jsonrpc/requests", test_requests);
    g_test_add_func("/jsonrpc/parse", test_parse);
    g_test_add_func("/jsonrpc/nul", test_nul);
    g_test_add_func("/jsonrpc/truncated", test_truncated);
    g_test_add_func("/jsonrpc/limits", test_limits);
    g_test_add_func("/jsonrpc/untyped", test_untyped);
    g_test_add_func("/jsonrpc/client", test_client);
    return g_test_run();
}
