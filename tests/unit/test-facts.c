/* xapid/host/facts: on files of a made-up host, and on none. */
#include "config.h"

#include "xapid/host/facts.h"

#include <glib/gstdio.h>
#include <string.h>

static const struct {
    const char *path, *text;
} files[] = {
    {"/proc/cpuinfo", "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 85\n"
                      "model name\t: Some CPU @ 2.00GHz\nstepping\t: 7\ncpu MHz\t\t: 1995.312\n"
                      "flags\t\t: fpu vme de\n\n"
                      "processor\t: 1\nvendor_id\t: GenuineIntel\nmodel\t\t: 85\n"},
    {"/proc/stat", "cpu  1 2 3\nbtime 1700000000\n"},
    {"/proc/sys/kernel/random/boot_id", "6a7f7d5c-0000-4000-8000-000000000001\n"},
    {"/sim/boot_id", "6a7f7d5c-0000-4000-8000-000000000002\n"},
    {"/etc/os-release", "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n"},
    {"/etc/iscsi/initiatorname.iscsi",
     "## no name:\n#InitiatorName=iqn.a\n InitiatorName=iqn.2026-11.example:one\n"},
    {"/sim/initiatorname.iscsi", "GenerateName=yes\nInitiatorName=two words\n"},
    {"/sys/class/dmi/id/bios_vendor", "ACME\n"},
    {"/sys/class/dmi/id/product_serial", "  \xff\x01S1  \n"},
    {"/sys/class/dmi/id/product_name", "\n"},
};

static char *
text_of(GVariant *facts, const char *key)
{
    char *text = NULL;

    g_assert_true(g_variant_lookup(facts, key, "s", &text));
    return text;
}

static void
assert_text(GVariant *facts, const char *key, const char *expected)
{
    g_autofree char *text = text_of(facts, key);

    g_assert_cmpstr(text, ==, expected);
}

static void
assert_int(GVariant *facts, const char *key, gint32 expected)
{
    gint32 number = -1;

    g_assert_true(g_variant_lookup(facts, key, "i", &number));
    g_assert_cmpint(number, ==, expected);
}

static void
assert_long(GVariant *facts, const char *key, gint64 expected)
{
    gint64 number = -1;

    g_assert_true(g_variant_lookup(facts, key, "x", &number));
    g_assert_cmpint(number, ==, expected);
}

static void
test_read(void)
{
    g_autofree char *root = g_dir_make_tmp("facts-XXXXXX", NULL);
    g_autoptr(GVariant) facts = NULL, bios = NULL;
    const char *text = NULL;
    double mhz = 0;

    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_strconcat(root, files[i].path, NULL);
        g_autofree char *folder = g_path_get_dirname(path);

        g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
        g_assert_true(g_file_set_contents(path, files[i].text, -1, NULL));
    }
    facts = g_variant_ref_sink(facts_read(root, NULL));
    g_assert_true(g_variant_is_of_type(facts, G_VARIANT_TYPE_VARDICT));
    assert_text(facts, "cpu_vendor", "GenuineIntel");
    assert_text(facts, "cpu_model_name", "Some CPU @ 2.00GHz");
    assert_text(facts, "cpu_flags", "fpu vme de");
    assert_text(facts, "os", "Debian GNU/Linux 12 (bookworm)");
    assert_int(facts, "cpu_family", 6);
    assert_int(facts, "cpu_model", 85);
    assert_int(facts, "cpu_stepping", 7);
    assert_long(facts, "boot_time", 1700000000);
    assert_text(facts, "boot_id", "6a7f7d5c-0000-4000-8000-000000000001");
    g_assert_true(g_variant_lookup(facts, "cpu_mhz", "d", &mhz));
    g_assert_cmpfloat_with_epsilon(mhz, 1995.312, 0.001);
    bios = g_variant_lookup_value(facts, "bios", G_VARIANT_TYPE("a{ss}"));
    g_assert_nonnull(bios);
    g_assert_cmpuint(g_variant_n_children(bios), ==, 2);
    g_assert_true(g_variant_lookup(bios, "bios-vendor", "&s", &text));
    g_assert_cmpstr(text, ==, "ACME");
    /* Firmware is not to be trusted with text either. */
    g_assert_true(g_variant_lookup(bios, "system-serial-number", "&s", &text));
    g_assert_cmpstr(text, ==, "\xef\xbf\xbd\xef\xbf\xbdS1");

    assert_text(facts, "iscsi_name", "iqn.2026-11.example:one");

    /* A simulated host boots by itself once it has done so, and has a file for its name. */
    g_autofree char *sim = g_build_filename(root, "sim", NULL);
    g_autoptr(GVariant) simulated = g_variant_ref_sink(facts_read(root, sim));
    assert_text(simulated, "boot_id", "6a7f7d5c-0000-4000-8000-000000000002");
    assert_text(simulated, "iscsi_name", "");
    g_autoptr(GVariant) never = g_variant_ref_sink(facts_read(root, "/nonexistent"));
    assert_text(never, "boot_id", "6a7f7d5c-0000-4000-8000-000000000001");

    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_strconcat(root, files[i].path, NULL);
        g_autofree char *folder = g_path_get_dirname(path);

        g_remove(path);
        while (strlen(folder) > strlen(root) && g_rmdir(folder) == 0)
            *strrchr(folder, '/') = '\0';
    }
    g_assert_cmpint(g_rmdir(root), ==, 0);
}

static void
test_nothing_there(void)
{
    g_autoptr(GVariant) facts = g_variant_ref_sink(facts_read("/nonexistent", NULL));

    assert_text(facts, "cpu_vendor", "");
    assert_text(facts, "os", "");
    assert_text(facts, "boot_id", "");
    assert_text(facts, "iscsi_name", "");
    assert_long(facts, "boot_time", 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/facts/read", test_read);
    g_test_add_func("/facts/nothing-there", test_nothing_there);
    return g_test_run();
}
