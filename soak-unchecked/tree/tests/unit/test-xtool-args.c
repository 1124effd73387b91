/* xtool's command line: the grammar, defaults, maps, secrets, fingerprints. */
#include "config.h"

#include <glib.h>
#include <string.h>

#include "xtool/args.h"
#include "xtool/trust.h"

static struct args *
parse(const char *line)
{
    g_auto(GStrv) words = g_strsplit(line, "|", -1);
    g_autoptr(GError) error = NULL;
    struct args *args = args_parse((const char *const *)words, &error);

    g_assert_no_error(error);
    return args;
}

static void
refuse(const char *line)
{
    g_auto(GStrv) words = g_strsplit(line, "|", -1);
    g_autoptr(GError) error = NULL;

    g_assert_null(args_parse((const char *const *)words, &error));
    g_assert_error(error, USAGE_ERROR, 0);
}

static void
test_grammar(void)
{
    g_autoptr(args_owned) args =
        parse("-s|host|vm-start|vm=a=b|--force|-u|me|-pw|x y|-p|444|on=|--trust=false|bare");
    bool flag;

    g_assert_cmpstr(args->command, ==, "vm-start");
    g_assert_cmpstr(args_get(args, "server"), ==, "host");
    g_assert_cmpstr(args_get(args, "vm"), ==, "a=b");
    g_assert_cmpstr(args_get(args, "force"), ==, "true");
    g_assert_cmpstr(args_get(args, "username"), ==, "me");
    g_assert_cmpstr(args_get(args, "password"), ==, "x y");
    g_assert_cmpstr(args_get(args, "port"), ==, "444");
    g_assert_cmpstr(args_get(args, "on"), ==, "");
    g_assert_null(args_get(args, "missing"));
    g_assert_true(args_flag(args, "force", &flag, NULL) && flag);
    g_assert_true(args_flag(args, "trust", &flag, NULL) && !flag);
    g_assert_cmpuint(args->words->len, ==, 1);
}

static void
test_what_it_refuses(void)
{
    refuse("vm-list|-x");
    refuse("vm-list|-s");
    refuse("vm-list|=x");
    refuse("vm-list|--=x");
    refuse("vm-list|name-label=\xff");
    g_autoptr(GString) many = g_string_new("vm-list");
    for (int i = 0; i < ARGS_MAX; i++)
        g_string_append(many, "|a=b");
    refuse(many->str);
}

static void
test_a_flag_is_a_boolean(void)
{
    static const char *const yes[] = {"true", "T", "1", "Yes", "y"};
    static const char *const no[] = {"false", "F", "0", "No", "n"};
    g_autoptr(args_owned) args = parse("x|force=maybe");
    bool flag;

    for (size_t i = 0; i < G_N_ELEMENTS(yes); i++) {
        g_assert_true(text_to_bool(yes[i], &flag) && flag);
        g_assert_true(text_to_bool(no[i], &flag) && !flag);
    }
    g_autoptr(GError) error = NULL;
    g_assert_false(args_flag(args, "force", &flag, &error));
    g_assert_error(error, USAGE_ERROR, 0);
}

static void
test_defaults_give_way(void)
{
    g_autoptr(args_owned) args = parse("vm-list|server=given");
    g_autoptr(GError) error = NULL;

    g_assert_true(args_add_extra(args, "server=extra,username=a\\,b\\\\c,--nossl", &error));
    args_add_lines(args, "# a comment\nusername=file\n\n  port = 8 \nnonsense\n");
    g_assert_cmpstr(args_get(args, "server"), ==, "given");
    g_assert_cmpstr(args_get(args, "username"), ==, "a,b\\c");
    g_assert_cmpstr(args_get(args, "nossl"), ==, "true");
    g_assert_cmpstr(args_get(args, "port"), ==, "8");
    g_assert_false(args_add_extra(args, "-x", &error));
    g_assert_error(error, USAGE_ERROR, 0);
}

static void
test_maps(void)
{
    g_autoptr(args_owned) args = parse("x|other-config:a=1|other-config:b:c=2|other-configs:d=3");
    g_autoptr(GVariant) map = g_variant_ref_sink(args_map(args, "other-config"));
    const char *value;

    g_assert_cmpuint(g_variant_n_children(map), ==, 2);
    g_assert_true(g_variant_lookup(map, "a", "&s", &value));
    g_assert_cmpstr(value, ==, "1");
    g_assert_true(g_variant_lookup(map, "b:c", "&s", &value));
    g_assert_cmpstr(value, ==, "2");
}

static void
test_secrets_leave_argv(void)
{
    char *argv[] = {g_strdup("xtool"),      g_strdup("-pw"),       g_strdup("secret"),
                    g_strdup("vm-list"),    g_strdup("new=more"),  g_strdup("password=pass"),
                    g_strdup("name=Alice"), g_strdup("value=val"), NULL};

    args_scrub(8, argv);
    g_assert_cmpstr(argv[2], ==, "xxxxxx");
    g_assert_cmpstr(argv[4], ==, "new=xxxx");
    g_assert_cmpstr(argv[5], ==, "password=xxxx");
    g_assert_cmpstr(argv[6], ==, "name=Alice");
    g_assert_cmpstr(argv[7], ==, "value=xxx");
    for (int i = 0; argv[i]; i++)
        g_free(argv[i]);
}

static void
test_fingerprints(void)
{
    g_autofree char *plain = g_strnfill(64, 'a');
    g_autofree char *parsed = fingerprint_parse(plain);
    g_autofree char *short_one = g_strnfill(63, 'a');
    g_autofree char *long_one = g_strnfill(65, 'a');
    g_autoptr(GString) colons = g_string_new("SHA256:");

    g_assert_cmpstr(parsed, ==, plain);
    for (int i = 0; i < 32; i++)
        g_string_append(colons, i ? ":AA" : "AA");
    g_autofree char *from_colons = fingerprint_parse(colons->str);
    g_assert_cmpstr(from_colons, ==, plain);
    g_assert_null(fingerprint_parse(short_one));
    g_assert_null(fingerprint_parse(long_one));
    g_assert_null(fingerprint_parse("zz"));
    g_assert_null(fingerprint_parse(""));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xtool-args/grammar", test_grammar);
    g_test_add_func("/xtool-args/what-it-refuses", test_what_it_refuses);
    g_test_add_func("/xtool-args/a-flag-is-a-boolean", test_a_flag_is_a_boolean);
    g_test_add_func("/xtool-args/defaults-give-way", test_defaults_give_way);
    g_test_add_func("/xtool-args/maps", test_maps);
    g_test_add_func("/xtool-args/secrets-leave-argv", test_secrets_leave_argv);
    g_test_add_func("/xtool-args/fingerprints", test_fingerprints);
    return g_test_run();
}
