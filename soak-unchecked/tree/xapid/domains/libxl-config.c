/* From a guest config to libxl's; see libxl-config.h. */
#include "config.h"

#include "xapid/domains/libxl-config.h"

#include <libxl_utils.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "xapid/domains/libxl-platform.h"

void *
libxl_allocate(size_t n, size_t size)
{
    void *memory = calloc(n, size);

    if (!memory)
        g_error("out of memory");
    return memory;
}

char *
libxl_copy(const char *text)
{
    char *out = strdup(text);

    if (!out)
        g_error("out of memory");
    return out;
}

/* a{ss} as libxl's list: key, value, …, NULL. */
static libxl_key_value_list
key_values(GVariant *map)
{
    gsize n = g_variant_n_children(map);
    libxl_key_value_list list;
    GVariantIter iter;
    const char *key, *value;
    size_t i = 0;

    if (n == 0)
        return NULL;
    list = libxl_allocate(2 * n + 1, sizeof *list);
    g_variant_iter_init(&iter, map);
    while (g_variant_iter_next(&iter, "{&s&s}", &key, &value)) {
        list[i++] = libxl_copy(key);
        list[i++] = libxl_copy(value);
    }
    return list;
}

void
libxl_cpus_fill(libxl_ctx *ctx, GVariant *cpus, int n_cpus, libxl_bitmap *bitmap)
{
    GVariantIter iter;
    int cpu;

    if (libxl_cpu_bitmap_alloc(ctx, bitmap, n_cpus) < 0)
        g_error("out of memory");
    libxl_bitmap_set_none(bitmap);
    g_variant_iter_init(&iter, cpus);
    while (g_variant_iter_next(&iter, "i", &cpu))
        if (cpu < n_cpus)
            libxl_bitmap_set(bitmap, cpu);
}

/* One bitmap a VCPU, as libxl wants them. */
static void
fill_affinity(libxl_ctx *ctx, const struct guest_config *guest, libxl_domain_build_info *b)
{
    b->num_vcpu_hard_affinity = guest->vcpus_max;
    b->vcpu_hard_affinity = libxl_allocate((size_t)guest->vcpus_max, sizeof(libxl_bitmap));
    for (int i = 0; i < guest->vcpus_max; i++)
        libxl_cpus_fill(ctx, guest->sched.cpus, CONFIG_CPU_MAX + 1, &b->vcpu_hard_affinity[i]);
}

/* Is there a disk that only QEMU's emulation can serve? */
static bool
has_image(const struct guest_config *guest)
{
    for (guint i = 0; i < guest->disks->len; i++) {
        const struct guest_disk *disk = guest->disks->pdata[i];
        if (!disk->cdrom && g_strcmp0(disk->disk.format, "raw") != 0)
            return true;
    }
    return false;
}

/* A whole machine, that its BIOS boots.  Its QEMU drops to a user and a folder of its own. */
static void
fill_machine(const struct guest_config *guest, libxl_domain_build_info *b)
{
    b->device_model_version = LIBXL_DEVICE_MODEL_VERSION_QEMU_XEN;
    libxl_defbool_set(&b->dm_restrict, true);
    /* Without this device the guest's drivers leave the emulated disks alone. */
    libxl_defbool_set(&b->u.hvm.xen_platform_pci, !has_image(guest));
    b->u.hvm.boot = libxl_copy(guest->boot);
}

void
libxl_config_fill(libxl_ctx *ctx, const char *uuid, const struct guest_config *guest,
                  const char *kernel, const char *ramdisk, libxl_domain_config *config)
{
    libxl_domain_create_info *c = &config->c_info;
    libxl_domain_build_info *b = &config->b_info;
    static const libxl_domain_type types[] = {[GUEST_PV] = LIBXL_DOMAIN_TYPE_PV,
                                              [GUEST_PVH] = LIBXL_DOMAIN_TYPE_PVH,
                                              [GUEST_HVM] = LIBXL_DOMAIN_TYPE_HVM};
    libxl_domain_type type = types[guest->type];

    c->type = type;
    c->name = libxl_copy(uuid);
    if (libxl_uuid_from_string(&c->uuid, uuid) < 0)
        g_error("a checked uuid is none: %s", uuid);
    c->xsdata = key_values(guest->xenstore);
    c->platformdata = key_values(guest->platform);

    libxl_domain_build_info_init_type(b, type);
    b->max_memkb = (uint64_t)guest->memory_static_max / 1024;
    b->target_memkb = (uint64_t)guest->memory_target / 1024;
    b->max_vcpus = guest->vcpus_max;
    if (libxl_cpu_bitmap_alloc(ctx, &b->avail_vcpus, guest->vcpus_max) < 0)
        g_error("out of memory");
    libxl_bitmap_set_none(&b->avail_vcpus);
    for (int i = 0; i < guest->vcpus; i++)
        libxl_bitmap_set(&b->avail_vcpus, i);
    if (guest->sched.weight)
        b->sched_params.weight = guest->sched.weight;
    if (guest->sched.cap >= 0)
        b->sched_params.cap = guest->sched.cap;
    if (guest->sched.cpus)
        fill_affinity(ctx, guest, b);
    if (guest->numa != NUMA_DEFAULT)
        libxl_defbool_set(&b->numa_placement, guest->numa == NUMA_PLACED);
    libxl_platform_fill(ctx, uuid, guest, b);
    if (guest->type == GUEST_HVM) {
        fill_machine(guest, b);
    } else {
        b->kernel = libxl_copy(kernel);
        b->ramdisk = ramdisk ? libxl_copy(ramdisk) : NULL;
        b->cmdline = libxl_copy(guest->cmdline);
    }
    /* Claimed at once, so that a build cannot lose its memory half way.  Populate on demand (a
     * target below the maximum, with a translated guest) cannot be claimed. */
    libxl_defbool_set(&b->claim_mode,
                      guest->type == GUEST_PV || guest->memory_target == guest->memory_static_max);
    /* A domain that ended stays until it is told to go, whichever toolstack looks. */
    config->on_poweroff = config->on_reboot = config->on_watchdog = config->on_crash =
        config->on_soft_reset = LIBXL_ACTION_ON_SHUTDOWN_PRESERVE;
}
