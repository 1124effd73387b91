/* What api-coverage prints adds up, and names only messages that there are. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "lib/datamodel/datamodel.h"
#include "lib/error.h"
#include "xtool/coverage.h"

static char *
printed(const char *client)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);

    g_assert_true(coverage_print(out, client, NULL));
    fclose(out);
    return text;
}

static const char *
last_line(char *text)
{
    g_assert_true(g_str_has_suffix(text, "\n"));
    text[strlen(text) - 1] = '\0';
    return strrchr(text, '\n') + 1;
}

static unsigned
count_custom(const char *const *list)
{
    unsigned n = 0;

    for (; *list; list++) {
        const struct dm_message *message = dm_method_find(*list);
        g_assert_nonnull(message);
        g_assert_cmpstr(message->full_name, ==, *list);
        n += message->kind == DM_CUSTOM;
    }
    return n;
}

static void
test_classes(void)
{
    char *text = printed(NULL);
    g_autofree char *total =
        g_strdup_printf("total: %u/678 proven, %u registered", count_custom(coverage_proven),
                        count_custom(coverage_registered));

    g_assert_nonnull(strstr(text, "\nVM  "));
    g_assert_cmpstr(last_line(text), ==, total);
    free(text);
    for (const char *const *name = coverage_proven; *name; name++)
        g_assert_true(g_strv_contains(coverage_registered, *name));
}

static void
test_client(gconstpointer data)
{
    const char *const *methods = g_str_equal(data, "xo") ? coverage_xo : coverage_xencenter;
    char *text = printed(data);
    unsigned served, all, proven, registered, generic, removed, missing;

    count_custom(methods);
    g_assert_nonnull(strstr(text, "proven       VM.start\n"));
    g_assert_nonnull(strstr(text, "\ngeneric      VM.get_"));
    g_assert_nonnull(strstr(text, "missing      VGPU.create\n"));
    g_assert_cmpint(sscanf(last_line(text),
                           "total: %u/%u served, %u proven, %u registered, %u generic, "
                           "%u removed, %u missing",
                           &served, &all, &proven, &registered, &generic, &removed, &missing),
                    ==, 7);
    g_assert_cmpuint(all, ==, g_strv_length((char **)methods));
    g_assert_cmpuint(served, ==, proven + registered + generic);
    g_assert_cmpuint(all, ==, served + removed + missing);
    free(text);
}

static void
test_unknown_client(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(coverage_print(stderr, "telnet", &error));
    g_assert_cmpstr(api_error_code(error), ==, "INVALID_VALUE");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/coverage/classes", test_classes);
    g_test_add_data_func("/coverage/xencenter", "xencenter", test_client);
    g_test_add_data_func("/coverage/xo", "xo", test_client);
    g_test_add_func("/coverage/unknown-client", test_unknown_client);
    return g_test_run();
}
