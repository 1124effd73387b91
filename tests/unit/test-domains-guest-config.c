/* What xapid-domains refuses, whoever asks: hostile arguments of every kind. */
#include "config.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/error.h"
#include "xapid/domains/argument.h"
#include "xapid/domains/guest-config.h"
#include "xapid/domains/kernel-file.h"
#include "xapid/domains/verb-args.h"

#define UUID "aaaaaaaa-0000-4000-8000-000000000001"
#define GOOD                                                                                       \
    "'type': <'pvh'>, 'memory_static_max': <int64 134217728>, "                                    \
    "'memory_target': <int64 67108864>, 'vcpus_max': <4>, 'vcpus': <2>, 'kernel': <'vmlinux'>"

/* Parses "{GOOD with `change`}"; a key of `change` replaces GOOD's. */
static GVariant *
args_with(const char *change)
{
    g_autoptr(GVariant) good = g_variant_ref_sink(g_variant_new_parsed("@a{sv} {" GOOD "}"));
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) changes =
        g_variant_parse(G_VARIANT_TYPE("a{sv}"), change, NULL, NULL, &error);
    GVariantDict dict;
    GVariantIter iter;
    const char *key;
    GVariant *value;

    g_assert_no_error(error);
    g_variant_dict_init(&dict, good);
    g_variant_iter_init(&iter, changes);
    while (g_variant_iter_next(&iter, "{&sv}", &key, &value)) {
        if (g_variant_is_of_type(value, G_VARIANT_TYPE_UNIT))
            g_variant_dict_remove(&dict, key);
        else
            g_variant_dict_insert_value(&dict, key, value);
        g_variant_unref(value);
    }
    return g_variant_ref_sink(g_variant_dict_end(&dict));
}

static void
assert_refused(const char *change, const char *expected)
{
    g_autoptr(GVariant) args = args_with(change);
    g_auto(guest_config) config = {0};
    g_autoptr(GError) error = NULL;

    g_assert_false(guest_config_parse(args, &config, &error));
    g_assert_cmpstr(error->message, ==, expected);
    g_assert_null(config.kernel);
}

static void
test_good(void)
{
    g_autoptr(GVariant) args =
        args_with("{'ramdisk': <'initrd.img-6.1'>, 'cmdline': <'root=/dev/xvda ro'>, "
                  "'name_label': <'a\\nb'>, 'xenstore': <{'vm-data/a/b': 'c'}>, "
                  "'platform': <{'cores-per-socket': '2'}>, "
                  "'memory_static_max': <int64 134218000>}");
    g_auto(guest_config) config = {0};
    g_autoptr(GError) error = NULL;

    g_assert_true(guest_config_parse(args, &config, &error));
    g_assert_cmpint(config.type, ==, GUEST_PVH);
    g_assert_cmpint(config.memory_static_max, ==, 134217728);
    g_assert_cmpint(config.memory_target, ==, 67108864);
    g_assert_cmpint(config.vcpus_max, ==, 4);
    g_assert_cmpint(config.vcpus, ==, 2);
    g_assert_cmpstr(config.kernel, ==, "vmlinux");
    g_assert_cmpstr(config.ramdisk, ==, "initrd.img-6.1");
    g_assert_cmpstr(config.cmdline, ==, "root=/dev/xvda ro");
    g_assert_cmpstr(config.name_label, ==, "a b");
    g_assert_cmpint(g_variant_n_children(config.xenstore), ==, 1);
}

#define MACHINE "'type': <'hvm'>, 'kernel': <''>, 'boot': <'c'>"

static void
test_firmware(void)
{
    g_autoptr(GVariant) args =
        args_with("{" MACHINE ", 'xenstore': <{'vm-data/a': 'b'}>, "
                  "'bios': <{'bios-vendor': 'Acme', 'system-serial-number': '47 11'}>}");
    g_auto(guest_config) config = {0};
    g_autoptr(GError) error = NULL;

    g_assert_true(guest_config_parse(args, &config, &error));
    g_autofree char *keys = g_variant_print(config.xenstore, FALSE);
    g_assert_cmpstr(keys, ==,
                    "{'vm-data/a': 'b', 'bios-strings/bios-vendor': 'Acme', "
                    "'bios-strings/system-serial-number': '47 11'}");
}

static void
test_refused(void)
{
    static const struct {
        const char *change, *expected;
    } cases[] = {
        {"{'type': <'PV'>}", "INVALID_VALUE [type, PV]"},
        {"{'type': <'hvm'>}", "INVALID_VALUE [kernel, vmlinux]"},
        {"{'type': <'hvm'>, 'kernel': <''>, 'ramdisk': <''>, 'cmdline': <''>}",
         "INVALID_VALUE [boot, ]"},
        {"{'type': <'hvm'>, 'kernel': <''>, 'ramdisk': <''>, 'cmdline': <''>, 'boot': <'x'>}",
         "INVALID_VALUE [boot, x]"},
        {"{'boot': <'c'>}", "INVALID_VALUE [boot, c]"},
        {"{'kernel': <''>}", "INVALID_VALUE [kernel, ]"},
        {"{'type': <3>}", "INVALID_VALUE [type, i]"},
        {"{'type': <()>}", "INVALID_VALUE [type, ]"},
        {"{'kernel': <()>}", "INVALID_VALUE [kernel, ]"},
        {"{'kernel': <''>}", "INVALID_VALUE [kernel, ]"},
        {"{'kernel': <'/etc/passwd'>}", "INVALID_VALUE [kernel, /etc/passwd]"},
        {"{'kernel': <'../vmlinux'>}", "INVALID_VALUE [kernel, ../vmlinux]"},
        {"{'kernel': <'..'>}", "INVALID_VALUE [kernel, ..]"},
        {"{'kernel': <'.hidden'>}", "INVALID_VALUE [kernel, .hidden]"},
        {"{'kernel': <'a/b'>}", "INVALID_VALUE [kernel, a/b]"},
        {"{'kernel': <'a\\nb'>}", "INVALID_VALUE [kernel, a\nb]"},
        {"{'ramdisk': <'/dev/sda'>}", "INVALID_VALUE [ramdisk, /dev/sda]"},
        {"{'cmdline': <'a\\nb'>}", "INVALID_VALUE [cmdline, a\nb]"},
        {"{'memory_static_max': <int64 0>}", "INVALID_VALUE [memory_static_max, 0]"},
        {"{'memory_static_max': <int64 -1>}", "INVALID_VALUE [memory_static_max, -1]"},
        {"{'memory_static_max': <int64 9223372036854775807>}",
         "INVALID_VALUE [memory_static_max, 9223372036854775807]"},
        {"{'memory_static_max': <134217728>}", "INVALID_VALUE [memory_static_max, i]"},
        {"{'memory_target': <int64 134217729>}", "INVALID_VALUE [memory_target, 134217729]"},
        {"{'memory_target': <int64 0>}", "INVALID_VALUE [memory_target, 0]"},
        {"{'vcpus_max': <0>}", "INVALID_VALUE [vcpus_max, 0]"},
        {"{'vcpus_max': <65>}", "INVALID_VALUE [vcpus_max, 65]"},
        {"{'vcpus_max': <-2147483648>}", "INVALID_VALUE [vcpus_max, -2147483648]"},
        {"{'vcpus': <5>}", "INVALID_VALUE [vcpus, 5]"},
        {"{'vcpus': <0>}", "INVALID_VALUE [vcpus, 0]"},
        {"{'disk': <'/dev/sda'>}", "INVALID_VALUE [config, disk]"},
        {"{'xenstore': <{'control/shutdown': 'halt'}>}",
         "INVALID_VALUE [xenstore, control/shutdown]"},
        {"{'xenstore': <{'vm-data': 'x'}>}", "INVALID_VALUE [xenstore, vm-data]"},
        {"{'xenstore': <{'vm-data/': 'x'}>}", "INVALID_VALUE [xenstore, vm-data/]"},
        {"{'xenstore': <{'vm-data/../name': 'x'}>}", "INVALID_VALUE [xenstore, vm-data/../name]"},
        {"{'xenstore': <{'vm-data//a': 'x'}>}", "INVALID_VALUE [xenstore, vm-data//a]"},
        {"{'xenstore': <{'vm-data/a/': 'x'}>}", "INVALID_VALUE [xenstore, vm-data/a/]"},
        {"{'xenstore': <'vm-data'>}", "INVALID_VALUE [xenstore, s]"},
        {"{'bios': <{'bios-vendor': 'Acme'}>}", "INVALID_VALUE [bios, pvh]"},
        {"{" MACHINE ", 'bios': <{'../bios-vendor': 'Acme'}>}",
         "INVALID_VALUE [bios, ../bios-vendor]"},
        {"{" MACHINE ", 'bios': <{'bios-vendor': ''}>}", "INVALID_VALUE [bios, ]"},
        {"{" MACHINE ", 'bios': <{'bios-vendor': 'a\\nb'}>}", "INVALID_VALUE [bios, a\nb]"},
        {"{'platform': <{'a/b': 'x'}>}", "INVALID_VALUE [platform, a/b]"},
        {"{'platform': <{'': 'x'}>}", "INVALID_VALUE [platform, ]"},
        {"{'platform': <{'a': 'x'}>}", "INVALID_VALUE [platform, a]"},
        {"{'platform': <{'vga': 'qxl'}>}", "INVALID_VALUE [platform:vga, qxl]"},
        {"{'platform': <{'hvm_serial': 'file:/root/x'}>}",
         "INVALID_VALUE [platform:hvm_serial, file:/root/x]"},
        {"{'platform': <{'tsc_mode': '3'}>}", "INVALID_VALUE [platform:tsc_mode, 3]"},
        {"{'xenstore': <{'vm-data/a': '\\u0001'}>}", "INVALID_VALUE [xenstore, \357\277\275]"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        assert_refused(cases[i].change, cases[i].expected);
}

#define NIC(device, mac, bridge, mtu)                                                              \
    "{'device': <" device ">, 'mac': <'" mac "'>, 'bridge': <'" bridge "'>, 'mtu': <" mtu ">}"
#define MAC "02:00:00:00:00:01"

static void
test_nics(void)
{
    static const struct {
        const char *nics, *expected;
    } cases[] = {
        {NIC("7", MAC, "xapi0", "1500"), "INVALID_VALUE [device, 7]"},
        {NIC("-1", MAC, "xapi0", "1500"), "INVALID_VALUE [device, -1]"},
        {NIC("0", "01:00:00:00:00:01", "xapi0", "1500"), "INVALID_VALUE [mac, 01:00:00:00:00:01]"},
        {NIC("0", "00:00:00:00:00:00", "xapi0", "1500"), "INVALID_VALUE [mac, 00:00:00:00:00:00]"},
        {NIC("0", MAC ":02", "xapi0", "1500"), "INVALID_VALUE [mac, " MAC ":02]"},
        {NIC("0", "02:00:00:00:00:0", "xapi0", "1500"), "INVALID_VALUE [mac, 02:00:00:00:00:0]"},
        {NIC("0", "", "xapi0", "1500"), "INVALID_VALUE [mac, ]"},
        {NIC("0", MAC, "", "1500"), "INVALID_VALUE [bridge, ]"},
        {NIC("0", MAC, "all", "1500"), "INVALID_VALUE [bridge, all]"},
        {NIC("0", MAC, "../x", "1500"), "INVALID_VALUE [bridge, ../x]"},
        {NIC("0", MAC, "x;reboot", "1500"), "INVALID_VALUE [bridge, x;reboot]"},
        {NIC("0", MAC, "vif1.0", "1500"), "INVALID_VALUE [bridge, vif1.0]"},
        {NIC("0", MAC, "xapi0", "67"), "INVALID_VALUE [mtu, 67]"},
        {NIC("0", MAC, "xapi0", "65518"), "INVALID_VALUE [mtu, 65518]"},
        {NIC("0", MAC, "xapi0", "-1500"), "INVALID_VALUE [mtu, -1500]"},
        {NIC("0", MAC, "xapi0", "1500") ", " NIC("0", MAC, "xapi1", "1500"),
         "INVALID_VALUE [device, 0]"},
        {"{'device': <0>}", "INVALID_VALUE [mac, ]"},
        {"{'device': <0>, 'script': <'/bin/sh'>}", "INVALID_VALUE [nics, script]"},
        {"@a{sv} {}, {}, {}, {}, {}, {}, {}, {}", "INVALID_VALUE [nics, 8]"},
    };
    g_autoptr(GVariant) args =
        args_with("{'nics': <[" NIC("6", "FE:dc:00:00:00:01", "br0.7", "65517") "]>}");
    g_auto(guest_config) config = {0};
    const struct guest_nic *nic;

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *change = g_strdup_printf("{'nics': <[%s]>}", cases[i].nics);
        assert_refused(change, cases[i].expected);
    }
    g_assert_true(guest_config_parse(args, &config, NULL));
    g_assert_cmpuint(config.nics->len, ==, 1);
    nic = &g_array_index(config.nics, struct guest_nic, 0);
    g_assert_cmpint(nic->device, ==, 6);
    g_assert_cmpint(nic->mtu, ==, 65517);
    g_assert_cmpstr(nic->bridge, ==, "br0.7");
    g_assert_cmpmem(nic->mac, NIC_MAC_LENGTH, "\xfe\xdc\0\0\0\1", NIC_MAC_LENGTH);
}

static void
test_lengths(void)
{
    g_autofree char *name = g_strnfill(256, 'k');
    g_autofree char *cmdline = g_strnfill(1024, 'c');
    g_autofree char *fits = g_strnfill(1023, 'c');
    g_autofree char *label = g_strnfill(5000, 'l');
    g_autofree char *long_name = g_strdup_printf("{'kernel': <'%s'>}", name);
    g_autofree char *long_cmdline = g_strdup_printf("{'cmdline': <'%s'>}", cmdline);
    g_autofree char *long_label =
        g_strdup_printf("{'name_label': <'%s'>, 'cmdline': <'%s'>}", label, fits);
    g_autofree char *name_error = g_strdup_printf("INVALID_VALUE [kernel, %s]", name);
    g_autofree char *cmdline_error = g_strdup_printf("INVALID_VALUE [cmdline, %.256s]", cmdline);
    GString *many = g_string_new("{'xenstore': <{");
    g_auto(guest_config) config = {0};

    assert_refused(long_name, name_error);
    assert_refused(long_cmdline, cmdline_error);
    for (int i = 0; i <= CONFIG_MAP_MAX; i++)
        g_string_append_printf(many, "%s'vm-data/k%d': ''", i ? ", " : "", i);
    g_string_append(many, "}>}");
    assert_refused(many->str, "INVALID_VALUE [xenstore, 65]");
    g_string_free(many, TRUE);

    /* A label is for people: cut, never a reason to refuse. */
    g_autoptr(GVariant) args = args_with(long_label);
    g_assert_true(guest_config_parse(args, &config, NULL));
    g_assert_cmpint(strlen(config.name_label), ==, CONFIG_NAME_MAX);
}

/* A key that comes twice: D-Bus dictionaries allow it. */
static void
test_twice(void)
{
    g_autoptr(GVariant) args =
        g_variant_ref_sink(g_variant_new_parsed("@a{sv} {" GOOD ", 'kernel': <'other'>}"));
    g_auto(guest_config) config = {0};
    g_autoptr(GError) error = NULL;

    g_assert_false(guest_config_parse(args, &config, &error));
    g_assert_cmpstr(error->message, ==, "INVALID_VALUE [config, kernel]");
}

static void
test_uuids(void)
{
    static const char *const bad[] = {
        "",
        "a",
        "aaaaaaaa-0000-4000-8000-00000000000",
        "aaaaaaaa-0000-4000-8000-0000000000011",
        "AAAAAAAA-0000-4000-8000-000000000001",
        "aaaaaaaa-0000-4000-8000-00000000000g",
        "aaaaaaaa_0000_4000_8000_000000000001",
        "aaaaaaaa-0000-4000-8000-000000000001/../x",
        "00000000-0000-0000-0000-000000000000",
    };

    g_assert_true(uuid_check(UUID, NULL));
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_false(uuid_check(bad[i], &error));
        g_assert_true(api_error_is(error, "INVALID_VALUE"));
    }
}

static void
test_op_ids(void)
{
    g_autofree char *fits = g_strnfill(64, 'a');
    g_autofree char *too_long = g_strnfill(65, 'a');

    g_assert_true(op_id_check("OpaqueRef:12-3/4_5.6", NULL));
    g_assert_true(op_id_check(fits, NULL));
    g_assert_false(op_id_check(too_long, NULL));
    g_assert_false(op_id_check("", NULL));
    g_assert_false(op_id_check("a b", NULL));
    g_assert_false(op_id_check("a\n", NULL));
    g_assert_false(op_id_check("\303\274", NULL));
}

static void
assert_no_kernel(int dir, const char *name)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *expected = g_strdup_printf("INVALID_VALUE [kernel, %s]", name);

    g_assert_cmpint(kernel_file_open(dir, "kernel", name, &error), ==, -1);
    g_assert_cmpstr(error->message, ==, expected);
}

static void
test_kernel_files(void)
{
    g_autofree char *top = g_dir_make_tmp("xapid-kernels-XXXXXX", NULL);
    g_autofree char *folder = g_build_filename(top, "guest", NULL);
    g_autofree char *secret = g_build_filename(top, "secret", NULL);
    int dir, fd;
    char text[8] = "";

    g_assert_cmpint(g_mkdir(folder, 0700), ==, 0);
    dir = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    g_assert_true(g_file_set_contents(secret, "secret", -1, NULL));
    fd = openat(dir, "vmlinux", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    g_assert_cmpint(write(fd, "kernel", 6), ==, 6);
    close(fd);
    g_assert_cmpint(symlinkat(secret, dir, "absolute"), ==, 0);
    g_assert_cmpint(symlinkat("../secret", dir, "relative"), ==, 0);
    g_assert_cmpint(symlinkat("vmlinux", dir, "inside"), ==, 0);
    g_assert_cmpint(symlinkat("/proc/self/exe", dir, "magic"), ==, 0);
    g_assert_cmpint(mkdirat(dir, "folder", 0700), ==, 0);
    g_assert_cmpint(mkfifoat(dir, "fifo", 0600), ==, 0);

    fd = kernel_file_open(dir, "kernel", "vmlinux", NULL);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(read(fd, text, sizeof text), ==, 6);
    g_assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
    assert_no_kernel(dir, "missing");
    assert_no_kernel(dir, "absolute");
    assert_no_kernel(dir, "relative");
    assert_no_kernel(dir, "inside");
    assert_no_kernel(dir, "magic");
    assert_no_kernel(dir, "folder");
    assert_no_kernel(dir, "fifo");
    assert_no_kernel(dir, "..");
    assert_no_kernel(dir, "../secret");
    assert_no_kernel(dir, secret);
    assert_no_kernel(-1, "vmlinux");

    static const char *const files[] = {"vmlinux", "absolute", "relative",
                                        "inside",  "magic",    "fifo"};
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++)
        unlinkat(dir, files[i], 0);
    unlinkat(dir, "folder", AT_REMOVEDIR);
    close(dir);
    g_unlink(secret);
    g_rmdir(folder);
    g_rmdir(top);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/domains/config/good", test_good);
    g_test_add_func("/domains/config/firmware", test_firmware);
    g_test_add_func("/domains/config/refused", test_refused);
    g_test_add_func("/domains/config/nics", test_nics);
    g_test_add_func("/domains/config/lengths", test_lengths);
    g_test_add_func("/domains/config/twice", test_twice);
    g_test_add_func("/domains/config/uuids", test_uuids);
    g_test_add_func("/domains/config/op-ids", test_op_ids);
    g_test_add_func("/domains/config/kernel-files", test_kernel_files);
    return g_test_run();
}
