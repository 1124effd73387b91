/* What memory and virtual CPUs a VM may have, and how the hypervisor is to schedule it. */
#include "config.h"

#include <string.h>

#include "lib/error.h"
#include "xapid/vm/vm.h"

bool
vm_check_memory(const struct vm_memory *memory, GError **error)
{
    if (0 > memory->static_min || memory->static_min > memory->dynamic_min ||
        memory->dynamic_min > memory->dynamic_max || memory->dynamic_max > memory->static_max) {
        api_error_set(error, "MEMORY_CONSTRAINT_VIOLATION",
                      "0 <= memory_static_min <= memory_dynamic_min <= memory_dynamic_max <= "
                      "memory_static_max",
                      NULL);
        return false;
    }
    if (memory->static_max < VM_MIN_MEMORY) {
        g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, memory->static_max);
        api_error_set(error, "INVALID_VALUE", "memory_static_max", text, NULL);
        return false;
    }
    return true;
}

bool
vm_check_vcpus(gint64 at_startup, gint64 max, GError **error)
{
    g_autofree char *text = NULL;

    if (1 <= at_startup && at_startup <= max && max <= VM_MAX_VCPUS)
        return true;
    text = g_strdup_printf("%" G_GINT64_FORMAT " of %" G_GINT64_FORMAT, at_startup, max);
    api_error_set(error, "INVALID_VALUE", "VCPUs", text, NULL);
    return false;
}

bool
vm_must_be_halted(const struct model *model, const char *vm, GError **error)
{
    g_autofree char *state = model_get_string(model, vm, "power_state");
    g_autofree char *actual = g_ascii_strdown(state, -1);

    if (g_str_equal(state, "Halted"))
        return true;
    api_error_set(error, "VM_BAD_POWER_STATE", vm, "halted", actual, NULL);
    return false;
}

/* ---- VCPUs_params ---- */

static bool
add_number(GVariantDict *args, const char *key, const char *value, gint64 low, gint64 high)
{
    guint64 number;

    if (!g_ascii_string_to_unsigned(value, 10, (guint64)low, (guint64)high, &number, NULL))
        return false;
    g_variant_dict_insert(args, key, "i", (gint32)number);
    return true;
}

/* "0,2,3" */
static bool
add_mask(GVariantDict *args, const char *value)
{
    g_auto(GStrv) words = g_strsplit(value, ",", VM_MAX_CPUS + 1);
    g_autoptr(GVariantBuilder) cpus = g_variant_builder_new(G_VARIANT_TYPE("ai"));
    guint64 number;

    for (char **word = words; *word; word++) {
        if (!g_ascii_string_to_unsigned(g_strstrip(*word), 10, 0, VM_MAX_CPUS - 1, &number, NULL))
            return false;
        g_variant_builder_add(cpus, "i", (gint32)number);
    }
    if (!*words)
        return false;
    g_variant_dict_insert_value(args, "cpus", g_variant_builder_end(cpus));
    return true;
}

bool
vm_sched_key(const char *key)
{
    return g_str_equal(key, "weight") || g_str_equal(key, "cap") || g_str_equal(key, "mask");
}

bool
vm_sched_add(GVariantDict *args, const char *key, const char *value, GError **error)
{
    bool ok = g_str_equal(key, "mask")  ? add_mask(args, value)
              : g_str_equal(key, "cap") ? add_number(args, key, value, 0, 100 * VM_MAX_VCPUS)
                                        : add_number(args, key, value, 1, VM_MAX_WEIGHT);
    g_autofree char *name = g_strconcat("VCPUs_params:", key, NULL);

    if (!ok)
        api_error_set(error, "INVALID_VALUE", name, value, NULL);
    return ok;
}

bool
vm_sched_args(const struct model *model, const char *vm, GVariantDict *args, GError **error)
{
    g_autoptr(GVariant) params = model_get(model, vm, dm_field_find(vm_class(), "VCPUs_params"));
    GVariantIter iter;
    const char *key, *value;

    g_variant_iter_init(&iter, params);
    while (g_variant_iter_next(&iter, "{&s&s}", &key, &value))
        if (vm_sched_key(key) && !vm_sched_add(args, key, value, error))
            return false;
    return true;
}

GVariant *
vm_map_with(GVariant *map, const char *key, const char *value)
{
    GVariantBuilder out;
    GVariantIter iter;
    const char *its, *its_value;

    g_variant_builder_init(&out, G_VARIANT_TYPE("a{ss}"));
    g_variant_iter_init(&iter, map);
    while (g_variant_iter_next(&iter, "{&s&s}", &its, &its_value))
        if (!g_str_equal(its, key))
            g_variant_builder_add(&out, "{ss}", its, its_value);
    if (value)
        g_variant_builder_add(&out, "{ss}", key, value);
    return g_variant_builder_end(&out);
}
