#include "config.h"

#include "xapid/domains/libxl-platform.h"

#include <libxl_utils.h>

#include "lib/log.h"
#include "lib/member.h"
#include "lib/platform.h"

#define VGA_STD_MIN_MIB 16 /* libxl takes no less for these two */
#define VGA_CIRRUS_MIN_MIB 8

/* What is not said is as libxl has it. */
static void
set_flag(GVariant *platform, const char *key, libxl_defbool *field)
{
    if (*member_text(platform, key))
        libxl_defbool_set(field, platform_flag(platform, key, false));
}

/* The screen is there when platform says of which kind, and is shown on a socket alone. */
static void
fill_screen(GVariant *platform, const char *uuid, libxl_domain_build_info *b)
{
    const char *kind = member_text(platform, "vga");
    uint64_t min_mib = 0;

    b->u.hvm.vga.kind = LIBXL_VGA_INTERFACE_TYPE_NONE;
    if (g_str_equal(kind, "std")) {
        b->u.hvm.vga.kind = LIBXL_VGA_INTERFACE_TYPE_STD;
        min_mib = VGA_STD_MIN_MIB;
    } else if (g_str_equal(kind, "cirrus")) {
        b->u.hvm.vga.kind = LIBXL_VGA_INTERFACE_TYPE_CIRRUS;
        min_mib = VGA_CIRRUS_MIN_MIB;
    }
    libxl_defbool_set(&b->u.hvm.nographic, !min_mib);
    libxl_defbool_set(&b->u.hvm.vnc.enable, min_mib);
    if (!min_mib)
        return;
    b->video_memkb = MAX((uint64_t)platform_number(platform, "videoram"), min_mib) * 1024;
    g_autofree char *listen = g_strdup_printf("unix:" LIBXL_SCREEN_SOCKET, uuid);
    b->u.hvm.vnc.listen = libxl_copy(listen);
    libxl_defbool_set(&b->u.hvm.vnc.findunused, false);
}

/* ---- what Windows is told of the hypervisor ---- */

static void
enlighten(libxl_ctx *ctx, libxl_bitmap *set, int bit)
{
    if (!set->size &&
        libxl_bitmap_alloc(ctx, set, LIBXL_BUILDINFO_HVM_VIRIDIAN_ENABLE_DISABLE_WIDTH))
        g_error("out of memory");
    libxl_bitmap_set(set, bit);
}

/* Beside viridian, which has a set of its own, each of them may be asked for or refused. */
static void
fill_viridian(libxl_ctx *ctx, GVariant *platform, libxl_domain_build_info *b)
{
    static const struct {
        const char *key;
        int bit;
    } keys[] = {
        {"viridian_time_ref_count", LIBXL_VIRIDIAN_ENLIGHTENMENT_TIME_REF_COUNT},
        {"viridian_reference_tsc", LIBXL_VIRIDIAN_ENLIGHTENMENT_REFERENCE_TSC},
        {"viridian_hcall_remote_tlb_flush", LIBXL_VIRIDIAN_ENLIGHTENMENT_HCALL_REMOTE_TLB_FLUSH},
        {"viridian_apic_assist", LIBXL_VIRIDIAN_ENLIGHTENMENT_APIC_ASSIST},
        {"viridian_crash_ctl", LIBXL_VIRIDIAN_ENLIGHTENMENT_CRASH_CTL},
        {"viridian_stimer", LIBXL_VIRIDIAN_ENLIGHTENMENT_STIMER},
        {"viridian_stimer", LIBXL_VIRIDIAN_ENLIGHTENMENT_SYNIC}, /* which it needs */
        {"viridian_hcall_ipi", LIBXL_VIRIDIAN_ENLIGHTENMENT_HCALL_IPI},
    };

    set_flag(platform, "viridian", &b->u.hvm.viridian);
    if (!platform_flag(platform, "viridian", false))
        return;
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++)
        if (*member_text(platform, keys[i].key))
            enlighten(ctx,
                      platform_flag(platform, keys[i].key, false) ? &b->u.hvm.viridian_enable
                                                                  : &b->u.hvm.viridian_disable,
                      keys[i].bit);
}

/* ---- how its CPUs are arranged ---- */

/* Says one field of what CPUID tells the guest. */
static void
set_cpuid(libxl_domain_build_info *b, const char *field, gint64 value)
{
    g_autofree char *text = g_strdup_printf("%s=%" G_GINT64_FORMAT, field, value);

    if (libxl_cpuid_parse_config(&b->cpuid, text))
        g_error("libxl does not know %s of CPUID", field);
}

/* Xen gives VCPU n the APIC id 2n, and a guest takes those VCPUs for one socket whose ids have all
 * but the last few bits in common: so sockets of 1, 2, 4 … cores can be told, and no others.  Each
 * maker's CPUs have fields of their own for it, of which Xen shows a guest those of its maker. */
static void
fill_sockets(GVariant *platform, libxl_domain_build_info *b)
{
    gint64 cores = platform_number(platform, "cores-per-socket"), ids = 2 * cores;

    if (!platform_sockets_can_be_told(cores))
        return;
    set_cpuid(b, "proccount", ids);
    set_cpuid(b, "procpkg", ids - 1);                           /* Intel's, in six bits */
    set_cpuid(b, "nc", ids - 1);                                /* AMD's */
    set_cpuid(b, "apicidsize", g_bit_nth_msf((gulong)ids, -1)); /* and how many bits these are */
}

/* ---- the machine ---- */

static void
fill_ports(GVariant *platform, libxl_domain_build_info *b)
{
    if (!g_str_equal(member_text(platform, "hvm_serial"), "none"))
        b->u.hvm.serial = libxl_copy("pty");
    set_flag(platform, "usb", &b->u.hvm.usb);
    if (platform_flag(platform, "usb", true) && platform_flag(platform, "usb_tablet", false))
        b->u.hvm.usbdevice = libxl_copy("tablet");
}

static void
fill_machine(libxl_ctx *ctx, GVariant *platform, libxl_domain_build_info *b)
{
    gint64 mmio_mib = platform_number(platform, "mmio_size_mib");

    set_flag(platform, "acpi", &b->acpi);
    set_flag(platform, "acpi_s3", &b->u.hvm.acpi_s3);
    set_flag(platform, "acpi_s4", &b->u.hvm.acpi_s4);
    set_flag(platform, "apic", &b->apic);
    set_flag(platform, "hpet", &b->u.hvm.hpet);
    set_flag(platform, "nx", &b->u.hvm.nx);
    set_flag(platform, "pae", &b->u.hvm.pae);
    set_flag(platform, "exp-nested-hvm", &b->nested_hvm);
    set_flag(platform, "nested-virt", &b->nested_hvm);
    fill_viridian(ctx, platform, b);
    fill_ports(platform, b);
    b->rtc_timeoffset = (uint32_t)platform_number(platform, "timeoffset");
    if (mmio_mib)
        b->u.hvm.mmio_hole_memkb = (uint64_t)mmio_mib * 1024;
}

void
libxl_platform_fill(libxl_ctx *ctx, const char *uuid, const struct guest_config *guest,
                    libxl_domain_build_info *b)
{
    static const libxl_tsc_mode modes[] = {LIBXL_TSC_MODE_DEFAULT, LIBXL_TSC_MODE_ALWAYS_EMULATE,
                                           LIBXL_TSC_MODE_NATIVE};

    b->tsc_mode = modes[platform_number(guest->platform, "tsc_mode")];
    if (guest->type != GUEST_PV) /* which sees the CPUs of the host */
        fill_sockets(guest->platform, b);
    if (guest->type != GUEST_HVM)
        return;
    fill_screen(guest->platform, uuid, b);
    fill_machine(ctx, guest->platform, b);
}
