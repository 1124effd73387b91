#include "config.h"

#include "lib/platform.h"

#include <string.h>

#include "lib/member.h"

/* ---- what values may be ---- */

static const char *const flags[] = {"0", "1", "false", "true", NULL};

enum form { FLAG, NUMBER, WORD, DEVICE_ID };

static const struct platform_key {
    const char *key;
    enum form form;
    gint64 min, max;            /* of a NUMBER */
    const char *const *allowed; /* for a WORD */
} keys[] = {
    /* ---- of every kind of guest ---- */
    {"cores-per-socket", NUMBER, 1, PLATFORM_VCPUS_MAX, NULL},
    /* Xen's default, always emulated, never.  A fourth one, 3, Xen has no more. */
    {"tsc_mode", NUMBER, 0, 2, NULL},

    /* ---- of whole machines ---- */
    {"acpi", FLAG, 0, 0, NULL},
    {"acpi_s3", FLAG, 0, 0, NULL},
    {"acpi_s4", FLAG, 0, 0, NULL},
    {"apic", FLAG, 0, 0, NULL},
    {"hpet", FLAG, 0, 0, NULL},
    {"nx", FLAG, 0, 0, NULL},
    {"pae", FLAG, 0, 0, NULL},
    /* Hypervisors within it; the second name is what clients of older hosts write. */
    {"nested-virt", FLAG, 0, 0, NULL},
    {"exp-nested-hvm", FLAG, 0, 0, NULL},
    {"viridian", FLAG, 0, 0, NULL},
    {"viridian_time_ref_count", FLAG, 0, 0, NULL},
    {"viridian_reference_tsc", FLAG, 0, 0, NULL},
    {"viridian_hcall_remote_tlb_flush", FLAG, 0, 0, NULL},
    {"viridian_apic_assist", FLAG, 0, 0, NULL},
    {"viridian_crash_ctl", FLAG, 0, 0, NULL},
    {"viridian_stimer", FLAG, 0, 0, NULL},
    {"viridian_hcall_ipi", FLAG, 0, 0, NULL},
    {"usb", FLAG, 0, 0, NULL},
    {"usb_tablet", FLAG, 0, 0, NULL},
    {"mmio_size_mib", NUMBER, PLATFORM_MMIO_SIZE_MIN, PLATFORM_MMIO_SIZE_MAX, NULL},
    {"timeoffset", NUMBER, G_MININT32, G_MAXINT32, NULL}, /* seconds */
    {"videoram", NUMBER, 1, PLATFORM_VIDEORAM_MAX, NULL}, /* MiB */
    {"vga", WORD, 0, 0, (const char *const[]){"std", "cirrus", NULL}},
    {"nic_type", WORD, 0, 0, (const char *const[]){"e1000", "rtl8139", NULL}},
    /* The one that there is. */
    {"device-model", WORD, 0, 0, (const char *const[]){"qemu-upstream-compat", NULL}},
    {"device_id", DEVICE_ID, 0, 0, NULL},
    /* No file and no device of the host's. */
    {"hvm_serial", WORD, 0, 0, (const char *const[]){"none", "pty", NULL}},
    {"parallel", WORD, 0, 0, (const char *const[]){"none", NULL}},
    /* Of machines that boot by UEFI. */
    {"secureboot", WORD, 0, 0, (const char *const[]){"0", "1", "false", "true", "auto", NULL}},
};

static const struct platform_key *
find(const char *key)
{
    for (size_t i = 0; i < G_N_ELEMENTS(keys); i++)
        if (g_str_equal(keys[i].key, key))
            return &keys[i];
    return NULL;
}

bool
platform_key_is_known(const char *key)
{
    return find(key) != NULL;
}

bool
platform_value_is_valid(const char *key, const char *value)
{
    const struct platform_key *known = find(key);

    g_return_val_if_fail(known, false);
    switch (known->form) {
    case FLAG:
        return g_strv_contains(flags, value);
    case NUMBER:
        return g_ascii_string_to_signed(value, 10, known->min, known->max, NULL, NULL);
    case WORD:
        return g_strv_contains(known->allowed, value);
    case DEVICE_ID:
        break;
    }
    return strlen(value) == 4 && strspn(value, "0123456789abcdefABCDEF") == 4;
}

/* ---- of a map ---- */

bool
platform_flag(GVariant *platform, const char *key, bool missing)
{
    const char *value = member_text(platform, key);

    return *value ? g_str_equal(value, "1") || g_str_equal(value, "true") : missing;
}

gint64
platform_number(GVariant *platform, const char *key)
{
    return g_ascii_strtoll(member_text(platform, key), NULL, 10);
}

bool
platform_sockets_can_be_told(gint64 cores)
{
    return cores > 0 && cores <= PLATFORM_CORES_TOLD_MAX && (cores & (cores - 1)) == 0;
}
