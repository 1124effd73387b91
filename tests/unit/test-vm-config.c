/* What of a VM's record goes to the one who builds its domain, and what ends a start. */
#include "config.h"

#include "tests/unit/plan-bed.h"

static void
test_addresses(struct bed *bed, const void *data)
{
    g_autofree char *first = vif_make_mac(bed->model, bed->vm, 0);
    g_autofree char *again = vif_make_mac(bed->model, bed->vm, 0);
    g_autofree char *second = vif_make_mac(bed->model, bed->vm, 1);

    (void)data;
    g_assert_cmpstr(first, ==, again);
    g_assert_cmpstr(first, !=, second);
    for (int position = 0; position <= VIF_POSITION_MAX; position++) {
        g_autofree char *mac = vif_make_mac(bed->model, bed->vm, position);
        g_assert_true(vif_mac_is_valid(mac));
        g_assert_cmpint(g_ascii_xdigit_value(mac[1]) & 3, ==, 2);
    }
    g_assert_cmpint(vif_position("0"), ==, 0);
    g_assert_cmpint(vif_position("6"), ==, 6);
    static const char *const bad[] = {"", "7", "-1", "00", "0 ", "a"};
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++)
        g_assert_cmpint(vif_position(bad[i]), ==, -1);
}

/* Whatever is stored, only what is known goes to the one who builds domains. */
static void
test_config_maps(struct bed *bed, const void *data)
{
    static const char *const maps[][3] = {
        {"platform", "{'pae': 'true', 'odd key!': '1', 'secureboot': 'auto'}",
         "{'pae': 'true', 'secureboot': 'auto'}"},
        {"xenstore_data", "{'vm-data/a/b': 'x', 'FIST/e': 'x', 'vm-data': 'x'}",
         "{'vm-data/a/b': 'x'}"}};

    (void)data;
    for (size_t i = 0; i < G_N_ELEMENTS(maps); i++) {
        GVariant *stored = g_variant_new_parsed(maps[i][1]);
        row_set(bed->model, bed->vm, maps[i][0], stored);
        g_autoptr(GVariant) config = vm_domain_config(&bed->world, bed->vm, NULL);
        const char *argument = i == 0 ? "platform" : "xenstore";
        g_autoptr(GVariant) given = g_variant_lookup_value(config, argument, NULL);
        g_autofree char *text = g_variant_print(given, FALSE);
        g_assert_cmpstr(text, ==, maps[i][2]);
    }
}

/* What no call would have stored, but an older version or a restored database has, ends a start
 * with its name, and so does what fits no other field. */
static void
test_refused_maps(struct bed *bed, const void *data)
{
    static const char *const cases[][3] = {
        {"platform", "{'pae': 'true', 'acpi': 'perhaps'}",
         "INVALID_VALUE [platform:acpi, perhaps]"},
        {"platform", "{'hvm_serial': 'file:/root/x'}",
         "INVALID_VALUE [platform:hvm_serial, file:/root/x]"},
        {"xenstore_data", "{'vm-data/c//d': 'x'}", "INVALID_VALUE [xenstore_data:vm-data/c//d, x]"},
        {"platform", "{'cores-per-socket': '3'}", "VCPU_MAX_NOT_CORES_PER_SOCKET_MULTIPLE [4, 3]"}};

    (void)data;
    row_set(bed->model, bed->vm, "VCPUs_max", g_variant_new_int64(4));
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        row_set(bed->model, bed->vm, cases[i][0], g_variant_new_parsed(cases[i][1]));
        g_assert_null(vm_plan_start(&bed->world, bed->vm, "start", false, &error));
        g_assert_cmpstr(error->message, ==, cases[i][2]);
        row_set(bed->model, bed->vm, cases[i][0], g_variant_new("a{ss}", NULL));
    }
}

static void
test_firmware(struct bed *bed, const void *data)
{
    static const char *const cases[][2] = {
        {"uefi", "NOT_IMPLEMENTED [HVM_boot_params:firmware uefi]"},
        {"coreboot", "INVALID_VALUE [HVM_boot_params:firmware, coreboot]"},
        {"bios", NULL}};

    (void)data;
    bed_set_text(bed, "domain_type", "hvm");
    row_set(bed->model, bed->vm, "bios_strings", g_variant_new_parsed("{'bios-vendor': 'Acme'}"));
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *text = g_strdup_printf("{'firmware': '%s'}", cases[i][0]);
        row_set(bed->model, bed->vm, "HVM_boot_params", g_variant_new_parsed(text));
        g_autoptr(GVariant) config = vm_domain_config(&bed->world, bed->vm, &error);
        g_assert_cmpstr(error ? error->message : NULL, ==, cases[i][1]);
        g_assert_true((config != NULL) == !cases[i][1]);
        g_autoptr(GVariant) bios = config ? g_variant_lookup_value(config, "bios", NULL) : NULL;
        g_autofree char *told = bios ? g_variant_print(bios, FALSE) : NULL;
        g_assert_cmpstr(told, ==, config ? "{'bios-vendor': 'Acme'}" : NULL);
    }
}

static void
test_numa(struct bed *bed, const void *data)
{
    static const char *const cases[][2] = {
        {"any", "false"}, {"best_effort", "true"}, {"default_policy", NULL}};

    (void)data;
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        row_set(bed->model, bed->host, "numa_affinity_policy", g_variant_new_string(cases[i][0]));
        g_autoptr(GVariant) config = vm_domain_config(&bed->world, bed->vm, NULL);
        g_autoptr(GVariant) told = g_variant_lookup_value(config, "numa_placement", NULL);
        g_autofree char *text = told ? g_variant_print(told, FALSE) : NULL;
        g_assert_cmpstr(text, ==, cases[i][1]);
    }
}

int
main(int argc, char **argv)
{
    static const struct bed_test tests[] = {
        {"addresses", test_addresses},
        {"config-maps", test_config_maps},
        {"refused-maps", test_refused_maps},
        {"firmware", test_firmware},
        {"numa", test_numa},
    };

    return bed_run_tests(argc, argv, "vm-config", tests, G_N_ELEMENTS(tests));
}
