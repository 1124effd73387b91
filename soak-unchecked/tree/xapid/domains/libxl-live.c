/* What libxl changes of a domain that runs: VCPUs, memory, scheduling; and events sent to it. */
#include "config.h"

#include <libxl_utils.h>

#include "lib/error.h"
#include "xapid/domains/libxl-internal.h"
#include "xapid/domains/reserve.h"

static bool
set_vcpus(struct backend_ctx *ctx, const struct domain_info *info, int vcpus, GError **error)
{
    libxl_bitmap online;
    int rc;

    libxl_bitmap_init(&online);
    rc = libxl_cpu_bitmap_alloc(ctx->ctx, &online, info->vcpus_max);
    if (rc == 0) {
        libxl_bitmap_set_none(&online);
        for (int i = 0; i < vcpus; i++)
            libxl_bitmap_set(&online, i);
        rc = libxl_set_vcpuonline(ctx->ctx, (uint32_t)info->domid, &online, NULL);
    }
    libxl_bitmap_dispose(&online);
    return rc ? libxl_failed(ctx, rc, "libxl_set_vcpuonline", error) : true;
}

/* The guest's balloon goes there in its own time, and never beyond: enforced. */
static bool
set_memory(struct backend_ctx *ctx, const struct domain_info *info, int64_t target, GError **error)
{
    uint64_t more = target > info->memory ? (uint64_t)(target - info->memory) / 1024 : 0;
    int rc, reserved = libxl_reserve(ctx, info->uuid, more, error);

    if (reserved < 0)
        return false;
    rc = libxl_set_memory_target(ctx->ctx, (uint32_t)info->domid, target / 1024, /* relative= */ 0,
                                 /* enforce= */ 1);
    reserve_end(ctx->reserves, info->uuid, reserved);
    if (rc == ERROR_INVAL) {
        g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, target);
        api_error_set(error, "INVALID_VALUE", "memory_target", text, NULL);
        return false;
    }
    return rc ? libxl_failed(ctx, rc, "libxl_set_memory_target", error) : true;
}

static bool
set_shares(struct backend_ctx *ctx, const struct domain_info *info, const struct guest_sched *sched,
           GError **error)
{
    libxl_domain_sched_params params;
    int rc;

    libxl_domain_sched_params_init(&params);
    if (sched->weight)
        params.weight = sched->weight;
    if (sched->cap >= 0)
        params.cap = sched->cap;
    rc = libxl_domain_sched_params_set(ctx->ctx, (uint32_t)info->domid, &params);
    libxl_domain_sched_params_dispose(&params);
    return rc ? libxl_failed(ctx, rc, "libxl_domain_sched_params_set", error) : true;
}

/* Those of the CPUs that the host has; libxl_bitmap_dispose () in any case. */
static bool
find_cpus(struct backend_ctx *ctx, GVariant *cpus, libxl_bitmap *ret_hard, GError **error)
{
    int n_cpus = libxl_get_max_cpus(ctx->ctx);

    libxl_bitmap_init(ret_hard);
    if (n_cpus <= 0)
        return libxl_failed(ctx, n_cpus, "libxl_get_max_cpus", error);
    libxl_cpus_fill(ctx->ctx, cpus, n_cpus, ret_hard);
    if (!libxl_bitmap_is_empty(ret_hard))
        return true;
    api_error_set(error, "INVALID_VALUE", "cpus", "none of them is there", NULL);
    return false;
}

bool
libxl_check_cpus(struct backend_ctx *ctx, GVariant *cpus, GError **error)
{
    libxl_bitmap hard;
    bool ok = find_cpus(ctx, cpus, &hard, error);

    libxl_bitmap_dispose(&hard);
    return ok;
}

static bool
set_affinity(struct backend_ctx *ctx, const struct domain_info *info, GVariant *cpus,
             GError **error)
{
    libxl_bitmap hard;
    int rc;

    if (!find_cpus(ctx, cpus, &hard, error)) {
        libxl_bitmap_dispose(&hard);
        return false;
    }
    rc = libxl_set_vcpuaffinity_all(ctx->ctx, (uint32_t)info->domid, (unsigned)info->vcpus_max,
                                    &hard, NULL);
    libxl_bitmap_dispose(&hard);
    return rc ? libxl_failed(ctx, rc, "libxl_set_vcpuaffinity_all", error) : true;
}

bool
libxl_backend_adjust(struct backend_ctx *ctx, const struct domain_info *info,
                     const struct adjustment *wanted, GError **error)
{
    const struct guest_sched *sched = &wanted->sched;

    if (wanted->memory_target && !set_memory(ctx, info, wanted->memory_target, error))
        return false;
    if (wanted->vcpus && !set_vcpus(ctx, info, wanted->vcpus, error))
        return false;
    if ((sched->weight || sched->cap >= 0) && !set_shares(ctx, info, sched, error))
        return false;
    return !sched->cpus || set_affinity(ctx, info, sched->cpus, error);
}

bool
libxl_backend_signal(struct backend_ctx *ctx, int domid, enum guest_trigger trigger, char key,
                     GError **error)
{
    static const libxl_trigger triggers[] = {
        [TRIGGER_NMI] = LIBXL_TRIGGER_NMI,     [TRIGGER_RESET] = LIBXL_TRIGGER_RESET,
        [TRIGGER_INIT] = LIBXL_TRIGGER_INIT,   [TRIGGER_POWER] = LIBXL_TRIGGER_POWER,
        [TRIGGER_SLEEP] = LIBXL_TRIGGER_SLEEP, [TRIGGER_S3RESUME] = LIBXL_TRIGGER_S3RESUME};
    int rc;

    if (trigger == TRIGGER_SYSRQ) {
        rc = libxl_send_sysrq(ctx->ctx, (uint32_t)domid, key);
        return rc ? libxl_failed(ctx, rc, "libxl_send_sysrq", error) : true;
    }
    rc = libxl_send_trigger(ctx->ctx, (uint32_t)domid, triggers[trigger], /* vcpuid= */ 0, NULL);
    return rc ? libxl_failed(ctx, rc, "libxl_send_trigger", error) : true;
}
