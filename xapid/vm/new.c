/* The row of a new VM, from a record of a client's. */
#include "config.h"

#include "xapid/vm/vm.h"

/* A record may leave any field out. */
static gint64
get_int(GVariant *fields, const char *name, gint64 otherwise)
{
    gint64 value;

    return g_variant_lookup(fields, name, "x", &value) ? value : otherwise;
}

bool
vm_check_new(GVariant *fields, GError **error)
{
    gint64 static_max = get_int(fields, "memory_static_max", 0);
    gint64 static_min = get_int(fields, "memory_static_min", 0);
    gint64 dynamic_max = get_int(fields, "memory_dynamic_max", static_max);
    gint64 dynamic_min = get_int(fields, "memory_dynamic_min", static_min);
    gint64 max = get_int(fields, "VCPUs_max", 1);
    gint64 at_startup = get_int(fields, "VCPUs_at_startup", max);

    const struct vm_memory memory = {.static_min = static_min,
                                     .dynamic_min = dynamic_min,
                                     .dynamic_max = dynamic_max,
                                     .static_max = static_max};
    return vm_check_memory(&memory, error) && vm_check_vcpus(at_startup, max, error);
}

/* MAC addresses are made from other_config's mac_seed; a record that brings none gets its own. */
static GVariant *
with_mac_seed(GVariant *fields)
{
    g_autoptr(GVariant) given =
        g_variant_lookup_value(fields, "other_config", G_VARIANT_TYPE("a{ss}"));
    g_autofree char *seed = g_uuid_string_random();
    const char *its;
    GVariantBuilder map;

    g_variant_builder_init(&map, G_VARIANT_TYPE("a{ss}"));
    for (gsize i = 0; given && i < g_variant_n_children(given); i++) {
        g_autoptr(GVariant) entry = g_variant_get_child_value(given, i);
        g_variant_builder_add_value(&map, entry);
    }
    if (!given || !g_variant_lookup(given, "mac_seed", "&s", &its))
        g_variant_builder_add(&map, "{ss}", "mac_seed", seed);
    return g_variant_builder_end(&map);
}

GVariant *
vm_complete_new(GVariant *fields, const char *metrics)
{
    gint64 static_max = get_int(fields, "memory_static_max", 0);
    gint64 static_min = get_int(fields, "memory_static_min", 0);
    gint64 vcpus = get_int(fields, "VCPUs_max", 1);
    const char *type = "unspecified", *policy = "";
    GVariantDict dict;

    g_variant_dict_init(&dict, fields);
    g_variant_dict_insert(&dict, "memory_dynamic_max", "x",
                          get_int(fields, "memory_dynamic_max", static_max));
    g_variant_dict_insert(&dict, "memory_dynamic_min", "x",
                          get_int(fields, "memory_dynamic_min", static_min));
    g_variant_dict_insert(&dict, "VCPUs_max", "x", vcpus);
    g_variant_dict_insert(&dict, "VCPUs_at_startup", "x",
                          get_int(fields, "VCPUs_at_startup", vcpus));
    g_variant_lookup(fields, "domain_type", "&s", &type);
    g_variant_lookup(fields, "HVM_boot_policy", "&s", &policy);
    if (g_str_equal(type, "unspecified"))
        g_variant_dict_insert(&dict, "domain_type", "s", *policy ? "hvm" : "pv");
    g_variant_dict_insert_value(&dict, "other_config", with_mac_seed(fields));
    g_variant_dict_insert(&dict, "power_state", "s", "Halted");
    g_variant_dict_insert(&dict, "domid", "x", (gint64)-1);
    g_variant_dict_insert(&dict, "metrics", "s", metrics);
    return g_variant_dict_end(&dict);
}
