#include "config.h"

#include "xapid/pool/templates.h"

#include "xapid/model/journal.h"
#include "xapid/vm/vm.h"

#define MIB ((gint64)1 << 20)
#define GIB ((gint64)1 << 30)
#define MEMORY_MAX (1024 * GIB) /* that clients offer */

/* What starts in it: of machines that boot by firmware, what is installed from a CD; of the others,
 * a kernel of the host's. */
enum system { ANY, LINUX, WINDOWS, LINUX_PVH, LINUX_PV };

/* `key` is the template's name for ever, in the journal and as reference_label; what clients show
 * may change.  A system gets less than the memory of `memory` only when its user wants that. */
static const struct template
{
    const char *key;
    const char *name, *description;
    enum system system;
    gint64 memory_min, memory; /* MiB */
    gint64 vcpus;
    gint64 disk; /* GiB; 0: VM.provision makes none */
}
templates[] = {
    {"other-install-media", "Other install media",
     "A machine with a BIOS, for any system that is installed from a CD. It brings no disk.", ANY,
     128, 1024, 1, 0},
    {"debian-12", "Debian 12", "Installed from a CD of Debian 12 (bookworm).", LINUX, 256, 1024, 1,
     10},
    {"debian-11", "Debian 11", "Installed from a CD of Debian 11 (bullseye).", LINUX, 256, 1024, 1,
     10},
    {"ubuntu-24.04", "Ubuntu 24.04 LTS", "Installed from a CD of Ubuntu 24.04 (noble).", LINUX,
     1024, 4096, 2, 25},
    {"ubuntu-22.04", "Ubuntu 22.04 LTS", "Installed from a CD of Ubuntu 22.04 (jammy).", LINUX,
     1024, 4096, 2, 25},
    {"rhel-9", "RHEL, AlmaLinux, Rocky Linux 9",
     "Installed from a CD of Red Hat Enterprise Linux 9 or of a system built like it.", LINUX, 1536,
     2048, 2, 20},
    {"rhel-8", "RHEL, AlmaLinux, Rocky Linux 8",
     "Installed from a CD of Red Hat Enterprise Linux 8 or of a system built like it.", LINUX, 1536,
     2048, 2, 20},
    {"alpine-3", "Alpine Linux 3", "Installed from a CD of Alpine Linux.", LINUX, 128, 512, 1, 2},
    {"windows-server-2022", "Windows Server 2022", "Installed from a CD of Windows Server 2022.",
     WINDOWS, 2048, 4096, 2, 40},
    {"windows-server-2019", "Windows Server 2019", "Installed from a CD of Windows Server 2019.",
     WINDOWS, 2048, 4096, 2, 40},
    {"windows-10", "Windows 10 (64 bit)", "Installed from a CD of Windows 10.", WINDOWS, 2048, 4096,
     2, 40},
    {"linux-pvh", "Linux with a kernel of the host (PVH)",
     "Starts the file of the host's folder of kernels that PV_kernel names; its disk is xvda.",
     LINUX_PVH, 128, 512, 1, 8},
    {"linux-pv", "Linux with a kernel of the host (PV)",
     "Starts the file of the host's folder of kernels that PV_kernel names; its disk is xvda.",
     LINUX_PV, 128, 512, 1, 8},
};

/* ---- fields ---- */

static bool
is_machine(const struct template *template)
{
    return template->system <= WINDOWS;
}

/* Adds NULL-terminated (key, value) pairs. */
static void
add_pairs(GVariantBuilder *map, const char *const *pairs)
{
    for (; *pairs; pairs += 2)
        g_variant_builder_add(map, "{ss}", pairs[0], pairs[1]);
}

static GVariant *
platform_of(const struct template *template)
{
    static const char *const all[] = {"cores-per-socket", "1", "secureboot", "false", NULL};
    static const char *const machine[] = {
        "acpi", "1",        "apic", "true",         "pae",
        "true", "nx",       "true", "hpet",         "true",
        "vga",  "std",      "usb",  "true",         "usb_tablet",
        "true", "videoram", "8",    "device-model", "qemu-upstream-compat",
        NULL};
    static const char *const plain[] = {"viridian", "false", NULL};
    /* Its drivers look for this number; the rest is what makes a Windows guest idle well. */
    static const char *const windows[] = {"device_id",
                                          "0002",
                                          "viridian",
                                          "true",
                                          "viridian_time_ref_count",
                                          "true",
                                          "viridian_reference_tsc",
                                          "true",
                                          "viridian_apic_assist",
                                          "true",
                                          "viridian_crash_ctl",
                                          "true",
                                          "viridian_stimer",
                                          "true",
                                          NULL};
    GVariantBuilder map;

    g_variant_builder_init(&map, G_VARIANT_TYPE("a{ss}"));
    add_pairs(&map, all);
    if (is_machine(template)) {
        add_pairs(&map, machine);
        add_pairs(&map, template->system == WINDOWS ? windows : plain);
    }
    return g_variant_builder_end(&map);
}

static GVariant *
boot_of(const struct template *template)
{
    /* An empty disk is passed over: the CD that the system is installed from. */
    static const char *const bios[] = {"order", "cdn", "firmware", "bios", NULL};
    GVariantBuilder map;

    g_variant_builder_init(&map, G_VARIANT_TYPE("a{ss}"));
    if (is_machine(template))
        add_pairs(&map, bios);
    return g_variant_builder_end(&map);
}

static GVariant *
other_config_of(const struct template *template)
{
    static const char *const all[] = {"default_template", "true", NULL};
    static const char *const of_linux[] = {"linux_template", "true", NULL};
    static const char *const machine[] = {"install-methods", "cdrom", NULL};
    GVariantBuilder map;

    g_variant_builder_init(&map, G_VARIANT_TYPE("a{ss}"));
    add_pairs(&map, all);
    if (template->system != ANY && template->system != WINDOWS)
        add_pairs(&map, of_linux);
    if (is_machine(template))
        add_pairs(&map, machine);
    if (template->disk) {
        g_autofree char *disks =
            g_strdup_printf("<provision><disk device=\"0\" size=\"%" G_GINT64_FORMAT
                            "\" sr=\"\" bootable=\"true\" type=\"system\"/></provision>",
                            template->disk * GIB);
        g_variant_builder_add(&map, "{ss}", "disks", disks);
    }
    return g_variant_builder_end(&map);
}

/* What clients let their users choose. */
static char *
recommendations_of(const struct template *template)
{
    return g_strdup_printf("<restrictions>"
                           "<restriction field=\"memory-static-min\" min=\"%" G_GINT64_FORMAT "\"/>"
                           "<restriction field=\"memory-static-max\" max=\"%" G_GINT64_FORMAT "\"/>"
                           "<restriction field=\"vcpus-max\" max=\"%d\"/>"
                           "<restriction field=\"has-vendor-device\" value=\"false\"/>"
                           "<restriction field=\"supports-bios\" value=\"%s\"/>"
                           "<restriction field=\"supports-uefi\" value=\"no\"/>"
                           "<restriction field=\"supports-secure-boot\" value=\"no\"/>"
                           "<restriction property=\"number-of-vbds\" max=\"%d\"/>"
                           "<restriction property=\"number-of-vifs\" max=\"%d\"/>"
                           "</restrictions>",
                           template->memory_min * MIB, MEMORY_MAX, VM_MAX_VCPUS,
                           is_machine(template) ? "yes" : "no", VBD_POSITION_MAX + 1,
                           VIF_POSITION_MAX + 1);
}

static const char *
domain_type_of(const struct template *template)
{
    return is_machine(template) ? "hvm" : template->system == LINUX_PVH ? "pvh" : "pv";
}

static GVariant *
row_of(const struct template *template, const char *metrics)
{
    g_autofree char *recommendations = recommendations_of(template);
    gint64 memory = template->memory * MIB, memory_min = template->memory_min * MIB;
    GVariantDict row;

    g_variant_dict_init(&row, NULL);
    g_variant_dict_insert(&row, "name_label", "s", template->name);
    g_variant_dict_insert(&row, "name_description", "s", template->description);
    g_variant_dict_insert(&row, "reference_label", "s", template->key);
    g_variant_dict_insert(&row, "user_version", "x", (gint64)1);
    g_variant_dict_insert(&row, "is_a_template", "b", TRUE);
    g_variant_dict_insert(&row, "is_default_template", "b", TRUE);
    g_variant_dict_insert(&row, "has_vendor_device", "b", FALSE);
    g_variant_dict_insert(&row, "power_state", "s", "Halted");
    g_variant_dict_insert(&row, "domid", "x", (gint64)-1);
    g_variant_dict_insert(&row, "metrics", "s", metrics);
    g_variant_dict_insert(&row, "memory_static_min", "x", memory_min);
    g_variant_dict_insert(&row, "memory_dynamic_min", "x", memory);
    g_variant_dict_insert(&row, "memory_dynamic_max", "x", memory);
    g_variant_dict_insert(&row, "memory_static_max", "x", memory);
    g_variant_dict_insert(&row, "VCPUs_max", "x", template->vcpus);
    g_variant_dict_insert(&row, "VCPUs_at_startup", "x", template->vcpus);
    g_variant_dict_insert(&row, "actions_after_shutdown", "s", "destroy");
    g_variant_dict_insert(&row, "actions_after_reboot", "s", "restart");
    g_variant_dict_insert(&row, "actions_after_crash", "s", "restart");
    g_variant_dict_insert(&row, "domain_type", "s", domain_type_of(template));
    g_variant_dict_insert(&row, "HVM_boot_policy", "s", is_machine(template) ? "BIOS order" : "");
    g_variant_dict_insert_value(&row, "HVM_boot_params", boot_of(template));
    g_variant_dict_insert(&row, "PV_args", "s",
                          is_machine(template) ? "" : "root=/dev/xvda ro console=hvc0");
    g_variant_dict_insert_value(&row, "platform", platform_of(template));
    g_variant_dict_insert_value(&row, "other_config", other_config_of(template));
    g_variant_dict_insert(&row, "recommendations", "s", recommendations);
    return g_variant_dict_end(&row);
}

/* ---- making them ---- */

static bool
create_template(struct txn *txn, const struct template *template, GError **error)
{
    g_autoptr(GVariant) none =
        g_variant_ref_sink(g_variant_new_array(G_VARIANT_TYPE("{sv}"), NULL, 0));
    const char *metrics = txn_create(txn, dm_class_find("VM_metrics", false), NULL, none, error);

    if (!metrics)
        return false;
    g_autoptr(GVariant) row = g_variant_ref_sink(row_of(template, metrics));
    return txn_create(txn, vm_class(), NULL, row, error) != NULL;
}

/* The keys of those that were made before; the caller frees the array, and `kept` has the words. */
static GPtrArray *
keys_of(GVariant *kept)
{
    GPtrArray *keys = g_ptr_array_new();
    GVariantIter iter;
    const char *key;

    if (!kept || !g_variant_is_of_type(kept, G_VARIANT_TYPE(JOURNAL_TEMPLATES_TYPE)))
        return keys;
    g_variant_iter_init(&iter, kept);
    while (g_variant_iter_next(&iter, "&s", &key))
        g_ptr_array_add(keys, (char *)key);
    return keys;
}

bool
templates_ensure(struct model *model, GError **error)
{
    GVariant *kept = g_hash_table_lookup(model_journal(model), JOURNAL_TEMPLATES);
    g_autoptr(GPtrArray) keys = keys_of(kept);
    struct txn *txn = model_begin(model, error);
    guint before = keys->len;

    if (!txn)
        return false;
    for (unsigned i = 0; i < G_N_ELEMENTS(templates); i++) {
        if (g_ptr_array_find_with_equal_func(keys, templates[i].key, g_str_equal, NULL))
            continue;
        if (!create_template(txn, &templates[i], error)) {
            txn_abort(txn);
            return false;
        }
        g_ptr_array_add(keys, (char *)templates[i].key);
    }
    if (keys->len > before)
        txn_journal(txn, JOURNAL_TEMPLATES,
                    g_variant_new_strv((const char *const *)keys->pdata, keys->len));
    return txn_commit(txn, error) != 0;
}
