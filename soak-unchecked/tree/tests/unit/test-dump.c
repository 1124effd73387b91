/* The XML form of the database: a round trip over every class, and what is refused, by line. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "lib/error.h"
#include "lib/log.h"
#include "tests/unit/fake-store.h"
#include "tests/unit/random-rows.h"
#include "tests/unit/random-value.h"
#include "xapid/dump/dump.h"
#include "xapid/dump/value.h"
#include "xapid/model/roles.h"

static struct model *
model_with_roles(void)
{
    struct model *model = model_new();

    g_assert_true(roles_load(model, NULL) && model_load_done(model, 1, NULL));
    return model;
}

/* The whole dump, in pieces of about `enough` bytes. */
static char *
dump_text(const struct model *model, gsize enough)
{
    struct dump *dump = dump_new(model);
    GString *out = g_string_new(NULL);
    gsize before = 0;

    while (dump_next(dump, out, enough)) {
        g_assert_cmpuint(out->len - before, >=, enough);
        before = out->len;
    }
    dump_free(dump);
    return g_string_free(out, FALSE);
}

/* One pool and its host. */
static struct model *
small_model(void)
{
    struct model *model = model_with_roles();
    g_autofree char *host = row_create(model, "host", fields_of("name_label", "one", NULL));

    g_free(row_create(model, "pool", fields_of("master", host, NULL)));
    return model;
}

static bool
no_pool(const struct dm_class *cls)
{
    return dump_has_class(cls) && !g_str_equal(cls->name, "pool");
}

static void
test_round_trip(void)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(3);

    for (int i = 0; i < 20; i++) {
        struct model *model = small_model();
        random_rows(model, random, 4, no_pool);
        g_autofree char *text = dump_text(model, (gsize)g_rand_int_range(random, 1, 100000));
        g_autoptr(GError) error = NULL;
        guint64 generation = 0;
        struct model *again = dump_read(text, strlen(text), &generation, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(generation, ==, model_head(model));
        assert_same_rows(model, again);
        model_free(again);
        model_free(model);
    }
}

/* Every value of every field, to the last microsecond and bit. */
static void
test_values(void)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(5);

    for (unsigned i = 0; i < dm_n_fields; i++) {
        const struct dm_type *type = dm_fields[i].type;
        if (dm_fields[i].storage != DM_DURABLE)
            continue;
        for (int j = 0; j < 20; j++) {
            g_autoptr(GVariant) value = random_value(random, type);
            if (type->kind == DM_REF && !*g_variant_get_string(value, NULL))
                continue;
            if (type->kind == DM_DATETIME) {
                gint64 usec = g_variant_get_int64(value) + g_rand_int_range(random, 0, 1000000);
                g_variant_unref(value);
                value = g_variant_ref_sink(g_variant_new_int64(usec));
            }
            g_autoptr(GString) text = g_string_new(NULL);
            dump_value_append(text, type, value);
            g_autoptr(GVariant) again = dump_value(type, text->str);
            if (!again || !g_variant_equal(value, again))
                g_error("%s: %s", type->name, text->str);
        }
    }
}

static void
test_not_values(void)
{
    static const struct {
        const char *type, *text;
    } wrong[] = {
        {"int", ""},
        {"int", "1x"},
        {"int", "9223372036854775808"},
        {"bool", "True"},
        {"float", "1.0 "},
        {"float", " 1.0"},
        {"datetime", "yesterday"},
        {"ref<VM>", ""},
        {"set<string>", ""},
        {"set<string>", "("},
        {"set<string>", "()x"},
        {"set<string>", "('a'"},
        {"set<string>", "('a' )"},
        {"set<string>", "('a''b')"},
        {"set<string>", "('a\\n')"},
        {"set<string>", "('a\\"},
        {"set<string>", "(a)"},
        {"map<string,string>", "('a' 'b')"},
        {"map<string,string>", "(('a'))"},
        {"map<string,string>", "(('a' 'b' 'c'))"},
        {"map<string,string>", "(('a' 'b')('c' 'd'))"},
        {"enum<vm_power_state>", "Asleep"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        const struct dm_type *type = dm_type_find(wrong[i].type);
        g_assert_nonnull(type);
        g_test_message("%s %s", wrong[i].type, wrong[i].text);
        g_assert_null(dump_value(type, wrong[i].text));
    }
}

/* `text` must be refused with a sentence that holds `told`. */
static void
assert_refused(const char *text, const char *told)
{
    g_autoptr(GError) error = NULL;
    guint64 generation = 0;
    struct model *model = dump_read(text, strlen(text), &generation, &error);

    g_assert_null(model);
    g_assert_true(api_error_is(error, "INVALID_VALUE"));
    g_test_message("%s", error->message);
    g_assert_nonnull(strstr(error->message, told));
}

static char *
replaced(const char *text, const char *what, const char *with)
{
    g_autoptr(GString) out = g_string_new(text);

    g_assert_cmpuint(g_string_replace(out, what, with, 1), ==, 1);
    return g_string_free(g_steal_pointer(&out), FALSE);
}

static void
test_refused(void)
{
    static const struct {
        const char *what, *with, *told;
    } changes[] = {
        {"<row", "<row surprise=\"1\"", "surprise: not a field"},
        {"<row", "<row allowed_operations=\"()\"", "allowed_operations: not a field"},
        {" name_label=\"one\"", " name_label=\"one\" name_label=\"two\"", "malformed"},
        {"name=\"host\"", "name=\"Spaceship\"", "line 13: table Spaceship"},
        {"name=\"host\"", "name=\"session\"", "line 13: table session"},
        {"name=\"host\"", "name=\"pool\"", "table pool: a second one"},
        {"<row", "<rows", "not a <row>"},
        {"<database>", "<data>", "not a <database>"},
        {"product\" value=\"xapid", "product\" value=\"xapi", "not a dump of xapid"},
        {"dump_version\" value=\"1", "dump_version\" value=\"2", "dump_version is 2"},
        {"schema_minor_vsn", "schema_minor", "schema_minor_vsn is missing"},
        {"</manifest>", "</manifest><manifest></manifest>", "not a <table>"},
        {"</manifest>", "</manifest>and more", "text behind"},
        {"enabled=\"false\"", "enabled=\"perhaps\"", "enabled: \"perhaps\" is no bool"},
        {"master=\"OpaqueRef:", "master=\"OpaqueRef:x", "is not a host"},
        {"master=\"OpaqueRef:", "master=\"OpaqueRef:x", "line 11: pool OpaqueRef:"},
        {"<?xml version=\"1.0\" encoding=\"UTF-8\"?>", "<!DOCTYPE a [<!ENTITY b \"c\">]>",
         "line 1: no dump has"},
        {"<manifest>", "<manifest><!-- -->", "line 3: no dump has"},
        {"<manifest>", "<manifest><?php ?>", "line 3: no dump has"},
        {"\"one\"", "\"&b;\"", "malformed"},
        {"\"one\"", "\"o\1e\"", "line 14: not UTF-8"},
        {"</database>", "</database><database/>", "malformed"},
        {"</database>", "", "malformed"},
        {"uuid=\"", "uuid=\"\" nothing=\"", "not a field"},
    };
    struct model *model = small_model();
    g_autofree char *good = dump_text(model, 65536);

    for (size_t i = 0; i < G_N_ELEMENTS(changes); i++) {
        g_test_message("%s -> %s", changes[i].what, changes[i].with);
        g_autofree char *bad = replaced(good, changes[i].what, changes[i].with);
        assert_refused(bad, changes[i].told);
    }
    model_free(model);
    assert_refused("", "malformed");
    assert_refused("<database><manifest/></database>", "not a dump of xapid");
}

/* However much of a dump is there: all of it or nothing. */
static void
test_truncated(void)
{
    struct model *model = small_model();
    g_autofree char *good = dump_text(model, 65536);
    gsize length = strlen(good);

    for (gsize i = 0; i + 1 < length; i++) {
        guint64 generation;
        g_autoptr(GError) error = NULL;
        g_assert_null(dump_read(good, i, &generation, &error));
        g_assert_nonnull(error);
    }
    model_free(model);
}

static void
test_objects(void)
{
    struct model *model = small_model();
    g_autofree char *a = row_create(model, "VM", fields_of("name_label", "a", NULL));
    g_autofree char *b = row_create(model, "VM", fields_of("snapshot_of", a, NULL));
    g_autofree char *text = dump_text(model, 65536);
    g_autofree char *nowhere = g_strdup_printf("snapshot_of=\"%s\"", a);
    g_autofree char *itself = g_strdup_printf("snapshot_of=\"%s\"", b);
    g_autofree char *cycle = replaced(text, nowhere, itself);
    g_autofree char *told = g_strdup_printf("VM %s: snapshot_of: a cycle", b);
    g_autofree char *ref_a = g_strdup_printf("ref=\"%s\"", a);
    g_autofree char *ref_b = g_strdup_printf("ref=\"%s\"", b);
    g_autofree char *twice = replaced(text, ref_a, ref_b);

    assert_refused(cycle, told);
    assert_refused(twice, b);
    g_autofree char *uuid = model_get_string(model, a, "uuid");
    g_autofree char *with_uuid = g_strdup_printf("uuid=\"%s\"", uuid);
    g_autofree char *no_uuid = replaced(text, with_uuid, "uuid=\"\"");
    assert_refused(no_uuid, "uuid: empty");
    model_free(model);
}

int
main(int argc, char **argv)
{
    log_init("test-dump", LOG_LEVEL_INFO);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/dump/round-trip", test_round_trip);
    g_test_add_func("/dump/values", test_values);
    g_test_add_func("/dump/not-values", test_not_values);
    g_test_add_func("/dump/refused", test_refused);
    g_test_add_func("/dump/truncated", test_truncated);
    g_test_add_func("/dump/objects", test_objects);
    return g_test_run();
}
