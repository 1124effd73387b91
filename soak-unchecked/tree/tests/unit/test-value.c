/* Untyped values into typed ones, and every type of the model through both codecs and back. */
#include "config.h"

#include <string.h>

#include "lib/error.h"
#include "lib/wire/jsonrpc.h"
#include "lib/wire/value.h"
#include "lib/wire/xmlrpc.h"
#include "tests/unit/random-value.h"

#define ROUNDS 30

static void
assert_same(const struct dm_type *type, const char *codec, GVariant *expected, GVariant *actual,
            const GError *error, const char *text)
{
    if (actual && g_variant_equal(expected, actual))
        return;
    g_autofree char *wanted = g_variant_print(expected, TRUE);
    g_autofree char *got = actual ? g_variant_print(actual, TRUE) : g_strdup(error->message);
    g_error("%s through %s:\n%s\nbecame\n%s\nby\n%s", type->name, codec, wanted, got, text);
}

static void
test_round_trips(void)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(20261122);

    for (unsigned i = 0; i < dm_n_types; i++) {
        const struct dm_type *type = &dm_types[i];
        for (int n = 0; n < ROUNDS; n++) {
            g_autoptr(GVariant) value = random_value(random, type);
            g_autoptr(GString) xml = g_string_new(NULL), json = g_string_new(NULL);
            g_autoptr(GError) error = NULL;

            xmlrpc_value_encode(xml, type, value);
            g_autoptr(GVariant) from_xml = xmlrpc_value_decode(type, xml->str, xml->len, &error);
            assert_same(type, "XML", value, from_xml, error, xml->str);

            json_value_encode(json, type, value);
            g_autoptr(GVariant) untyped = json_parse(json->str, json->len, &error);
            g_assert_no_error(error);
            g_autoptr(GVariant) from_json = rpc_value_convert(type, untyped, "value", &error);
            assert_same(type, "JSON", value, from_json, error, json->str);
            g_assert_true(dm_type_check(type, from_json));
        }
    }
}

/* A request with every parameter list of the model, both ways. */
static void
test_requests(void)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(7);

    for (unsigned i = 0; i < dm_n_messages; i++) {
        const struct dm_message *m = &dm_messages[i];
        const struct dm_type *types[64];
        g_autoptr(GPtrArray) params =
            g_ptr_array_new_with_free_func((GDestroyNotify)g_variant_unref);
        g_autoptr(GString) body = g_string_new(NULL);
        g_autoptr(GError) error = NULL;
        struct rpc_request request;
        bool json = i % 2;

        g_assert_cmpuint(m->n_params, <, G_N_ELEMENTS(types));
        for (unsigned j = 0; j < m->n_params; j++) {
            types[j] = m->params[j].type;
            g_ptr_array_add(params, random_value(random, types[j]));
        }
        if (json)
            jsonrpc_request_encode(body, i, m->full_name, types, (GVariant *const *)params->pdata,
                                   m->n_params);
        else
            xmlrpc_request_encode(body, m->full_name, types, (GVariant *const *)params->pdata,
                                  m->n_params);
        bool ok = json ? jsonrpc_request_parse(body->str, body->len, &request, &error)
                       : xmlrpc_request_parse(body->str, body->len, &request, &error);
        g_assert_no_error(error);
        g_assert_true(ok);
        g_assert_cmpstr(request.method, ==, m->full_name);
        g_assert_cmpint(request.dialect, ==, json ? RPC_JSON2 : RPC_XML);
        g_assert_cmpuint(g_variant_n_children(request.params), ==, m->n_params);
        for (unsigned j = 0; j < m->n_params; j++) {
            g_autoptr(GVariant) untyped = NULL;
            g_variant_get_child(request.params, j, "v", &untyped);
            g_autoptr(GVariant) value =
                rpc_value_convert(types[j], untyped, m->params[j].name, &error);
            assert_same(types[j], m->full_name, params->pdata[j], value, error, body->str);
        }
        rpc_request_clear(&request);
    }
}

/* `type` from the untyped value that GVariant text describes; expected NULL: INVALID_VALUE. */
static void
assert_converts(const char *type, const char *untyped_text, const char *expected)
{
    g_autoptr(GVariant) untyped = g_variant_ref_sink(g_variant_new_parsed(untyped_text));
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) value = rpc_value_convert(dm_type_find(type), untyped, "what", &error);

    if (!expected) {
        g_assert_null(value);
        g_assert_cmpstr(api_error_code(error), ==, "INVALID_VALUE");
        return;
    }
    g_assert_no_error(error);
    g_autofree char *text = g_variant_print(value, FALSE);
    g_assert_cmpstr(text, ==, expected);
}

static void
test_lenient(void)
{
    assert_converts("int", "'9223372036854775807'", "9223372036854775807");
    assert_converts("int", "'-1'", "-1");
    assert_converts("int", "int64 5", "5");
    assert_converts("int", "4.0", "4");
    assert_converts("int", "4.5", NULL);
    assert_converts("int", "1e300", NULL);
    assert_converts("int", "'9223372036854775808'", NULL);
    assert_converts("int", "'4 '", NULL);
    assert_converts("int", "''", NULL);
    assert_converts("int", "true", NULL);
    assert_converts("float", "'30.5'", "30.5");
    assert_converts("float", "int64 30", "30.0");
    assert_converts("float", "'x'", NULL);
    assert_converts("bool", "true", "true");
    assert_converts("bool", "'true'", NULL);
    assert_converts("bool", "int64 1", NULL);
    assert_converts("string", "int64 1", NULL);
    assert_converts("string", "'a\001'", NULL);
    assert_converts("string", "()", NULL);
    assert_converts("void", "()", "()");
    assert_converts("void", "''", "()");
    assert_converts("ref<VM>", "''", "'OpaqueRef:NULL'");
    assert_converts("ref<VM>", "'OpaqueRef:1'", "'OpaqueRef:1'");
    assert_converts("enum<vm_power_state>", "'Running'", "'Running'");
    assert_converts("enum<vm_power_state>", "'running'", "'Running'");
    assert_converts("enum<vm_power_state>", "'runing'", NULL);
    assert_converts("datetime", "'20261122T23:36:28Z'", "1795390588000000");
    assert_converts("datetime", "'yesterday'", NULL);
    assert_converts("set<string>", "[<'a'>, <'b'>]", "['a', 'b']");
    assert_converts("set<string>", "@av []", "[]");
    assert_converts("set<string>", "[<'a'>, <int64 1>]", NULL);
    assert_converts("set<string>", "'a'", NULL);
    assert_converts("map<string,string>", "{'a': <'1'>}", "{'a': '1'}");
    assert_converts("map<string,string>", "@av []", NULL);
    assert_converts("map<int,int>", "{'1': <'2'>, '01': <'3'>}", "{1: 2}");
    assert_converts("map<int,int>", "{'x': <'2'>}", NULL);
}

static GVariant *
convert_record(const char *type, const char *json, GError **error)
{
    g_autoptr(GVariant) untyped = json_parse(json, strlen(json), error);

    g_assert_nonnull(untyped);
    return rpc_value_convert(dm_type_find(type), untyped, "args", error);
}

static void
assert_member(GVariant *record, const char *name, const char *expected)
{
    g_autoptr(GVariant) member = g_variant_lookup_value(record, name, NULL);
    g_autofree char *text = member ? g_variant_print(member, FALSE) : NULL;

    g_assert_cmpstr(text, ==, expected);
}

static void
test_record(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) record = convert_record(
        "record<VDI>",
        "{\"SR\":\"OpaqueRef:1\",\"virtual_size\":\"1073741824\",\"type\":\"user\",\"sharable\":"
        "null,"
        "\"read_only\":false,\"other_config\":{},\"no_such_field\":[1],\"metadata_of_pool\":\"\","
        "\"snapshot_time\":\"0001-01-01T00:00:00Z\",\"on_boot\":\"\","
        "\"allowed_operations\":\"nonsense\",\"uuid\":5}",
        &error);

    g_assert_no_error(error);
    assert_member(record, "virtual_size", "1073741824");
    assert_member(record, "metadata_of_pool", "'OpaqueRef:NULL'");
    assert_member(record, "name_label", NULL); /* not given: whoever makes the row knows */
    assert_member(record, "on_boot", NULL);
    assert_member(record, "snapshot_time", "-62135596800000000");
    assert_member(record, "no_such_field", NULL);
    assert_member(record, "sharable", NULL);           /* null */
    assert_member(record, "allowed_operations", NULL); /* read-only and unreadable: as missing */
    assert_member(record, "uuid", NULL);

    /* A constructor sees what is missing. */
    g_autoptr(GVariant) few = convert_record("record<VDI>", "{}", &error);
    g_assert_no_error(error);
    assert_member(few, "SR", NULL);
    g_assert_true(dm_field_find(dm_class_find("VDI", false), "SR")->required);

    g_autoptr(GVariant) bad = convert_record("record<VDI>", "{\"virtual_size\":\"big\"}", &error);
    g_assert_null(bad);
    g_autoptr(GVariant) description = g_variant_ref_sink(api_error_to_variant(error));
    g_autofree char *text = g_variant_print(description, FALSE);
    g_assert_cmpstr(text, ==, "['INVALID_VALUE', 'virtual_size', 'big']");

    /* Internal fields are not on the wire, in neither direction. */
    g_autoptr(GVariant) console = convert_record(
        "record<console>", "{\"port\":\"5900\",\"other_config\":{}}", &(GError *){NULL});
    assert_member(console, "port", NULL);
}

static void
test_long_error(void)
{
    g_autofree char *text = g_strnfill(100000, 'x');
    g_autoptr(GVariant) untyped = g_variant_ref_sink(g_variant_new_string(text));
    g_autoptr(GError) error = NULL;

    g_assert_null(rpc_value_convert(dm_type_find("int"), untyped, "what", &error));
    g_assert_cmpuint(strlen(api_error_params(error)[1]), <=, 200);
}

static void
assert_date(const char *text, const char *expected)
{
    gint64 usec = -1;

    g_assert_true(datetime_parse(text, &usec));
    g_autofree char *back = datetime_format(usec);
    g_assert_cmpstr(back, ==, expected);
}

static void
test_dates(void)
{
    static const char *const wrong[] = {
        "",
        "2026",
        "20261122",
        "20261122T23:36",
        "20261322T23:36:28Z",
        "20260230T00:00:00Z",
        "20261122T24:00:00Z",
        "20261122T23:60:00Z",
        "20261122T23:36:28Zz",
        "20261122T23:36:28+1",
        "20261122T23:36:28.",
        "2026-1122T23:36:28Z",
        "20261122T23:36:28+24:00",
        "-0261122T23:36:28Z",
        "20261122X23:36:28Z",
        "19000229T00:00:00Z",
    };

    assert_date("20261122T23:36:28Z", "20261122T23:36:28Z");
    assert_date("20261122T23:36:28", "20261122T23:36:28Z");
    assert_date("2026-11-22T23:36:28Z", "20261122T23:36:28Z");
    assert_date("2026-11-22T23:36:28.999999999Z", "20261122T23:36:28Z");
    assert_date("20261122T23:36:28+02:00", "20261122T21:36:28Z");
    assert_date("20261122T23:36:28-0130", "20261123T01:06:28Z");
    assert_date("20261231T23:59:60Z", "20270101T00:00:00Z");
    assert_date("19700101T00:00:00Z", "19700101T00:00:00Z");
    assert_date("19691231T23:59:59.5Z", "19691231T23:59:59Z");
    assert_date("20000229T12:00:00Z", "20000229T12:00:00Z");
    assert_date("0001-01-01T00:00:00Z", "00010101T00:00:00Z");
    assert_date("99991231T23:59:59Z", "99991231T23:59:59Z");
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        gint64 usec = 42;
        g_assert_false(datetime_parse(wrong[i], &usec));
        g_assert_cmpint(usec, ==, 42);
    }
    g_autofree char *far = datetime_format(G_MAXINT64), *past = datetime_format(G_MININT64);
    g_assert_cmpstr(far, ==, "99991231T23:59:59Z");
    g_assert_cmpstr(past, ==, "00000101T00:00:00Z");
    g_autofree char *zero = datetime_format(0), *before = datetime_format(-1);
    g_assert_cmpstr(zero, ==, "19700101T00:00:00Z");
    g_assert_cmpstr(before, ==, "19691231T23:59:59Z");
}

static void
test_clear(void)
{
    struct rpc_request request;
    const char *body = "{\"jsonrpc\":\"2.0\",\"method\":\"a\",\"id\":1}";

    g_assert_true(jsonrpc_request_parse(body, strlen(body), &request, NULL));
    rpc_request_clear(&request);
    rpc_request_clear(&request);
    g_assert_null(request.method);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/value/round-trips", test_round_trips);
    g_test_add_func("/value/requests", test_requests);
    g_test_add_func("/value/lenient", test_lenient);
    g_test_add_func("/value/record", test_record);
    g_test_add_func("/value/long-error", test_long_error);
    g_test_add_func("/value/dates", test_dates);
    g_test_add_func("/value/clear", test_clear);
    return g_test_run();
}
