/* Domains and the host as libxl has them. */
#include "config.h"

#include <errno.h>

#include <libxl_utils.h>
#include <stdlib.h>
#include <string.h>

#include "lib/error.h"
#include "lib/text.h"
#include "xapid/domains/libxl-internal.h"
#include "xapid/domains/libxl-record.h"

static enum shutdown_reason
reason_of(const libxl_dominfo *dominfo)
{
    if (!dominfo->shutdown)
        return REASON_NONE;
    switch (dominfo->shutdown_reason) {
    case LIBXL_SHUTDOWN_REASON_POWEROFF:
        return REASON_POWEROFF;
    case LIBXL_SHUTDOWN_REASON_REBOOT:
    case LIBXL_SHUTDOWN_REASON_SOFT_RESET:
        return REASON_REBOOT;
    case LIBXL_SHUTDOWN_REASON_SUSPEND:
        return REASON_SUSPEND;
    case LIBXL_SHUTDOWN_REASON_CRASH:
    case LIBXL_SHUTDOWN_REASON_WATCHDOG:
    case LIBXL_SHUTDOWN_REASON_UNKNOWN:
        break;
    }
    return REASON_CRASH;
}

/* To the hypervisor a PVH guest is an HVM one; libxl writes down which. */
static enum guest_type
type_of(struct backend_ctx *ctx, const libxl_dominfo *dominfo)
{
    g_autofree char *path = g_strdup_printf("/libxl/%u/type", dominfo->domid);
    enum guest_type type = GUEST_PVH; /* of what is too young to tell */
    unsigned length;
    char *text;

    if (dominfo->domain_type == LIBXL_DOMAIN_TYPE_PV)
        return GUEST_PV;
    text = xs_read(ctx->xs, XBT_NULL, path, &length);
    if (text && strcmp(text, "hvm") == 0)
        type = GUEST_HVM;
    free(text);
    return type;
}

/* Name, type and record, which may all be missing. */
static void
read_identity(struct backend_ctx *ctx, const libxl_dominfo *dominfo, struct domain_info *info)
{
    struct record record = {0};
    uint8_t *data = NULL;
    int length = 0;
    char *name;

    if (info->domid != 0 &&
        libxl_userdata_retrieve(ctx->ctx, dominfo->domid, RECORD_USERID, &data, &length) == 0) {
        info->ours = record_parse((const char *)data, (gsize)length, info->uuid, &record);
        free(data);
    }
    if (info->ours) {
        info->op_id = record.op_id;
        info->name = record.name_label;
        info->type = record.type;
        return;
    }
    name = libxl_domid_to_name(ctx->ctx, dominfo->domid);
    info->type = type_of(ctx, dominfo);
    info->op_id = g_strdup("");
    info->name = text_clean(name ? name : "", -1);
    info->nameless = !name || !*name || g_str_equal(name, info->uuid);
    free(name);
}

static struct domain_info *
info_new(struct backend_ctx *ctx, const libxl_dominfo *dominfo, const char *uuid, int64_t now_us)
{
    struct domain_info *info = g_new0(struct domain_info, 1);

    info->domid = (int)dominfo->domid;
    g_strlcpy(info->uuid, uuid, sizeof info->uuid);
    info->reason = reason_of(dominfo);
    info->state = dominfo->dying      ? DOMAIN_DYING
                  : dominfo->shutdown ? DOMAIN_SHUTDOWN
                  : dominfo->paused   ? DOMAIN_PAUSED
                                      : DOMAIN_RUNNING;
    info->memory = (int64_t)dominfo->current_memkb * 1024;
    info->memory_max =
        dominfo->max_memkb > INT64_MAX / 1024 ? INT64_MAX : (int64_t)dominfo->max_memkb * 1024;
    info->vcpus = (int)dominfo->vcpu_online;
    info->vcpus_max = (int)dominfo->vcpu_max_id + 1;
    info->cpu_time = (int64_t)dominfo->cpu_time;
    info->cpu_time_at = now_us;
    read_identity(ctx, dominfo, info);
    return info;
}

bool
libxl_backend_list(struct backend_ctx *ctx, const char *uuid, GPtrArray **ret_domains,
                   GError **error)
{
    GPtrArray *domains;
    libxl_dominfo *list;
    int64_t now_us;
    int n = 0;

    list = libxl_list_domain(ctx->ctx, &n);
    now_us = g_get_monotonic_time();
    if (!list)
        return libxl_failed(ctx, ERROR_FAIL, "libxl_list_domain", error);
    domains = g_ptr_array_new_with_free_func((GDestroyNotify)domain_info_free);
    for (int i = 0; i < n; i++) {
        char own[UUID_LENGTH + 1];

        g_snprintf(own, sizeof own, LIBXL_UUID_FMT, LIBXL_UUID_BYTES(list[i].uuid));
        if (!uuid || g_str_equal(uuid, own))
            g_ptr_array_add(domains, info_new(ctx, &list[i], own, now_us));
    }
    libxl_dominfo_list_free(list, n);
    *ret_domains = domains;
    return true;
}

/* Of xenstored, that is: the hypervisor hangs with us. */
bool
libxl_backend_probe(struct backend_ctx *ctx, GError **error)
{
    unsigned length;
    char *name = xs_read(ctx->xs, XBT_NULL, "/local/domain/0/name", &length);
    bool ok = name || errno == ENOENT;

    free(name);
    return ok || libxl_failed(ctx, ERROR_FAIL, "xs_read", error);
}

static char *
virt_caps(const libxl_physinfo *physinfo)
{
    GString *caps = g_string_new(physinfo->cap_pv ? "pv" : "");
    const struct {
        bool has;
        const char *word;
    } words[] = {{physinfo->cap_hvm, "hvm"},
                 {physinfo->cap_hvm_directio, "hvm_directio"},
                 {physinfo->cap_hap, "hap"},
                 {physinfo->cap_shadow, "shadow"}};

    for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
        if (words[i].has)
            g_string_append_printf(caps, "%s%s", caps->len ? " " : "", words[i].word);
    return g_string_free(caps, FALSE);
}

/* KiB that all domains have. */
static bool
given_kb(struct backend_ctx *ctx, uint64_t *ret_kb, GError **error)
{
    int n = 0;
    libxl_dominfo *domains = libxl_list_domain(ctx->ctx, &n);
    uint64_t kb = 0;

    if (!domains)
        return libxl_failed(ctx, ERROR_FAIL, "libxl_list_domain", error);
    for (int i = 0; i < n; i++)
        kb += domains[i].current_memkb;
    libxl_dominfo_list_free(domains, n);
    *ret_kb = kb;
    return true;
}

bool
libxl_backend_host_info(struct backend_ctx *ctx, struct host_info *ret_info, GError **error)
{
    const libxl_version_info *version = libxl_get_version_info(ctx->ctx);
    libxl_physinfo physinfo;
    libxl_dominfo dom0;
    uint64_t free_kb = 0, given = 0;
    struct host_info info = {0};
    int rc;

    if (!version)
        return libxl_failed(ctx, ERROR_FAIL, "libxl_get_version_info", error);
    libxl_physinfo_init(&physinfo);
    libxl_dominfo_init(&dom0);
    rc = libxl_get_physinfo(ctx->ctx, &physinfo);
    if (rc == 0)
        rc = libxl_get_free_memory(ctx->ctx, &free_kb);
    if (rc == 0)
        rc = libxl_domain_info(ctx->ctx, &dom0, 0);
    if (rc) {
        libxl_dominfo_dispose(&dom0);
        libxl_physinfo_dispose(&physinfo);
        return libxl_failed(ctx, rc, "libxl_get_physinfo", error);
    }
    info.xen_version = g_strdup_printf("%d.%d%s", version->xen_version_major,
                                       version->xen_version_minor, version->xen_version_extra);
    info.xen_caps = g_strstrip(text_clean(version->capabilities, -1));
    info.virt_caps = virt_caps(&physinfo);
    info.cpu_count = (int)physinfo.nr_cpus;
    info.cpu_khz = (int)physinfo.cpu_khz;
    info.cores_per_socket = (int)MAX(physinfo.cores_per_socket, 1);
    info.threads_per_core = (int)MAX(physinfo.threads_per_core, 1);
    info.sockets = MAX(info.cpu_count / (info.cores_per_socket * info.threads_per_core), 1);
    info.nodes = (int)physinfo.nr_nodes;
    info.memory_total = (int64_t)physinfo.total_pages * version->pagesize;
    info.memory_free = (int64_t)free_kb * 1024;
    info.dom0_memory = (int64_t)dom0.current_memkb * 1024;
    info.dom0_vcpus = (int)dom0.vcpu_online;
    libxl_dominfo_dispose(&dom0);
    libxl_physinfo_dispose(&physinfo);
    if (!given_kb(ctx, &given, error) || !libxl_read_features(ctx, &info, error)) {
        host_info_clear(&info);
        return false;
    }
    info.memory_overhead = info.memory_total - info.memory_free - (int64_t)given * 1024;
    *ret_info = info;
    return true;
}
