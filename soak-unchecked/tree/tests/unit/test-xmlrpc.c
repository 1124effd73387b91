/* XML-RPC: the documented bytes, and input that means harm. */
#include "config.h"

#include <string.h>

#include "lib/error.h"
#include "lib/wire/xmlrpc.h"

static void
assert_encodes(const char *type, const char *value_text, const char *expected)
{
    const struct dm_type *t = dm_type_find(type);
    g_autoptr(GVariant) value =
        g_variant_parse(G_VARIANT_TYPE(t->gvariant), value_text, NULL, NULL, NULL);
    g_autoptr(GString) out = g_string_new(NULL);

    g_assert_nonnull(value);
    xmlrpc_value_encode(out, t, value);
    g_assert_cmpstr(out->str, ==, expected);
}

static void
test_values(void)
{
    assert_encodes("string", "''", "<value></value>");
    assert_encodes("string", "'a<b>&\"c\\'\\n\\t'", "<value>a&lt;b&gt;&amp;&quot;c'\n\t</value>");
    assert_encodes("string", "'a\\u0001b\\u001f\\ufffec\\uffff'", "<value>abc</value>");
    assert_encodes("string", "'\\ufffd\\uf0be'", "<value>\xef\xbf\xbd\xef\x82\xbe</value>");
    assert_encodes("int", "1073741824", "<value>1073741824</value>");
    assert_encodes("int", "-9223372036854775808", "<value>-9223372036854775808</value>");
    assert_encodes("int", "0", "<value>0</value>");
    assert_encodes("bool", "true", "<value><boolean>1</boolean></value>");
    assert_encodes("bool", "false", "<value><boolean>0</boolean></value>");
    assert_encodes("float", "0.25", "<value><double>0.25</double></value>");
    assert_encodes("float", "1.0", "<value><double>1</double></value>");
    assert_encodes("float", "inf", "<value><double>inf</double></value>");
    assert_encodes("datetime", "0",
                   "<value><dateTime.iso8601>19700101T00:00:00Z</dateTime.iso8601></value>");
    assert_encodes("ref<VM>", "'OpaqueRef:NULL'", "<value>OpaqueRef:NULL</value>");
    assert_encodes("enum<bond_mode>", "'balance-slb'", "<value>balance-slb</value>");
    assert_encodes("void", "()", "<value></value>");
    assert_encodes("set<string>", "[]", "<value><array><data></data></array></value>");
    assert_encodes("set<string>", "['a', '']",
                   "<value><array><data><value>a</value><value></value></data></array></value>");
    assert_encodes("map<string,string>", "{}", "<value><struct></struct></value>");
    assert_encodes("map<string,string>", "{'a&': 'b'}",
                   "<value><struct><member><name>a&amp;</name><value>b</value></member>"
                   "</struct></value>");
    assert_encodes("map<int,int>", "{-1: 2}",
                   "<value><struct><member><name>-1</name><value>2</value></member>"
                   "</struct></value>");
    assert_encodes("record<sr_stat>", "{'name_label': <'x'>, 'clustered': <true>}",
                   "<value><struct><member><name>name_label</name><value>x</value></member>"
                   "<member><name>clustered</name><value><boolean>1</boolean></value></member>"
                   "</struct></value>");
    /* What is not on the wire stays in the house. */
    assert_encodes("record<console>", "{'port': <int64 5900>, 'uuid': <'u'>}",
                   "<value><struct><member><name>uuid</name><value>u</value></member>"
                   "</struct></value>");
}

static void
test_event_batch(void)
{
    assert_encodes(
        "event_batch",
        "{'events': <[{'id': <'7'>, 'timestamp': <'0.0'>, 'class': <'secret'>, "
        "'operation': <'mod'>, 'ref': <'OpaqueRef:1'>, 'snapshot': <{'uuid': <'u'>}>}, "
        "{'id': <'8'>, 'timestamp': <'0.0'>, 'class': <'vm'>, 'operation': <'del'>, "
        "'ref': <'OpaqueRef:2'>}]>, 'valid_ref_counts': <{'vm': 3}>, 'token': <'1,2'>}",
        "<value><struct><member><name>events</name><value><array><data>"
        "<value><struct><member><name>id</name><value>7</value></member>"
        "<member><name>timestamp</name><value>0.0</value></member>"
        "<member><name>class</name><value>secret</value></member>"
        "<member><name>operation</name><value>mod</value></member>"
        "<member><name>ref</name><value>OpaqueRef:1</value></member>"
        "<member><name>snapshot</name><value><struct><member><name>uuid</name><value>u</value>"
        "</member></struct></value></member></struct></value>"
        "<value><struct><member><name>id</name><value>8</value></member>"
        "<member><name>timestamp</name><value>0.0</value></member>"
        "<member><name>class</name><value>vm</value></member>"
        "<member><name>operation</name><value>del</value></member>"
        "<member><name>ref</name><value>OpaqueRef:2</value></member></struct></value>"
        "</data></array></value></member><member><name>valid_ref_counts</name><value><struct>"
        "<member><name>vm</name><value><i4>3</i4></value></member></struct></value></member>"
        "<member><name>token</name><value>1,2</value></member></struct></value>");
}

#define REPLY "<?xml version=\"1.0\"?><methodResponse><params><param>"
#define REPLY_END "</param></params></methodResponse>"

static void
test_replies(void)
{
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(GVariant) names = g_variant_ref_sink(g_variant_new_parsed("['a.b']"));
    g_autoptr(GVariant) nothing = g_variant_ref_sink(g_variant_new_tuple(NULL, 0));

    xmlrpc_reply_success(out, dm_type_find("void"), nothing, false);
    g_assert_cmpstr(out->str, ==,
                    REPLY "<value><struct><member><name>Status</name><value>Success</value>"
                          "</member><member><name>Value</name><value></value></member></struct>"
                          "</value>" REPLY_END);
    g_string_truncate(out, 0);
    xmlrpc_reply_success(out, dm_type_find("set<string>"), names, true);
    g_assert_cmpstr(out->str, ==,
                    REPLY
                    "<value><array><data><value>a.b</value></data></array></value>" REPLY_END);

    g_string_truncate(out, 0);
    g_autoptr(GError) error = api_error_new("HANDLE_INVALID", "VM", "a<b", NULL);
    xmlrpc_reply_failure(out, error);
    g_assert_cmpstr(out->str, ==,
                    REPLY "<value><struct><member><name>Status</name><value>Failure</value>"
                          "</member><member><name>ErrorDescription</name><value><array><data>"
                          "<value>HANDLE_INVALID</value><value>VM</value><value>a&lt;b</value>"
                          "</data></array></value></member></struct></value>" REPLY_END);
    g_autoptr(GError) back = NULL;
    g_assert_null(xmlrpc_reply_parse(NULL, out->str, out->len, &back));
    g_assert_cmpstr(back->message, ==, error->message);
    g_assert_true(api_error_is(back, "HANDLE_INVALID"));

    g_string_truncate(out, 0);
    g_autoptr(GError) foreign = g_error_new_literal(G_FILE_ERROR, 1, "no & disk");
    xmlrpc_reply_failure(out, foreign);
    g_assert_nonnull(
        strstr(out->str, "<value>INTERNAL_ERROR</value><value>no &amp; disk</value></data>"));
}

static void
test_record_pieces(void)
{
    const struct dm_class *cls = dm_class_find("console", false);
    struct rpc_request request = {.dialect = RPC_XML};
    g_autoptr(GVariant) port = g_variant_ref_sink(g_variant_new_int64(5900));
    g_autoptr(GVariant) uuid = g_variant_ref_sink(g_variant_new_string("u"));
    GVariant *values[64] = {NULL};
    g_autoptr(GString) record = g_string_new(NULL);
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(GError) error = NULL;

    values[dm_field_find(cls, "uuid")->index] = uuid;
    values[dm_field_find(cls, "port")->index] = port;
    rpc_record_encode(record, RPC_XML, cls, values);
    rpc_records_begin(out, &request);
    rpc_records_add(out, &request, true, "OpaqueRef:1", record);
    rpc_records_add(out, &request, false, "OpaqueRef:2", record);
    rpc_records_end(out, &request);
    g_autoptr(GVariant) reply = xmlrpc_reply_parse(NULL, out->str, out->len, &error);
    g_assert_no_error(error);
    g_autofree char *text = g_variant_print(reply, FALSE);
    g_assert_cmpstr(text, ==,
                    "{'OpaqueRef:1': <{'uuid': <'u'>}>, 'OpaqueRef:2': <{'uuid': <'u'>}>}");
}

#define CALL "<methodCall><methodName>a.b</methodName><params>"
#define CALL_END "</params></methodCall>"

/* The parameters of a request as GVariant text. */
static char *
parse_request(const char *body, gssize length, GError **error)
{
    struct rpc_request request;
    bool ok =
        xmlrpc_request_parse(body, length < 0 ? strlen(body) : (size_t)length, &request, error);

    g_assert_cmpint(request.dialect, ==, RPC_XML);
    g_assert_cmpint(ok, ==, request.method != NULL);
    char *text = ok ? g_variant_print(request.params, FALSE) : NULL;
    rpc_request_clear(&request);
    return text;
}

static void
assert_params(const char *body, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = parse_request(body, -1, &error);

    g_assert_no_error(error);
    g_assert_cmpstr(text, ==, expected);
}

static void
assert_param(const char *value, const char *expected)
{
    g_autofree char *body = g_strconcat(CALL "<param>", value, "</param>" CALL_END, NULL);
    g_autofree char *all = g_strconcat("[<", expected, ">]", NULL);

    assert_params(body, all);
}

static void
test_input(void)
{
    assert_param("<value>x</value>", "'x'");
    assert_param("<value><string>x</string></value>", "'x'");
    assert_param("<value/>", "''");
    assert_param("<value></value>", "''");
    assert_param("<value><string/></value>", "''");
    assert_param("<value>  </value>", "'  '");
    assert_param("<value> \n <int>-5</int> \n </value>", "int64 -5");
    assert_param("<value><i4>5</i4></value>", "int64 5");
    assert_param("<value><i8>9223372036854775807</i8></value>", "int64 9223372036854775807");
    assert_param("<value><boolean>1</boolean></value>", "true");
    assert_param("<value><double>1.5</double></value>", "1.5");
    assert_param("<value><dateTime.iso8601>20261122T23:36:28Z</dateTime.iso8601></value>",
                 "'20261122T23:36:28Z'");
    assert_param("<value><nil/></value>", "()");
    assert_param("<value><array/></value>", "@av []");
    assert_param("<value><array><data/></array></value>", "@av []");
    assert_param("<value><array> <data> <value>a</value> </data> </array></value>", "[<'a'>]");
    assert_param("<value><struct/></value>", "@a{sv} {}");
    assert_param("<value><struct></struct></value>", "@a{sv} {}");
    assert_param(
        "<value><struct><member> <name>k</name> <value>a</value></member></struct></value>",
        "{'k': <'a'>}");
    assert_param("<value>&lt;&gt;&amp;&quot;&apos;&#65;&#x42;</value>", "\"<>&\\\"'AB\"");
    assert_param("<value>a<![CDATA[<b>]]>c</value>", "'a<b>c'");
    assert_param("<value>a<!-- no --><?no no?>b</value>", "'ab'");
    assert_param("<value>\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80</value>",
                 "'\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80'");
    assert_params("<methodCall><methodName>a.b</methodName></methodCall>", "[]");
    assert_params("<methodCall><methodName>a.b</methodName><params/></methodCall>", "[]");
    assert_params("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<!-- hi -->\n" CALL
                  "\n<param>\n<value>x</value>\n</param>\n" CALL_END "\n",
                  "[<'x'>]");
    /* What a document says of its encoding counts for nothing: it is UTF-8. */
    assert_params("<?xml version='1.0' encoding='ISO-8859-1'?>" CALL
                  "<param><value>\xc3\xa9</value></param>" CALL_END,
                  "[<'\xc3\xa9'>]");
    assert_params("<methodCall xmlns:ex='http://a'><methodName> a.b\n</methodName><params><param>"
                  "<value><ex:nil/></value></param></params></methodCall>",
                  "[<()>]");
    /* The last of repeated members counts. */
    assert_param("<value><struct><member><name>k</name><value>1</value></member><member><name>j"
                 "</name><value>2</value></member><member><name>k</name><value>3</value></member>"
                 "</struct></value>",
                 "{'k': <'3'>, 'j': <'2'>}");
}

static void
assert_refused(const char *body, gssize length, const char *code)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = parse_request(body, length, &error);

    g_assert_null(text);
    g_assert_nonnull(error);
    g_assert_true(error->domain == API_ERROR);
    if (code)
        g_assert_cmpstr(api_error_code(error), ==, code);
    /* The error itself can be sent. */
    g_autoptr(GString) reply = g_string_new(NULL);
    xmlrpc_reply_failure(reply, error);
    g_autoptr(GError) back = NULL;
    g_assert_null(xmlrpc_reply_parse(NULL, reply->str, reply->len, &back));
    g_assert_cmpstr(back->message, ==, error->message);
}

#define UNMARSHAL "XMLRPC_UNMARSHAL_FAILURE"

static void
test_malformed(void)
{
    static const char *const bodies[] = {
        "",
        " ",
        "x",
        "<",
        "<methodCall/>",
        "<methodCall>",
        "<methodResponse/>",
        "{\"a\":1}",
        "<methodCall><methodName>a</methodName></methodCall>x",
        "<methodCall><methodName>a</methodName></methodCall><methodCall/>",
        "<methodCall><methodName>a<b/></methodName></methodCall>",
        "<methodCall><params/><methodName>a</methodName></methodCall>",
        "<methodCall><methodName>a</methodName><params/><params/></methodCall>",
        CALL "<value>x</value>" CALL_END,
        CALL "<param/>" CALL_END,
        CALL "<param><value>x</value><value>y</value></param>" CALL_END,
        CALL "<param>x<value>x</value></param>" CALL_END,
        CALL "<param><value>x<int>5</int></value></param>" CALL_END,
        CALL "<param><value><int>5</int>x</value></param>" CALL_END,
        CALL "<param><value><int>5</int><int>5</int></value></param>" CALL_END,
        CALL "<param><value><int></int></value></param>" CALL_END,
        CALL "<param><value><int>5x</int></value></param>" CALL_END,
        CALL "<param><value><int>99999999999999999999999</int></value></param>" CALL_END,
        CALL "<param><value><boolean>yes</boolean></value></param>" CALL_END,
        CALL "<param><value><double>1.5.5</double></value></param>" CALL_END,
        CALL "<param><value><float>1.5</float></value></param>" CALL_END,
        CALL "<param><value><array><value>x</value></array></value></param>" CALL_END,
        CALL "<param><value><array><data>x</data></array></value></param>" CALL_END,
        CALL "<param><value><array><data/><data/></array></value></param>" CALL_END,
        CALL
        "<param><value><struct><member><value>x</value></member></struct></value></param>" CALL_END,
        CALL
        "<param><value><struct><member><name>x</name></member></struct></value></param>" CALL_END,
        CALL "<param><value><struct><value>x</value></struct></value></param>" CALL_END,
        CALL "<param><value>&undeclared;</value></param>" CALL_END,
        CALL "<param><value>&#1;</value></param>" CALL_END,
        CALL "<param><value>&#0;</value></param>" CALL_END,
        CALL "<param><value>a & b</value></param>" CALL_END,
        CALL "<param><value a='1' a='2'>x</value></param>" CALL_END,
    };
    for (size_t i = 0; i < G_N_ELEMENTS(bodies); i++) {
        g_test_message("%s", bodies[i]);
        assert_refused(bodies[i], -1, UNMARSHAL);
    }
}

static void
test_doctype(void)
{
    assert_refused("<?xml version=\"1.0\"?><!DOCTYPE l [<!ENTITY a \"lol\"><!ENTITY b "
                   "\"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\">]>" CALL
                   "<param><value>&b;</value></param>" CALL_END,
                   -1, UNMARSHAL);
    assert_refused("<!DOCTYPE m [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>" CALL
                   "<param><value>&x;</value></param>" CALL_END,
                   -1, UNMARSHAL);
    assert_refused("<!DOCTYPE m SYSTEM \"http://127.0.0.1:1/x.dtd\">" CALL CALL_END, -1, UNMARSHAL);
    assert_refused("<!doctype m>" CALL CALL_END, -1, UNMARSHAL);
    /* Not markup inside a comment or CDATA, so fine there. */
    assert_params("<!-- <!DOCTYPE x> -->" CALL
                  "<param><value><![CDATA[<!DOCTYPE x>]]></value></param>" CALL_END,
                  "[<'<!DOCTYPE x>'>]");
}

static void
test_bytes(void)
{
    static const char nul[] = CALL "<param><value>a\0b</value></param>" CALL_END;
    static const char utf16[] = "\xff\xfe<\0m\0e\0t\0h\0o\0d\0C\0a\0l\0l\0>\0";

    assert_refused(nul, sizeof nul - 1, "INVALID_VALUE");
    assert_refused(utf16, sizeof utf16 - 1, "INVALID_VALUE");
    assert_refused(CALL "<param><value>\xff</value></param>" CALL_END, -1, "INVALID_VALUE");
    assert_refused(CALL "<param><value>\xc0\xaf</value></param>" CALL_END, -1, "INVALID_VALUE");
    assert_refused(CALL "<param><value>\xed\xa0\x80</value></param>" CALL_END, -1, "INVALID_VALUE");
    assert_refused(CALL "<param><value>\x01</value></param>" CALL_END, -1, "INVALID_VALUE");
    assert_refused("+ADw-methodCall+AD4-", -1, UNMARSHAL);
}

static void
test_truncated(void)
{
    static const char body[] =
        "<?xml version=\"1.0\"?><!-- c -->" CALL
        "<param><value><array><data><value><int>5</int></value></data></array></value></param>"
        "<param><value><struct><member><name>k</name><value>a&lt;<![CDATA[b]]></value></member>"
        "</struct></value></param>" CALL_END;

    for (size_t i = 0; i < sizeof body - 1; i++) {
        /* On the heap, so that a sanitizer sees a read beyond. */
        g_autofree char *part = g_memdup2(body, MAX(i, 1));
        assert_refused(part, (gssize)i, UNMARSHAL);
    }
    g_autofree char *text = parse_request(body, sizeof body - 1, NULL);
    g_assert_nonnull(text);
}

static char *
nested(unsigned depth)
{
    GString *body = g_string_new(CALL "<param>");

    for (unsigned i = 0; i < depth; i++)
        g_string_append(body, "<value><array><data>");
    for (unsigned i = 0; i < depth; i++)
        g_string_append(body, "</data></array></value>");
    g_string_append(body, "</param>" CALL_END);
    return g_string_free(body, FALSE);
}

static void
test_depth(void)
{
    g_autofree char *deep = nested(100000), *too_deep = nested(21), *fine = nested(20);
    g_autofree char *value = g_strnfill(100000 * 7, 'x');

    assert_refused(deep, -1, UNMARSHAL);
    assert_refused(too_deep, -1, UNMARSHAL);
    g_autofree char *text = parse_request(fine, -1, NULL);
    g_assert_nonnull(text);
    /* Only opening tags. */
    for (int i = 0; i < 100000; i++)
        memcpy(value + i * 7, "<value>", 7);
    assert_refused(value, -1, UNMARSHAL);
}

static void
test_sizes(void)
{
    g_autoptr(GString) body = g_string_new("<methodCall");
    gint64 start = g_get_monotonic_time();

    for (int i = 0; i < 1000000; i++)
        g_string_append_printf(body, " a%d=''", i);
    g_string_append(body, "><methodName>a</methodName></methodCall>");
    assert_refused(body->str, (gssize)body->len, UNMARSHAL);
    g_assert_cmpint(g_get_monotonic_time() - start, <, 20 * G_USEC_PER_SEC);

    /* A quoted '>' does not hide attributes from the limit. */
    g_string_assign(body, "<methodCall a='>'");
    for (int i = 0; i < 100000; i++)
        g_string_append_printf(body, " a%d=''", i);
    g_string_append(body, "><methodName>a</methodName></methodCall>");
    assert_refused(body->str, (gssize)body->len, UNMARSHAL);

    g_string_assign(body, CALL "<param><value><array><data>");
    for (int i = 0; i <= XMLRPC_MAX_VALUES; i++)
        g_string_append(body, "<value/>");
    g_string_append(body, "</data></array></value></param>" CALL_END);
    assert_refused(body->str, (gssize)body->len, UNMARSHAL);

    /* Long text, and ten thousand members of one name. */
    g_string_assign(body, CALL "<param><value>");
    for (int i = 0; i < 300000; i++)
        g_string_append(body, "long text ");
    g_string_append(body, "</value></param><param><value><struct>");
    for (int i = 0; i < 10000; i++)
        g_string_append_printf(body, "<member><name>k</name><value>%d</value></member>", i);
    g_string_append(body, "</struct></value></param>" CALL_END);
    struct rpc_request request;
    g_assert_true(xmlrpc_request_parse(body->str, body->len, &request, NULL));
    g_autoptr(GVariant) text = NULL, map = NULL;
    g_variant_get_child(request.params, 0, "v", &text);
    g_variant_get_child(request.params, 1, "v", &map);
    g_assert_cmpuint(strlen(g_variant_get_string(text, NULL)), ==, 3000000);
    g_autofree char *last = g_variant_print(map, FALSE);
    g_assert_cmpstr(last, ==, "{'k': <'9999'>}");
    rpc_request_clear(&request);
}

static void
test_decode(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) set = xmlrpc_value_decode(
        dm_type_find("set<ref<VM>>"),
        "<value><array><data><value>OpaqueRef:1</value></data></array></value>",
        strlen("<value><array><data><value>OpaqueRef:1</value></data></array></value>"), &error);
    g_assert_no_error(error);
    g_autofree char *text = g_variant_print(set, FALSE);
    g_assert_cmpstr(text, ==, "['OpaqueRef:1']");

    g_autoptr(GVariant) empty = xmlrpc_value_decode(dm_type_find("string"), "<value/>", 8, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(g_variant_get_string(empty, NULL), ==, "");

    g_assert_null(xmlrpc_value_decode(dm_type_find("int"), "<value>x</value>", 16, &error));
    g_assert_true(api_error_is(error, "INVALID_VALUE"));
    g_clear_error(&error);
    g_assert_null(xmlrpc_value_decode(dm_type_find("string"), "<value>x</value>y", 17, &error));
    g_assert_true(api_error_is(error, UNMARSHAL));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xmlrpc/values", test_values);
    g_test_add_func("/xmlrpc/event-batch", test_event_batch);
    g_test_add_func("/xmlrpc/replies", test_replies);
    g_test_add_func("/xmlrpc/record-pieces", test_record_pieces);
    g_test_add_func("/xmlrpc/input", test_input);
    g_test_add_func("/xmlrpc/malformed", test_malformed);
    g_test_add_func("/xmlrpc/doctype", test_doctype);
    g_test_add_func("/xmlrpc/bytes", test_bytes);
    g_test_add_func("/xmlrpc/truncated", test_truncated);
    g_test_add_func("/xmlrpc/depth", test_depth);
    g_test_add_func("/xmlrpc/sizes", test_sizes);
    g_test_add_func("/xmlrpc/decode", test_decode);
    return g_test_run();
}
