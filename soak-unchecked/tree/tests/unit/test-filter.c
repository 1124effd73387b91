/* The filter language: what it means, what it refuses, and that hostile texts end. */
#include "config.h"

#include <string.h>

#include "lib/error.h"
#include "tests/unit/fake-store.h"
#include "xapid/model/filter.h"

struct bed {
    struct model *model;
    char *vm, *host;
};

static void
bed_setup(struct bed *bed, const void *data)
{
    (void)data;
    bed->model = model_new();
    bed->host = row_create(bed->model, "host", NULL);
    bed->vm = row_create(
        bed->model, "VM",
        fields_of("name_label", "it's", "power_state", "Running", "resident_on", bed->host, NULL));
    row_set(bed->model, bed->vm, "memory_static_max", g_variant_new_int64(-42));
    row_set(bed->model, bed->vm, "is_a_template", g_variant_new_boolean(TRUE));
    row_set(bed->model, bed->vm, "tags", g_variant_new_parsed("['a', \"b'\\\\\"]"));
    row_set(bed->model, bed->vm, "other_config", g_variant_new_parsed("{'k': 'v', 'l': ''}"));
    row_set(bed->model, bed->vm, "snapshot_time", g_variant_new_int64(1706702400999999));
}

static void
bed_teardown(struct bed *bed, const void *data)
{
    (void)data;
    model_free(bed->model);
    g_free(bed->vm);
    g_free(bed->host);
}

static void
assert_matches(const struct bed *bed, const char *text, bool expected)
{
    g_autoptr(GError) error = NULL;
    struct filter *filter = filter_parse(cls("VM"), text, &error);

    g_test_message("%s", text);
    g_assert_no_error(error);
    g_assert_cmpint(filter_matches(filter, bed->model, bed->vm), ==, expected);
    g_assert_false(filter_matches(filter, bed->model, bed->host));
    filter_free(filter);
}

static void
test_logic(struct bed *bed, const void *data)
{
    static const struct {
        const char *text;
        bool expected;
    } cases[] = {
        {"true", true},
        {" ( false\t)\n", false},
        {"\"a\" = \"a\"", true},
        {"\"a\"=\"A\"", false},
        {"\"\" = \"\"", true},
        {"true and false or true", true},  /* (true and false) or true */
        {"true or true and false", false}, /* (true or true) and false: one level */
        {"not true or true", false},       /* not (true or true) */
        {"(not true) or true", true},
        {"true and not false and false", true}, /* true and not (false and false) */
        {"not not true", true},
        {"nottrue", false},
        {"not(false)and(true)", true}, /* not (false and true) */
        {"not(true)or(false)", false},
    };

    (void)data;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        assert_matches(bed, cases[i].text, cases[i].expected);
}

static void
test_values(struct bed *bed, const void *data)
{
    g_autofree char *by_ref = g_strdup_printf("field \"resident_on\" = \"%s\"", bed->host);
    g_autofree char *vms = g_strdup_printf("\"('%s')\" = field \"resident_VMs\"", bed->vm);
    static const char *const same[] = {
        "field \"name_label\" = \"it's\"",
        "field \"name__label\" = \"it's\"",
        "\"it's\" = field \"name_label\"",
        "field \"power_state\" = \"Running\"",
        "field \"memory_static_max\" = \"-42\"",
        "field \"is_a_template\" = \"true\"",
        "field \"is_a_snapshot\" = \"false\"",
        "field \"tags\" = \"('a' 'b\\'\\\\')\"",
        "field \"other_config\" = \"(('k' 'v') ('l' ''))\"",
        "field \"snapshot_time\" = \"20240131T12:00:00Z\"",
        "field \"hardware_platform_version\" = \"0\"",
        "field \"VBDs\" = \"()\"",
        "field \"name_label\" = field \"name_label\"",
        "field \"snapshot_of\" = \"OpaqueRef:NULL\"",
    };

    (void)data;
    for (size_t i = 0; i < G_N_ELEMENTS(same); i++)
        assert_matches(bed, same[i], true);
    assert_matches(bed, by_ref, true);
    assert_matches(bed, "field \"name_label\" = field \"uuid\"", false);
    struct filter *filter = filter_parse(cls("host"), vms, NULL);
    g_assert_true(filter_matches(filter, bed->model, bed->host));
    filter_free(filter);

    g_autofree char *metrics = row_create(bed->model, "host_cpu", NULL);
    row_set(bed->model, metrics, "utilisation", g_variant_new_double(0.25));
    filter = filter_parse(cls("host_cpu"), "field \"utilisation\" = \"0.25\"", NULL);
    g_assert_true(filter_matches(filter, bed->model, metrics));
    filter_free(filter);
    row_set(bed->model, metrics, "utilisation", g_variant_new_double(3));
    filter = filter_parse(cls("host_cpu"), "field \"utilisation\" = \"3.\"", NULL);
    g_assert_true(filter_matches(filter, bed->model, metrics));
    filter_free(filter);
}

static void
assert_refused(const char *text)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(filter_parse(cls("VM"), text, &error));
    g_assert_cmpstr(api_error_code(error), ==, "INVALID_VALUE");
    g_assert_cmpstr(api_error_params(error)[0], ==, "expr");
}

static void
test_refused(struct bed *bed, const void *data)
{
    static const char *const bad[] = {
        "",
        "   ",
        "tru",
        "True",
        "true true",
        "true and",
        "and true",
        "not",
        "(true",
        "true)",
        "()",
        "field \"name_label\"",
        "field \"name_label\" =",
        "field = \"x\"",
        "field \"no_such_field\" = \"x\"",
        "field \"\" = \"x\"",
        "field \"____\" = \"x\"",
        "\"a\" = \"a",
        "\"a\" == \"a\"",
        "\"a\"",
        "name_label = \"x\"",
        "\"a\" = \"a\";",
        "true && true",
    };

    (void)data;
    (void)bed;
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
        assert_refused(bad[i]);
    /* A field that no call shows is not to be found out by filters. */
    for (unsigned i = 0; i < cls("VM")->n_fields; i++) {
        const struct dm_field *field = &cls("VM")->fields[i];
        g_autofree char *text = g_strdup_printf("field \"%s\" = \"\"", field->name);
        if (field->internal_only)
            assert_refused(text);
    }
}

static char *
repeat(const char *before, guint n, const char *middle, const char *after)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < n; i++)
        g_string_append(text, before);
    g_string_append(text, middle);
    for (guint i = 0; i < n; i++)
        g_string_append(text, after);
    return g_string_free(text, FALSE);
}

static void
test_limits(struct bed *bed, const void *data)
{
    g_autofree char *deep = repeat("(", FILTER_MAX_DEPTH, "true", ")");
    g_autofree char *deeper = repeat("(", FILTER_MAX_DEPTH + 1, "true", ")");
    g_autofree char *nots = repeat("not ", FILTER_MAX_DEPTH + 1, "true", "");
    g_autofree char *wide = repeat("true and ", FILTER_MAX_LENGTH / 9 - 1, "false", "");
    g_autofree char *longer = repeat("true and ", FILTER_MAX_LENGTH / 9 + 1, "false", "");

    (void)data;
    assert_matches(bed, deep, true);
    assert_refused(deeper);
    assert_refused(nots);
    assert_matches(bed, wide, false);
    assert_refused(longer);
}

#define add(name, function)                                                                        \
    g_test_add("/filter/" name, struct bed, NULL, bed_setup, function, bed_teardown)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("logic", test_logic);
    add("values", test_values);
    add("refused", test_refused);
    add("limits", test_limits);
    return g_test_run();
}
