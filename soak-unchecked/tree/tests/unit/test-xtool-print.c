/* What xtool prints: xe's block to the byte, tables, --minimal, and nothing a terminal obeys. */
#include "config.h"

#include <glib.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xtool/args.h"
#include "xtool/print.h"
#include "xtool/progress.h"
#include "xtool/value.h"

/* A stream in memory and what was written to it. */
struct capture {
    FILE *out;
    char *text;
    size_t length;
};

static FILE *
capture_begin(struct capture *capture)
{
    *capture = (struct capture){NULL, NULL, 0};
    return capture->out = open_memstream(&capture->text, &capture->length);
}

static void
capture_expect(struct capture *capture, const char *expected)
{
    fclose(capture->out);
    g_assert_cmpstr(capture->text, ==, expected);
    free(capture->text);
}

static void
test_block(void)
{
    const char *const names[] = {"uuid ( RO)", "name-label ( RW)", "power-state ( RO)"};
    const char *const values[] = {"1-2", "", "halted"};
    struct capture capture;

    print_block(capture_begin(&capture), names, values, 3);
    capture_expect(&capture, "uuid ( RO)           : 1-2\n"
                             "     name-label ( RW): \n"
                             "    power-state ( RO): halted\n\n\n");
}

static void
test_table(void)
{
    const char *const titles[] = {"uuid", "name"};
    const char *const cells[] = {"1", "a\nb", "234567",
                                 "\xc2\x9b"
                                 "31m\xe2\x80\xae"};
    struct capture capture;

    print_table(capture_begin(&capture), titles, 2, cells, 2);
    capture_expect(&capture, "uuid    name\n"
                             "1       a\\nb\n"
                             "234567  \\x9b31m\\u202e\n");
    print_table(capture_begin(&capture), titles, 2, cells, 0);
    capture_expect(&capture, "uuid  name\n");
}

static void
test_wide_letters_align(void)
{
    const char *const titles[] = {"n", "x"};
    const char *const cells[] = {"\xe6\x97\xa5\xe6\x9c\xac", "1", "abcd", "2"};
    struct capture capture;

    print_table(capture_begin(&capture), titles, 2, cells, 2);
    capture_expect(&capture, "n     x\n\xe6\x97\xa5\xe6\x9c\xac  1\nabcd  2\n");
}

static void
test_minimal(void)
{
    const char *const values[] = {"a,b", "c\\d", ""};
    struct capture capture;

    print_minimal(capture_begin(&capture), values, 3);
    capture_expect(&capture, "a\\,b,c\\\\d,\n");
    print_minimal(capture_begin(&capture), values, 0);
    capture_expect(&capture, "\n");
}

static void
test_printable(void)
{
    g_autofree char *text = text_printable("a\033[2J\tb\x7f\r\n\xc3\xa9");

    g_assert_cmpstr(text, ==, "a\\x1b[2J\\tb\\x7f\\x0d\\n\xc3\xa9");
}

static void
show(const char *type, const char *gvariant, const char *expected)
{
    const struct dm_type *of = dm_type_find(type);
    g_autoptr(GVariant) value =
        g_variant_parse(G_VARIANT_TYPE(of->gvariant), gvariant, NULL, NULL, NULL);
    g_autofree char *text = value_text(of, value);

    g_assert_cmpstr(text, ==, expected);
}

static void
test_values_as_text(void)
{
    show("bool", "true", "true");
    show("int", "-5", "-5");
    show("float", "0.5", "0.500");
    show("datetime", "0", "19700101T00:00:00Z");
    show("enum<vm_power_state>", "'Running'", "running");
    show("enum<on_crash_behaviour>", "'coredump_and_restart'", "Core dump and restart");
    show("ref<VM>", "'OpaqueRef:NULL'", NOT_IN_DATABASE);
    show("set<string>", "['a', 'b']", "a; b");
    show("set<string>", "@as []", "");
    show("map<string,string>", "{'k': 'v', 'l': ''}", "k: v; l: ");
}

static void
read_back(const char *type, const char *text, const char *gvariant)
{
    const struct dm_type *of = dm_type_find(type);
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) value = value_parse(of, text, "it", &error);

    if (!gvariant) {
        g_assert_null(value);
        g_assert_error(error, USAGE_ERROR, 0);
        return;
    }
    g_assert_no_error(error);
    g_autofree char *got = g_variant_print(value, false);
    g_assert_cmpstr(got, ==, gvariant);
}

static void
test_text_as_values(void)
{
    read_back("int", "128MiB", "134217728");
    read_back("int", "-1", "-1");
    read_back("int", "1kib", "1024");
    read_back("int", "9999999TiB", NULL);
    read_back("int", "99999999999999999999", NULL);
    read_back("int", "1x", NULL);
    read_back("int", "", NULL);
    read_back("bool", "yes", "true");
    read_back("bool", "perhaps", NULL);
    read_back("float", "1.5", "1.5");
    read_back("float", "1.5x", NULL);
    read_back("enum<vm_power_state>", "halted", "'Halted'");
    read_back("enum<on_crash_behaviour>", "Core dump and restart", "'coredump_and_restart'");
    read_back("enum<vm_power_state>", "asleep", NULL);
    read_back("datetime", "19700101T00:00:01Z", "1000000");
    read_back("datetime", "tomorrow", NULL);
    read_back("set<string>", "a,b", "['a', 'b']");
    read_back("set<string>", "", "[]");
    read_back("map<string,string>", "a", NULL);
}

static void
expect_progress(const char *name, double fraction, unsigned seconds, unsigned width,
                const char *expected)
{
    g_autofree char *line = progress_line(name, fraction, seconds, width);

    g_assert_cmpstr(line, ==, expected);
    g_assert_cmpuint(text_width(line), <=, width);
}

static void
test_progress(void)
{
    expect_progress("VM.start", 0.5, 12, 79,
                    "VM.start  [###############...............]   50%  12 s");
    expect_progress("VM.start", 0, 1, 40, "VM.start  [.................]    0%  1 s");
    expect_progress("VM.start", 0.999, 1, 40, "VM.start  [################.]   99%  1 s");
    expect_progress("VM.start", 2, 100, 40, "VM.start  [###############]  100%  100 s");
    expect_progress("VM.start", PROGRESS_UNKNOWN, 12, 79, "VM.start  12 s");
    expect_progress("VM.start", NAN, 12, 79, "VM.start  12 s");
    expect_progress("VM.start", 0.5, 12, 32, "VM.start  [####....]   50%  12 s");
    expect_progress("VM.start", 0.5, 12, 31, "VM.start   50%  12 s");
    expect_progress("VM.start", 0.5, 12, 20, "VM.start   50%  12 s");
    expect_progress("VM.start", 0.5, 12, 19, "VM.s...   50%  12 s");
    expect_progress("VM.start", 0.5, 12, 8, "   50...");
    expect_progress("VM.start", 0.5, 12, 2, "..");
    expect_progress("VM.start", 0.5, 12, 0, "");
    expect_progress("a\033[2J\r\n", PROGRESS_UNKNOWN, 1, 79, "a\\x1b[2J\\x0d\\n  1 s");
    expect_progress("\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", PROGRESS_UNKNOWN, 1, 10,
                    "\xe6\x97\xa5...  1 s");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xtool-print/block", test_block);
    g_test_add_func("/xtool-print/table", test_table);
    g_test_add_func("/xtool-print/wide-letters-align", test_wide_letters_align);
    g_test_add_func("/xtool-print/minimal", test_minimal);
    g_test_add_func("/xtool-print/printable", test_printable);
    g_test_add_func("/xtool-print/values-as-text", test_values_as_text);
    g_test_add_func("/xtool-print/text-as-values", test_text_as_values);
    g_test_add_func("/xtool-print/progress", test_progress);
    return g_test_run();
}
