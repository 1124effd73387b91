/* Domains and the host as values: what List and HostInfo answer. */
#include "config.h"

#include "xapid/domains/backend.h"
#include "xapid/domains/ready.h"

void
domain_info_free(struct domain_info *info)
{
    if (!info)
        return;
    g_free(info->name);
    g_free(info->op_id);
    g_free(info);
}

const char *
domain_state_name(enum domain_state state)
{
    static const char *const names[] = {"running", "paused", "shutdown", "dying", "suspended"};

    return names[state];
}

const char *
shutdown_reason_name(enum shutdown_reason reason)
{
    static const char *const names[] = {"", "poweroff", "reboot", "suspend", "crash"};

    return names[reason];
}

const char *
domain_power_state(const struct domain_info *info)
{
    switch (info->state) {
    case DOMAIN_RUNNING:
        return "running";
    case DOMAIN_PAUSED:
        return "paused";
    case DOMAIN_SHUTDOWN:
    case DOMAIN_DYING:
        break;
    case DOMAIN_SUSPENDED:
        return "suspended";
    }
    return "halted";
}

GVariant *
domain_info_to_variant(const struct domain_info *info, bool half_built, const char *op_id)
{
    GVariantBuilder b;

    g_variant_builder_init(&b, G_VARIANT_TYPE("a{sv}"));
    g_variant_builder_add(&b, "{sv}", "domid", g_variant_new_int32(info->domid));
    g_variant_builder_add(&b, "{sv}", "uuid", g_variant_new_string(info->uuid));
    g_variant_builder_add(&b, "{sv}", "name", g_variant_new_string(info->name));
    g_variant_builder_add(&b, "{sv}", "type", g_variant_new_string(guest_type_name(info->type)));
    g_variant_builder_add(&b, "{sv}", "ours", g_variant_new_boolean(info->ours || half_built));
    g_variant_builder_add(&b, "{sv}", "op_id", g_variant_new_string(op_id ? op_id : info->op_id));
    g_variant_builder_add(&b, "{sv}", "state",
                          g_variant_new_string(domain_state_name(info->state)));
    g_variant_builder_add(&b, "{sv}", "reason",
                          g_variant_new_string(shutdown_reason_name(info->reason)));
    g_variant_builder_add(&b, "{sv}", "memory", g_variant_new_int64(info->memory));
    g_variant_builder_add(&b, "{sv}", "memory_max", g_variant_new_int64(info->memory_max));
    g_variant_builder_add(&b, "{sv}", "vcpus", g_variant_new_int32(info->vcpus));
    g_variant_builder_add(&b, "{sv}", "vcpus_max", g_variant_new_int32(info->vcpus_max));
    g_variant_builder_add(&b, "{sv}", "cpu_time", g_variant_new_int64(info->cpu_time));
    g_variant_builder_add(&b, "{sv}", "cpu_time_at", g_variant_new_int64(info->cpu_time_at));
    g_variant_builder_add(&b, "{sv}", "complete", g_variant_new_boolean(!half_built));
    g_variant_builder_add(
        &b, "{sv}", "ready",
        g_variant_new_boolean(half_built ? g_str_has_prefix(op_id, READY_PREFIX) : ready_is(info)));
    return g_variant_builder_end(&b);
}

void
host_info_clear(struct host_info *info)
{
    g_clear_pointer(&info->xen_version, g_free);
    g_clear_pointer(&info->xen_caps, g_free);
    g_clear_pointer(&info->virt_caps, g_free);
    g_clear_pointer(&info->features_raw, g_free);
    g_clear_pointer(&info->features_host, g_free);
    g_clear_pointer(&info->features_pv, g_free);
    g_clear_pointer(&info->features_hvm, g_free);
}

void
guest_consoles_clear(struct guest_consoles *consoles)
{
    g_clear_pointer(&consoles->screen, g_free);
    g_clear_pointer(&consoles->text, g_free);
}

GVariant *
host_info_to_variant(const struct host_info *info, const char *backend)
{
    const struct {
        const char *key;
        int value;
    } ints[] = {
        {"cpu_count", info->cpu_count},
        {"cpu_khz", info->cpu_khz},
        {"cores_per_socket", info->cores_per_socket},
        {"threads_per_core", info->threads_per_core},
        {"sockets", info->sockets},
        {"nodes", info->nodes},
        {"dom0_vcpus", info->dom0_vcpus},
    };
    const struct {
        const char *key, *value;
    } texts[] = {
        {"xen_version", info->xen_version},     {"xen_caps", info->xen_caps},
        {"virt_caps", info->virt_caps},         {"features_raw", info->features_raw},
        {"features_host", info->features_host}, {"features_pv", info->features_pv},
        {"features_hvm", info->features_hvm},
    };
    GVariantBuilder b;

    g_variant_builder_init(&b, G_VARIANT_TYPE("a{sv}"));
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        g_variant_builder_add(&b, "{sv}", texts[i].key, g_variant_new_string(texts[i].value));
    for (size_t i = 0; i < G_N_ELEMENTS(ints); i++)
        g_variant_builder_add(&b, "{sv}", ints[i].key, g_variant_new_int32(ints[i].value));
    g_variant_builder_add(&b, "{sv}", "memory_total", g_variant_new_int64(info->memory_total));
    g_variant_builder_add(&b, "{sv}", "memory_free", g_variant_new_int64(info->memory_free));
    g_variant_builder_add(&b, "{sv}", "memory_overhead",
                          g_variant_new_int64(info->memory_overhead));
    g_variant_builder_add(&b, "{sv}", "dom0_memory", g_variant_new_int64(info->dom0_memory));
    g_variant_builder_add(&b, "{sv}", "backend", g_variant_new_string(backend));
    return g_variant_builder_end(&b);
}
