#include "config.h"

#include <gio/gio.h>

#include "lib/error.h"

static void
assert_description(const GError *error, const char *expected)
{
    g_autoptr(GVariant) description = g_variant_ref_sink(api_error_to_variant(error));
    g_autofree char *text = g_variant_print(description, FALSE);

    g_assert_cmpstr(text, ==, expected);
}

static void
test_make(void)
{
    g_autoptr(GError) error = NULL;

    api_error_set(&error, "VM_BAD_POWER_STATE", "OpaqueRef:1", "Halted", "Running", NULL);
    g_assert_true(error->domain == API_ERROR);
    g_assert_cmpstr(error->message, ==, "VM_BAD_POWER_STATE [OpaqueRef:1, Halted, Running]");
    g_assert_cmpstr(api_error_code(error), ==, "VM_BAD_POWER_STATE");
    g_assert_cmpstr(api_error_params(error)[2], ==, "Running");
    g_assert_null(api_error_params(error)[3]);
    assert_description(error, "['VM_BAD_POWER_STATE', 'OpaqueRef:1', 'Halted', 'Running']");
    api_error_set(NULL, "HANDLE_INVALID", "VM", NULL); /* nobody wants to know */
    g_assert_null(api_error_code(NULL));

    g_autoptr(GError) bare = api_error_new("MESSAGE_REMOVED", NULL);
    assert_description(bare, "['MESSAGE_REMOVED']");
    g_assert_nonnull(api_error_params(bare));
    g_assert_null(api_error_params(bare)[0]);
}

static void
test_copy(void)
{
    g_autoptr(GError) error = api_error_new("UUID_INVALID", "VM", "x", NULL);
    g_autoptr(GError) copy = g_error_copy(error);

    g_clear_error(&error);
    assert_description(copy, "['UUID_INVALID', 'VM', 'x']");
}

static void
test_foreign(void)
{
    g_autoptr(GError) error = g_error_new_literal(G_IO_ERROR, G_IO_ERROR_FAILED, "no \001 disk");

    g_assert_true(api_error_is(error, "INTERNAL_ERROR"));
    g_assert_null(api_error_params(error));
    assert_description(error, "['INTERNAL_ERROR', 'no \357\277\275 disk']");
}

static void
test_unclean(void)
{
    g_autoptr(GError) error = api_error_new("INVALID_VALUE", "a\xff", "b\002", "", NULL);

    assert_description(error, "['INVALID_VALUE', 'a\357\277\275', 'b\357\277\275', '']");
}

static void
test_back(void)
{
    g_autoptr(GVariant) description =
        g_variant_ref_sink(g_variant_new_parsed("['HOST_IS_SLAVE', '10.0.0.1']"));
    g_autoptr(GError) error = api_error_from_variant(description);

    g_assert_true(api_error_is(error, "HOST_IS_SLAVE"));
    assert_description(error, "['HOST_IS_SLAVE', '10.0.0.1']");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/error/make", test_make);
    g_test_add_func("/error/copy", test_copy);
    g_test_add_func("/error/foreign", test_foreign);
    g_test_add_func("/error/unclean", test_unclean);
    g_test_add_func("/error/back", test_back);
    return g_test_run();
}
