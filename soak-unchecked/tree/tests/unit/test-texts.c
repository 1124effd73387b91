/* Texts of records that are kept for those who ask next. */
#include "config.h"

#include <string.h>

#include "xapid/calls/texts.h"

static const GString *
keep(struct texts *texts, const char *ref, bool json, guint64 generation, const char *text)
{
    return texts_keep(texts, ref, json, generation, g_string_new(text));
}

static void
test_found(void)
{
    struct texts *texts = texts_new();

    g_assert_null(texts_find(texts, "a", false, 1));
    const GString *kept = keep(texts, "a", false, 1, "<one>");
    g_assert_true(texts_find(texts, "a", false, 1) == kept);
    g_assert_cmpstr(kept->str, ==, "<one>");
    g_assert_null(texts_find(texts, "a", true, 1));
    g_assert_null(texts_find(texts, "b", false, 1));
    keep(texts, "a", true, 1, "{one}");
    g_assert_cmpstr(texts_find(texts, "a", true, 1)->str, ==, "{one}");
    g_assert_cmpstr(texts_find(texts, "a", false, 1)->str, ==, "<one>");
    texts_free(texts);
}

/* A row has one text, of the generation that was encoded last. */
static void
test_changed(void)
{
    struct texts *texts = texts_new();

    keep(texts, "a", false, 1, "one");
    keep(texts, "a", false, 2, "two");
    g_assert_null(texts_find(texts, "a", false, 1));
    g_assert_cmpstr(texts_find(texts, "a", false, 2)->str, ==, "two");
    texts_free(texts);
}

/* Of ten times what may be kept, about a tenth is, and what came last surely. */
static void
test_bounded(void)
{
    enum { SIZE = 16 * 1024, COUNT = 10 * TEXTS_MAX_BYTES / SIZE };
    struct texts *texts = texts_new();
    g_autofree char *text = g_strnfill(SIZE, 'x');
    unsigned found = 0;

    for (unsigned i = 0; i < COUNT; i++) {
        g_autofree char *ref = g_strdup_printf("%u", i);
        keep(texts, ref, i % 2, i, text);
        g_assert_nonnull(texts_find(texts, ref, i % 2, i));
    }
    for (unsigned i = 0; i < COUNT; i++) {
        g_autofree char *ref = g_strdup_printf("%u", i);
        const GString *kept = texts_find(texts, ref, i % 2, i);
        found += kept != NULL;
        g_assert_true(!kept || kept->len == SIZE);
    }
    g_assert_cmpuint(found, >, COUNT / 40); /* a text may take twice its size */
    g_assert_cmpuint(found * SIZE, <=, TEXTS_MAX_BYTES);
    texts_free(texts);
}

/* What is larger than all that may be kept is lent all the same. */
static void
test_large(void)
{
    struct texts *texts = texts_new();
    g_autofree char *text = g_strnfill(2 * TEXTS_MAX_BYTES, 'x');

    keep(texts, "small", false, 1, "one");
    g_assert_cmpuint(keep(texts, "large", false, 1, text)->len, ==, strlen(text));
    keep(texts, "small", false, 1, "one");
    g_assert_null(texts_find(texts, "large", false, 1));
    texts_free(texts);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/texts/found", test_found);
    g_test_add_func("/texts/changed", test_changed);
    g_test_add_func("/texts/bounded", test_bounded);
    g_test_add_func("/texts/large", test_large);
    return g_test_run();
}
