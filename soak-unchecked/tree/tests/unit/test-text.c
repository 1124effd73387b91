#include "config.h"

#include <string.h>

#include "lib/text.h"

static void
assert_text(const char *bytes, gssize length, bool valid, const char *clean)
{
    /* Without a NUL behind it, so that a sanitizer sees a read beyond. */
    gsize n = length < 0 ? strlen(bytes) : (gsize)length;
    g_autofree char *copy = g_memdup2(bytes, MAX(n, 1));
    g_autofree char *cleaned = text_clean(copy, (gssize)n);

    g_assert_cmpint(text_is_valid(copy, (gssize)n), ==, valid);
    g_assert_cmpstr(cleaned, ==, clean);
    g_assert_true(text_is_valid(cleaned, -1));
}

#define BAD "\xef\xbf\xbd"

static void
test_valid(void)
{
    assert_text("", -1, true, "");
    assert_text("plain\t\n\r text", -1, true, "plain\t\n\r text");
    assert_text("\x7f", -1, true, "\x7f");
    assert_text("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", -1, true,
                "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    assert_text("\xee\x80\x80\xef\xbf\xbd\xf4\x8f\xbf\xbf", -1, true,
                "\xee\x80\x80\xef\xbf\xbd\xf4\x8f\xbf\xbf");
}

static void
test_invalid(void)
{
    assert_text("a\0b", 3, false, "a" BAD "b");
    assert_text("\x01", -1, false, BAD);
    assert_text("a\x1f", -1, false, "a" BAD);
    assert_text("\xff", -1, false, BAD);
    assert_text("a\xc3", -1, false, "a" BAD);
    assert_text("\xc3z", -1, false, BAD "z");
    assert_text("\xc0\xaf", -1, false, BAD BAD);
    assert_text("\xed\xa0\x80", -1, false, BAD BAD BAD); /* a surrogate */
    assert_text("\xef\xbf\xbe", -1, false, BAD);         /* U+FFFE: one character */
    assert_text("\xf4\x90\x80\x80", -1, false, BAD BAD BAD BAD);
    assert_text("\xe2\x82", -1, false, BAD BAD);
}

static void
test_random(void)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(3);
    guint8 bytes[32];

    for (int n = 0; n < 20000; n++) {
        int length = g_rand_int_range(random, 0, sizeof bytes);
        for (int i = 0; i < length; i++)
            bytes[i] = (guint8)g_rand_int(random);
        g_autofree char *clean = text_clean((char *)bytes, length);
        g_assert_true(text_is_valid(clean, -1));
        g_assert_true(g_utf8_validate(clean, -1, NULL));
        if (text_is_valid((char *)bytes, length))
            g_assert_cmpmem(clean, strlen(clean), bytes, (gsize)length);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/text/valid", test_valid);
    g_test_add_func("/text/invalid", test_invalid);
    g_test_add_func("/text/random", test_random);
    return g_test_run();
}
