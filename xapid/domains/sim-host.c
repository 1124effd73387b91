#include "config.h"

#include "xapid/domains/sim-host.h"

#include "xapid/domains/sim-world.h"

static void
add_memory(const struct world_domain *domain, void *data)
{
    int64_t *sum = data;

    *sum += domain->memory;
}

bool
sim_probe(struct backend_ctx *ctx, GError **error)
{
    (void)ctx;
    (void)error;
    return true;
}

bool
sim_host_info(struct backend_ctx *ctx, struct host_info *ret_info, GError **error)
{
    struct world *world = sim_world(ctx);
    const struct world_host *host = world_host(world);
    int64_t given = host->dom0_memory;

    (void)error;
    struct host_info info = {
        .xen_version = g_strdup("4.17.0-simulated"),
        .xen_caps = g_strdup("xen-3.0-x86_64 hvm-3.0-x86_32 hvm-3.0-x86_32p hvm-3.0-x86_64"),
        .virt_caps = g_strdup("pv hvm hap"),
        .features_raw = g_strdup("178bfbff-f6f83203-2e500800-000001f7"),
        .features_host = g_strdup("178bfbff-f6f83203-2c500800-000001f3"),
        .features_pv = g_strdup("178bfbff-f6d83203-28500800-00000173"),
        .features_hvm = g_strdup("178bfbff-f6f83203-2c500800-000001f3"),
        .cpu_count = host->cpus,
        .cpu_khz = 2400000,
        .cores_per_socket = host->cpus,
        .threads_per_core = 1,
        .sockets = 1,
        .nodes = 1,
        .memory_total = host->memory,
        .dom0_memory = host->dom0_memory,
        .dom0_vcpus = host->cpus,
    };
    world_lock(world);
    info.memory_free = world_memory_free(world);
    world_each(world, NULL, add_memory, &given);
    world_unlock(world);
    info.memory_overhead = info.memory_total - info.memory_free - given;
    *ret_info = info;
    return true;
}

bool
sim_need_memory(struct backend_ctx *ctx, const char *uuid, const struct guest_config *config,
                int64_t *ret_bytes, GError **error)
{
    (void)uuid;
    (void)error;
    *ret_bytes =
        world_memory_need(world_host(sim_world(ctx)), config->memory_target, config->vcpus_max);
    return true;
}
