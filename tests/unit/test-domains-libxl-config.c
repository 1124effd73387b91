/* What the libxl backend asks of libxl, without Xen: the config it fills, compared as libxl's own
 * JSON with golden text. */
#include "config.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/remove-tree.h"
#include "xapid/domains/guest-config.h"
#include "xapid/domains/libxl-config.h"
#include "xapid/domains/libxl-disks.h"
#include "xapid/domains/libxl-log.h"
#include "xapid/domains/libxl-nics.h"

#define UUID "aaaaaaaa-0000-4000-8000-000000000001"

#define GOLDEN_ACTIONS                                                                             \
    "\"on_poweroff\": \"preserve\",\"on_reboot\": \"preserve\",\"on_watchdog\": \"preserve\","     \
    "\"on_crash\": \"preserve\",\"on_soft_reset\": \"preserve\"}"
#define GOLDEN_PV                                                                                  \
    "{\"c_info\": {\"type\": \"pv\",\"name\": \"" UUID "\",\"uuid\": \"" UUID "\","                \
    "\"xsdata\": {\"vm-data/a\": \"1\"},\"platformdata\": {\"cores-per-socket\": \"2\"}},"         \
    "\"b_info\": {\"max_vcpus\": 4,\"avail_vcpus\": [0,1],\"max_memkb\": "                         \
    "131072,\"target_memkb\": 98304,"                                                              \
    "\"sched_params\": {},\"claim_mode\": \"True\",\"kernel\": \"/proc/self/fd/7\","               \
    "\"cmdline\": \"console=hvc0 quiet\",\"ramdisk\": \"/proc/self/fd/8\",\"type.pv\": {},"        \
    "\"arch_arm\": {},\"arch_x86\": {}}," GOLDEN_ACTIONS
#define GOLDEN_PVH                                                                                 \
    "{\"c_info\": {\"type\": \"pvh\",\"name\": \"" UUID "\",\"uuid\": \"" UUID "\"},"              \
    "\"b_info\": {\"max_vcpus\": 1,\"avail_vcpus\": [0],\"max_memkb\": 131072,\"target_memkb\": "  \
    "131072,"                                                                                      \
    "\"sched_params\": {},\"claim_mode\": \"True\",\"kernel\": \"/proc/self/fd/7\","               \
    "\"cmdline\": \"\",\"type.pvh\": {},\"arch_arm\": {},\"arch_x86\": {}}," GOLDEN_ACTIONS

#define GOLDEN_DISK                                                                                \
    "{\"pdev_path\": \"/dev/fdset/%d\",\"vdev\": \"%s\",\"backend\": \"qdisk\",\"format\": "       \
    "\"%s\","
#define HANDLE "cccccccc-0000-4000-8000-00000000000%d"

/* Attaches a file in that folder as the disk of handle number n, with images of the same file
 * below it. */
static void
attach(const char *path, int n, const char *format, unsigned n_bases)
{
    g_autofree char *handle = g_strdup_printf(HANDLE, n);
    g_autofree char *file = g_build_filename(path, handle, NULL);
    g_autofree char *image = g_strconcat(file, ".image", NULL);
    char *bases[DISK_BASES_MAX + 1] = {NULL};
    const struct disk_handle disk = {.driver = "file",
                                     .sr = UUID,
                                     .vdi = UUID,
                                     .path = image,
                                     .format = (char *)format,
                                     .bases = bases};
    int folder = open(path, O_RDONLY | O_DIRECTORY);

    for (unsigned i = 0; i < n_bases; i++)
        bases[i] = image;
    g_assert_true(g_file_set_contents(image, "", 0, NULL));
    g_assert_true(disk_handle_write(folder, handle, &disk, NULL));
    close(folder);
}

static void
resolve(GPtrArray *disks, const char *path)
{
    int folder = open(path, O_RDONLY | O_DIRECTORY);
    g_autoptr(GError) error = NULL;

    guest_disks_resolve(disks, folder, &error);
    g_assert_no_error(error);
    close(folder);
}

/* With the disks that are attached in that folder. */
static char *
json_with_disks(const char *args_text, const char *folder)
{
    g_autoptr(GVariant) args =
        g_variant_parse(G_VARIANT_TYPE("a{sv}"), args_text, NULL, NULL, NULL);
    g_auto(guest_config) guest = {0};
    g_autoptr(GError) error = NULL;
    struct libxl_log log;
    libxl_domain_config config;
    libxl_ctx *ctx;
    g_autoptr(GArray) fds = NULL;
    char *json, *copy;

    g_assert_nonnull(args);
    guest_config_parse(args, &guest, &error);
    g_assert_no_error(error);
    if (folder)
        resolve(guest.disks, folder);
    libxl_log_init(&log);
    g_assert_cmpint(libxl_ctx_alloc(&ctx, LIBXL_VERSION, 0, &log.logger), ==, 0);
    libxl_domain_config_init(&config);
    libxl_config_fill(ctx, UUID, &guest, "/proc/self/fd/7",
                      *guest.ramdisk ? "/proc/self/fd/8" : NULL, &config);
    /* Twice, as when an image of the guest is restored that has a config of its own. */
    for (int i = 0; i < 2; i++) {
        g_clear_pointer(&fds, g_array_unref);
        libxl_disks_open(&guest, &config, &fds, &error);
        g_assert_no_error(error);
        libxl_nics_fill(&guest, &config);
    }
    json = libxl_domain_config_to_json(ctx, &config);
    g_assert_nonnull(json);
    /* Layout is not the matter. */
    g_auto(GStrv) lines = g_strsplit(json, "\n", -1);
    for (char **line = lines; *line; line++)
        g_strstrip(*line);
    copy = g_strjoinv("", lines);
    free(json);
    libxl_domain_config_dispose(&config);
    libxl_ctx_free(ctx);
    return copy;
}

static char *
json_of(const char *args_text)
{
    return json_with_disks(args_text, NULL);
}

static void
test_pv(void)
{
    g_autofree char *json = json_of(
        "{'type': <'pv'>, 'memory_static_max': <int64 134217728>, 'memory_target': "
        "<int64 100663296>, 'vcpus_max': <4>, 'vcpus': <2>, 'kernel': <'vmlinux'>, 'ramdisk': "
        "<'initrd'>, 'cmdline': <'console=hvc0 quiet'>, 'name_label': <'never a name'>, "
        "'xenstore': <{'vm-data/a': '1'}>, 'platform': <{'cores-per-socket': '2'}>}");

    g_assert_cmpstr(json, ==, GOLDEN_PV);
}

static void
test_pvh(void)
{
    g_autofree char *json =
        json_of("{'type': <'pvh'>, 'memory_static_max': <int64 134217728>, 'memory_target': "
                "<int64 134217728>, 'vcpus_max': <1>, 'vcpus': <1>, 'kernel': <'vmlinux'>}");

    g_assert_cmpstr(json, ==, GOLDEN_PVH);
}

static char *
sockets_json(const char *type, const char *start, int cores)
{
    g_autofree char *text =
        g_strdup_printf("{'type': <'%s'>, 'memory_static_max': <int64 134217728>, 'memory_target': "
                        "<int64 134217728>, 'vcpus_max': <%d>, 'vcpus': <1>, %s, 'platform': "
                        "<{'cores-per-socket': '%d'}>}",
                        type, cores, start, cores);

    return json_of(text);
}

/* Guests with CPUs of their own are told of sockets, as wide as APIC ids that count by twos make
 * them: 2 cores are 4 ids, whose last two bits say which core it is. */
static void
test_sockets(void)
{
    static const char *const fields[] = {
        "{\"leaf\": 1,\"ebx\": \"xxxxxxxx00000100xxxxxxxxxxxxxxxx\"}",
        "{\"leaf\": 4,\"subleaf\": 0,\"eax\": \"000011xxxxxxxxxxxxxxxxxxxxxxxxxx\"}",
        "{\"leaf\": 2147483656,\"ecx\": \"xxxxxxxxxxxxxxxx0010xxxx00000011\"}",
    };
    static const int untold[] = {3, 6, 64};
    g_autofree char *pvh = sockets_json("pvh", "'kernel': <'vmlinux'>", 2);
    g_autofree char *hvm = sockets_json("hvm", "'boot': <'c'>", 2);
    g_autofree char *widest = sockets_json("pvh", "'kernel': <'vmlinux'>", 32);

    for (size_t i = 0; i < G_N_ELEMENTS(fields); i++)
        if (!strstr(pvh, fields[i]) || !strstr(hvm, fields[i]))
            g_error("no %s in %s and %s", fields[i], pvh, hvm);
    g_assert_nonnull(strstr(widest, "\"eax\": \"111111xx"));
    g_assert_nonnull(strstr(widest, "0110xxxx00111111\""));
    for (size_t i = 0; i < G_N_ELEMENTS(untold); i++) {
        g_autofree char *json = sockets_json("pvh", "'kernel': <'vmlinux'>", untold[i]);
        g_assert_null(strstr(json, "\"leaf\""));
    }
}

/* A PVH guest with less than its maximum is populated on demand, which cannot be claimed. */
static void
test_pvh_on_demand(void)
{
    g_autofree char *json =
        json_of("{'type': <'pvh'>, 'memory_static_max': <int64 134217728>, 'memory_target': "
                "<int64 67108864>, 'vcpus_max': <1>, 'vcpus': <1>, 'kernel': <'vmlinux'>}");

    g_assert_nonnull(strstr(json, "\"claim_mode\": \"False\""));
    g_assert_nonnull(strstr(json, "\"target_memkb\": 65536"));
}

/* The confined QEMU of a whole machine has its disks by descriptors, which it may open again as it
 * likes; beside an image that it serves, Xen's drivers stay away from the disks. */
static void
test_hvm_disks(void)
{
    g_autofree char *folder = g_dir_make_tmp("disks-XXXXXX", NULL);
    g_autofree char *image = g_strdup_printf(GOLDEN_DISK, 51712, "xvda", "qcow2");
    g_autofree char *cd = g_strdup_printf(GOLDEN_DISK, 5632, "hdc", "raw");

    attach(folder, 1, "qcow2", 0);
    attach(folder, 2, "raw", 0);
    g_autofree char *json = json_with_disks(
        "{'type': <'hvm'>, 'memory_static_max': <int64 134217728>, 'memory_target': "
        "<int64 134217728>, 'vcpus_max': <1>, 'vcpus': <1>, 'boot': <'c'>, 'disks': "
        "<[{'vdev': <'xvda'>, 'handle': <'cccccccc-0000-4000-8000-000000000001'>, "
        "'read_only': <false>, 'cdrom': <false>}, {'vdev': <'hdc'>, 'handle': "
        "<'cccccccc-0000-4000-8000-000000000002'>, 'read_only': <true>, 'cdrom': <true>}]>}",
        folder);
    remove_tree(folder);
    g_assert_nonnull(strstr(json, image));
    g_assert_nonnull(strstr(json, cd));
    g_assert_nonnull(strstr(json, "\"xen_platform_pci\": \"False\""));
    g_assert_true(g_regex_match_simple(
        "\"extra_hvm\": \\[\"-add-fd\",\"fd=[0-9]+,set=51712\",\"-add-fd\",\"fd=[0-9]+,"
        "set=51712\",\"-add-fd\",\"fd=[0-9]+,set=5632\"\\]",
        json, 0, 0));
}

/* What is below an image comes by descriptors, too, the last of it first. */
static void
test_hvm_bases(void)
{
    g_autofree char *folder = g_dir_make_tmp("disks-XXXXXX", NULL);

    attach(folder, 1, "qcow2", 2);
    attach(folder, 2, "qcow2", 0);
    g_autofree char *json = json_with_disks(
        "{'type': <'hvm'>, 'memory_static_max': <int64 134217728>, 'memory_target': "
        "<int64 134217728>, 'vcpus_max': <1>, 'vcpus': <1>, 'boot': <'c'>, 'disks': "
        "<[{'vdev': <'xvda'>, 'handle': <'cccccccc-0000-4000-8000-000000000001'>, "
        "'read_only': <true>, 'cdrom': <false>}, {'vdev': <'xvdb'>, 'handle': "
        "<'cccccccc-0000-4000-8000-000000000002'>, 'read_only': <true>, 'cdrom': <false>}]>}",
        folder);
    remove_tree(folder);
    g_assert_nonnull(strstr(json, "\"pdev_path\": \"/dev/fdset/51712,backing=base-51713\""));
    g_assert_nonnull(strstr(json, "\"pdev_path\": \"/dev/fdset/51728\""));
    const char *args = strstr(json, "\"extra_hvm\"");
    g_assert_nonnull(args);
    g_assert_true(g_regex_match_simple(
        "\\[\"-add-fd\",\"fd=[0-9]+,set=51712\",\"-add-fd\",\"fd=[0-9]+,set=51714\","
        "\"-blockdev\",\"[^ ]*base-51714[^ ]*/dev/fdset/51714[^ ]*backing[^ ]*:null[^ ]*\","
        "\"-add-fd\",\"fd=[0-9]+,set=51713\","
        "\"-blockdev\",\"[^ ]*base-51713[^ ]*/dev/fdset/51713[^ ]*backing[^ ]*base-51714[^ ]*\","
        "\"-add-fd\",\"fd=[0-9]+,set=51728\"\\]",
        args, 0, 0));
}

#define GOLDEN_NIC                                                                                 \
    "{\"devid\": 3,\"mtu\": 9000,\"mac\": \"02:aa:bb:cc:dd:0f\",\"ip\": \"locked 10.0.0.1\","      \
    "\"bridge\": \"xapi0\",\"script\": "
#define NIC                                                                                        \
    "'nics': <[{'device': <3>, 'mac': <'02:AA:bb:cc:dd:0f'>, 'bridge': <'xapi0'>, 'mtu': "         \
    "<9000>, 'lock': <'locked 10.0.0.1'>, 'kbps': <1000>}]>"

static void
assert_nic(const char *type, const char *start, const char *nictype)
{
    g_autofree char *text =
        g_strdup_printf("{'type': <'%s'>, 'memory_static_max': <int64 134217728>, 'memory_target': "
                        "<int64 134217728>, 'vcpus_max': <1>, 'vcpus': <1>, %s, " NIC "}",
                        type, start);
    g_autofree char *json = json_of(text);
    g_autofree char *kind = g_strdup_printf("\"nictype\": \"%s\"", nictype);

    g_assert_nonnull(strstr(json, "\"rate_bytes_per_interval\": 51200"));
    g_assert_nonnull(strstr(json, "\"rate_interval_usecs\": 50000"));
    if (!strstr(json, GOLDEN_NIC) || !strstr(json, "/nic-hotplug\"") || !strstr(json, kind))
        g_error("no card in %s", json);
}

static void
test_nics(void)
{
    assert_nic("pv", "'kernel': <'vmlinux'>", "vif");
    assert_nic("pvh", "'kernel': <'vmlinux'>", "vif");
    assert_nic("hvm", "'boot': <'c'>", "vif_ioemu");
}

/* What no image keeps emulated is theirs. */
static void
test_hvm_platform(void)
{
    g_autofree char *json =
        json_of("{'type': <'hvm'>, 'memory_static_max': <int64 134217728>, 'memory_target': "
                "<int64 134217728>, 'vcpus_max': <1>, 'vcpus': <1>, 'boot': <'c'>}");

    g_assert_nonnull(strstr(json, "\"xen_platform_pci\": \"True\""));
}

/* What the VM's platform map says of the machine. */
static void
test_hvm_machine(void)
{
    static const char *const wanted[] = {
        "\"acpi\": \"False\"",
        "\"apic\": \"True\"",
        "\"pae\": \"True\"",
        "\"nx\": \"False\"",
        "\"viridian\": \"True\"",
        "\"acpi_s3\": \"False\"",
        "\"acpi_s4\": \"False\"",
        "\"kind\": \"std\"",
        "\"video_memkb\": 16384",
        "\"rtc_timeoffset\": 4294967236",
        "\"hpet\": \"False\"",
        "\"nested_hvm\": \"True\"",
        "\"tsc_mode\": \"native\"",
        "\"mmio_hole_memkb\": 1048576",
        "\"viridian_enable\": [3,7,8]",
        "\"viridian_disable\": [2]",
        "\"usbdevice\": \"tablet\"",
        "\"serial\": \"pty\"",
        "\"vnc\": {\"enable\": \"True\",\"listen\": \"unix:/var/run/xen/screen-" UUID
        "\",\"findunused\": \"False\"}"};
    g_autofree char *json = json_of(
        "{'type': <'hvm'>, 'memory_static_max': <int64 134217728>, 'memory_target': "
        "<int64 134217728>, 'vcpus_max': <1>, 'vcpus': <1>, 'boot': <'c'>, 'platform': "
        "<{'acpi': '0', 'apic': '1', 'pae': 'true', 'nx': 'false', 'viridian': 'true', 'acpi_s3': "
        "'0', 'acpi_s4': '0', 'vga': 'std', 'videoram': '8', 'timeoffset': '-60', 'hpet': 'false', "
        "'nested-virt': 'true', 'tsc_mode': '2', 'mmio_size_mib': '1024', 'viridian_stimer': '1', "
        "'viridian_reference_tsc': 'true', 'viridian_time_ref_count': '0', 'usb_tablet': 'true', "
        "'hvm_serial': 'pty', 'parallel': 'none', 'secureboot': 'auto'}>}");

    for (size_t i = 0; i < G_N_ELEMENTS(wanted); i++)
        if (!strstr(json, wanted[i]))
            g_error("no %s in %s", wanted[i], json);
}

/* Without them: no serial port, no USB, and groups only with the whole of viridian. */
static void
test_hvm_without(void)
{
    static const char *const unwanted[] = {"\"serial\"",          "\"usbdevice\"",
                                           "viridian_enable",     "\"nested_hvm\"",
                                           "\"mmio_hole_memkb\"", "\"hpet\""};
    g_autofree char *json = json_of(
        "{'type': <'hvm'>, 'memory_static_max': <int64 134217728>, 'memory_target': "
        "<int64 134217728>, 'vcpus_max': <1>, 'vcpus': <1>, 'boot': <'c'>, 'platform': "
        "<{'hvm_serial': 'none', 'usb': 'false', 'usb_tablet': 'true', 'viridian_stimer': '1'}>}");

    g_assert_nonnull(strstr(json, "\"usb\": \"False\""));
    for (size_t i = 0; i < G_N_ELEMENTS(unwanted); i++)
        if (strstr(json, unwanted[i]))
            g_error("%s in %s", unwanted[i], json);
}

static void
test_numa(void)
{
    static const char *const cases[][2] = {{", 'numa_placement': <false>", "\"False\""},
                                           {", 'numa_placement': <true>", "\"True\""},
                                           {"", NULL}};

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *args = g_strdup_printf(
            "{'type': <'pvh'>, 'memory_static_max': <int64 134217728>, 'memory_target': <int64 "
            "134217728>, 'vcpus_max': <1>, 'vcpus': <1>, 'kernel': <'vmlinux'>%s}",
            cases[i][0]);
        g_autofree char *json = json_of(args);
        const char *told = strstr(json, "\"numa_placement\": ");
        g_assert_true((told != NULL) == (cases[i][1] != NULL));
        g_assert_true(!told ||
                      g_str_has_prefix(told + strlen("\"numa_placement\": "), cases[i][1]));
    }
}

/* The card that QEMU emulates. */
static void
test_nic_type(void)
{
    g_autofree char *json =
        json_of("{'type': <'hvm'>, 'memory_static_max': <int64 134217728>, 'memory_target': "
                "<int64 134217728>, 'vcpus_max': <1>, 'vcpus': <1>, 'boot': <'c'>, 'platform': "
                "<{'nic_type': 'e1000'}>, " NIC "}");

    if (!strstr(json, "\"model\": \"e1000\""))
        g_error("no model in %s", json);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/domains/libxl-config/pv", test_pv);
    g_test_add_func("/domains/libxl-config/pvh", test_pvh);
    g_test_add_func("/domains/libxl-config/sockets", test_sockets);
    g_test_add_func("/domains/libxl-config/pvh-on-demand", test_pvh_on_demand);
    g_test_add_func("/domains/libxl-config/hvm-disks", test_hvm_disks);
    g_test_add_func("/domains/libxl-config/hvm-bases", test_hvm_bases);
    g_test_add_func("/domains/libxl-config/nics", test_nics);
    g_test_add_func("/domains/libxl-config/hvm-platform", test_hvm_platform);
    g_test_add_func("/domains/libxl-config/hvm-without", test_hvm_without);
    g_test_add_func("/domains/libxl-config/nic-type", test_nic_type);
    g_test_add_func("/domains/libxl-config/numa", test_numa);
    g_test_add_func("/domains/libxl-config/hvm-machine", test_hvm_machine);
    return g_test_run();
}
