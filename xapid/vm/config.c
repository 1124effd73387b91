/* From a VM's record to the configuration that xapid-domains builds a domain from. */
#include "config.h"

#include <string.h>

#include "lib/bios-strings.h"
#include "lib/error.h"
#include "lib/platform.h"
#include "xapid/vm/vm.h"

/* domain_type "unspecified" is what old clients leave: then HVM_boot_policy tells, as in XAPI. */
const char *
vm_domain_type(const struct model *model, const char *vm, GError **error)
{
    g_autofree char *type = model_get_string(model, vm, "domain_type");
    g_autofree char *policy = model_get_string(model, vm, "HVM_boot_policy");

    if (g_str_equal(type, "pvh"))
        return "pvh";
    if (g_str_equal(type, "unspecified"))
        return *policy ? "hvm" : "pv";
    if (g_str_equal(type, "pv") || g_str_equal(type, "hvm"))
        return g_str_equal(type, "pv") ? "pv" : "hvm";
    api_error_set(error, "NOT_IMPLEMENTED", "domain_type pv_in_pvh", NULL);
    return NULL;
}

bool
vm_is_machine(const struct model *model, const char *vm)
{
    return g_strcmp0(vm_domain_type(model, vm, NULL), "hvm") == 0;
}

bool
vm_nests_hypervisors(const struct model *model, const char *vm)
{
    g_autoptr(GVariant) platform = model_get(model, vm, dm_field_find(vm_class(), "platform"));

    return vm_is_machine(model, vm) &&
           platform_flag(platform, "nested-virt", platform_flag(platform, "exp-nested-hvm", false));
}

/* By BIOS alone, so far. */
static bool
check_firmware(const struct model *model, const char *vm, GError **error)
{
    g_autofree char *firmware = model_get_map_value(model, vm, "HVM_boot_params", "firmware");

    if (!firmware || g_str_equal(firmware, "") || g_str_equal(firmware, "bios"))
        return true;
    if (g_str_equal(firmware, "uefi"))
        api_error_set(error, "NOT_IMPLEMENTED", "HVM_boot_params:firmware uefi", NULL);
    else
        api_error_set(error, "INVALID_VALUE", "HVM_boot_params:firmware", firmware, NULL);
    return false;
}

/* All sockets have as many cores. */
static bool
check_sockets(const struct model *model, const char *vm, GVariant *platform, GError **error)
{
    gint64 vcpus = model_get_int(model, vm, "VCPUs_max");
    gint64 cores = platform_number(platform, "cores-per-socket");

    if (cores == 0 || vcpus % cores == 0)
        return true;
    g_autofree char *vcpus_text = g_strdup_printf("%" G_GINT64_FORMAT, vcpus);
    g_autofree char *cores_text = g_strdup_printf("%" G_GINT64_FORMAT, cores);
    api_error_set(error, "VCPU_MAX_NOT_CORES_PER_SOCKET_MULTIPLE", vcpus_text, cores_text, NULL);
    return false;
}

/* From what a whole machine boots: letters, c a disk, d a CD, n the network. */
static bool
add_boot_order(const struct model *model, const char *vm, GVariantBuilder *config, GError **error)
{
    g_autofree char *order = model_get_map_value(model, vm, "HVM_boot_params", "order");
    g_autofree char *lower = g_ascii_strdown(order && *order ? order : "cd", -1);

    if (!check_firmware(model, vm, error))
        return false;
    if (strlen(lower) > 3 || strspn(lower, "cdn") != strlen(lower)) {
        api_error_set(error, "INVALID_VALUE", "HVM_boot_params:order", order, NULL);
        return false;
    }
    g_variant_builder_add(config, "{sv}", "boot", g_variant_new_string(lower));
    return true;
}

/* A file of the guest-kernel folder, given by its name or its whole path; "" stays "". */
static char *
kernel_file(const struct model *model, const char *vm, const char *field, const char *folder,
            GError **error)
{
    g_autofree char *path = model_get_string(model, vm, field);
    g_autofree char *prefix =
        g_str_has_suffix(folder, "/") ? g_strdup(folder) : g_strconcat(folder, "/", NULL);
    const char *name = g_str_has_prefix(path, prefix) ? path + strlen(prefix) : path;

    if (strchr(name, '/') || g_str_equal(name, "..") || g_str_equal(name, ".")) {
        api_error_set(error, "INVALID_VALUE", field, path, NULL);
        return NULL;
    }
    return g_strdup(name);
}

/* What PV and PVH guests start from. */
static bool
add_kernel(const struct model *model, const char *vm, const char *guest_kernels,
           GVariantBuilder *config, GError **error)
{
    g_autofree char *kernel = kernel_file(model, vm, "PV_kernel", guest_kernels, error);
    if (!kernel)
        return false;
    g_autofree char *ramdisk = kernel_file(model, vm, "PV_ramdisk", guest_kernels, error);
    if (!ramdisk)
        return false;
    if (!*kernel) {
        g_autofree char *bootloader = model_get_string(model, vm, "PV_bootloader");
        if (*bootloader)
            api_error_set(error, "NOT_IMPLEMENTED", "PV_bootloader", NULL);
        else
            api_error_set(error, "INVALID_VALUE", "PV_kernel", "", NULL);
        return false;
    }
    g_autofree char *cmdline = model_get_string(model, vm, "PV_args");
    g_variant_builder_add(config, "{sv}", "kernel", g_variant_new_string(kernel));
    g_variant_builder_add(config, "{sv}", "ramdisk", g_variant_new_string(ramdisk));
    g_variant_builder_add(config, "{sv}", "cmdline", g_variant_new_string(cmdline));
    return true;
}

/* The default policy is the hypervisor's own. */
static void
add_numa(const struct model *model, const char *host, GVariantBuilder *config)
{
    g_autofree char *policy = model_get_string(model, host, "numa_affinity_policy");

    if (!g_str_equal(policy, "default_policy"))
        g_variant_builder_add(config, "{sv}", "numa_placement",
                              g_variant_new_boolean(g_str_equal(policy, "best_effort")));
}

/* Takes the floating list, and leaves an empty one out. */
static void
add_devices(GVariantBuilder *config, const char *name, GVariant *devices)
{
    g_autoptr(GVariant) sunk = g_variant_ref_sink(devices);

    if (g_variant_n_children(sunk))
        g_variant_builder_add(config, "{sv}", name, sunk);
}

/* What its firmware tells a whole machine. */
static bool
add_bios(GVariantBuilder *config, const struct model *model, const char *vm, GError **error)
{
    g_autoptr(GVariant) strings = model_get(model, vm, dm_field_find(vm_class(), "bios_strings"));
    GVariantIter iter;
    const char *key, *value;

    g_variant_iter_init(&iter, strings);
    while (g_variant_iter_next(&iter, "{&s&s}", &key, &value))
        if (!bios_string_key_is_known(key) || !bios_string_value_is_valid(value)) {
            g_autofree char *name = g_strconcat("bios_strings:", key, NULL);
            api_error_set(error, "INVALID_VALUE", name, value, NULL);
            return false;
        }
    if (g_variant_n_children(strings))
        g_variant_builder_add(config, "{sv}", "bios", strings);
    return true;
}

/* Adds what the memory that the host needs for it depends on, but for the sizes. */
static void
add_machine(GVariantBuilder *config, const char *type, gint64 vcpus_max, GVariant *platform)
{
    g_variant_builder_add(config, "{sv}", "type", g_variant_new_string(type));
    g_variant_builder_add(config, "{sv}", "vcpus_max", g_variant_new_int32((int)vcpus_max));
    g_variant_builder_add(config, "{sv}", "platform", platform);
}

static void
add_memory(GVariantBuilder *config, const struct model *model, const char *vm)
{
    gint64 memory_max = model_get_int(model, vm, "memory_static_max");
    gint64 memory_target = model_get_int(model, vm, "memory_dynamic_max");

    g_variant_builder_add(config, "{sv}", "memory_static_max", g_variant_new_int64(memory_max));
    g_variant_builder_add(config, "{sv}", "memory_target",
                          g_variant_new_int64(memory_target > 0 ? memory_target : memory_max));
}

GVariant *
vm_memory_config(const struct model *model, const char *vm, gint64 vcpus_max, gint64 within,
                 GError **error)
{
    const char *type = vm_domain_type(model, vm, error);
    g_autoptr(GVariant) platform = type ? vm_known_entries(model, vm, "platform", error) : NULL;
    GVariantBuilder config;

    if (!platform)
        return NULL;
    g_variant_builder_init(&config, G_VARIANT_TYPE("a{sv}"));
    add_machine(&config, type, vcpus_max, platform);
    if (within)
        g_variant_builder_add(&config, "{sv}", "within", g_variant_new_int64(within));
    else
        add_memory(&config, model, vm);
    return g_variant_builder_end(&config);
}

GVariant *
vm_domain_config(const struct vm_world *world, const char *vm, GError **error)
{
    const struct model *model = world->model;
    const char *type = vm_domain_type(model, vm, error);

    if (!type)
        return NULL;
    g_autofree char *label = model_get_string(model, vm, "name_label");

    g_auto(GVariantDict) sched = G_VARIANT_DICT_INIT(NULL);
    if (!vm_sched_args(model, vm, &sched, error))
        return NULL;
    g_autoptr(GVariant) scheduling = g_variant_ref_sink(g_variant_dict_end(&sched));

    g_autoptr(GVariant) xenstore = vm_known_entries(model, vm, "xenstore_data", error);
    g_autoptr(GVariant) platform = xenstore ? vm_known_entries(model, vm, "platform", error) : NULL;
    if (!platform || !check_sockets(model, vm, platform, error))
        return NULL;

    g_auto(GVariantBuilder) config = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("a{sv}"));
    if (g_str_equal(type, "hvm")
            ? !add_boot_order(model, vm, &config, error) || !add_bios(&config, model, vm, error)
            : !add_kernel(model, vm, world->guest_kernels, &config, error))
        return NULL;
    for (gsize i = 0; i < g_variant_n_children(scheduling); i++) {
        g_autoptr(GVariant) entry = g_variant_get_child_value(scheduling, i);
        g_variant_builder_add_value(&config, entry);
    }
    add_machine(&config, type, model_get_int(model, vm, "VCPUs_max"), platform);
    add_memory(&config, model, vm);
    g_variant_builder_add(&config, "{sv}", "vcpus",
                          g_variant_new_int32((int)model_get_int(model, vm, "VCPUs_at_startup")));
    g_variant_builder_add(&config, "{sv}", "name_label", g_variant_new_string(label));
    g_variant_builder_add(&config, "{sv}", "xenstore", xenstore);
    add_numa(model, world->host, &config);
    add_devices(&config, "disks", vm_disks_config(model, vm));
    add_devices(&config, "nics", vm_nics_config(model, vm));
    return g_variant_ref_sink(g_variant_builder_end(&config));
}
