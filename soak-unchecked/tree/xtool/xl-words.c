/* What xl's words mean, in any build: lists of CPUs, names of drives. */
#include "config.h"

#include <string.h>

#include "xtool/xl-record.h"

#define POSITIONS 16 /* xvda … xvdp, as xapid has them */

void
xl_disk_free(struct xl_disk *disk)
{
    if (!disk)
        return;
    g_free(disk->entry);
    g_free(disk->target);
    g_free(disk);
}

void
xl_vm_clear(struct xl_vm *vm)
{
    g_clear_pointer(&vm->name, g_free);
    g_clear_pointer(&vm->record, g_variant_unref);
    g_clear_pointer(&vm->disks, g_ptr_array_unref);
    g_clear_pointer(&vm->left_out, g_free);
}

GQuark
xl_error_quark(void)
{
    return g_quark_from_static_string("xtool-xl-error-quark");
}

GVariant *
xl_disk_pack(const struct xl_disk *disk)
{
    return g_variant_new(XL_DISK_TYPE, disk->entry, disk->target ? disk->target : "",
                         disk->position, disk->cd, disk->writable);
}

struct xl_disk *
xl_disk_unpack(GVariant *value)
{
    struct xl_disk *disk = g_new0(struct xl_disk, 1);
    g_autofree char *target = NULL;
    gboolean cd, writable;

    g_variant_get(value, XL_DISK_TYPE, &disk->entry, &target, &disk->position, &cd, &writable);
    if (*target)
        disk->target = g_steal_pointer(&target);
    disk->cd = cd;
    disk->writable = writable;
    return disk;
}

GVariant *
xl_vm_pack(const struct xl_vm *vm)
{
    GVariantBuilder disks;

    g_variant_builder_init(&disks, G_VARIANT_TYPE("a" XL_DISK_TYPE));
    for (unsigned i = 0; i < vm->disks->len; i++)
        g_variant_builder_add_value(&disks, xl_disk_pack(vm->disks->pdata[i]));
    return g_variant_new("(s@a{sv}a" XL_DISK_TYPE "s)", vm->name, vm->record, &disks, vm->left_out);
}

void
xl_vm_unpack(GVariant *value, struct xl_vm *ret)
{
    g_autoptr(GVariant) disks = g_variant_get_child_value(value, 2);

    *ret = (struct xl_vm){.disks = g_ptr_array_new_with_free_func((GDestroyNotify)xl_disk_free)};
    g_variant_get(value, "(s@a{sv}@a" XL_DISK_TYPE "s)", &ret->name, &ret->record, NULL,
                  &ret->left_out);
    for (gsize i = 0; i < g_variant_n_children(disks); i++) {
        g_autoptr(GVariant) disk = g_variant_get_child_value(disks, i);
        g_ptr_array_add(ret->disks, xl_disk_unpack(disk));
    }
}

int
xl_position_read(const char *device)
{
    static const char *const families[] = {"xvd", "hd", "sd"};
    guint64 number;

    for (size_t i = 0; i < G_N_ELEMENTS(families); i++) {
        const char *letter = device + strlen(families[i]);
        if (g_str_has_prefix(device, families[i]) && *letter >= 'a' && *letter < 'a' + POSITIONS &&
            !letter[1])
            return *letter - 'a';
    }
    if (g_ascii_string_to_unsigned(device + (*device == 'd'), 10, 0, POSITIONS - 1, &number, NULL))
        return (int)number;
    return -1;
}

/* "3" or "0-3", from *text on, which goes behind it. */
static bool
read_range(const char **text, guint64 *ret_first, guint64 *ret_last)
{
    char *end = NULL;

    if (!g_ascii_isdigit(**text))
        return false;
    *ret_first = *ret_last = g_ascii_strtoull(*text, &end, 10);
    if (*end == '-') {
        if (!g_ascii_isdigit(end[1]))
            return false;
        *ret_last = g_ascii_strtoull(end + 1, &end, 10);
    }
    *text = end;
    return *ret_first <= *ret_last && *ret_last < XL_CPUS_MAX;
}

char *
xl_cpus_read(const char *text)
{
    g_autofree bool *chosen = g_new0(bool, XL_CPUS_MAX);
    g_autoptr(GString) out = g_string_new(NULL);

    if (g_str_equal(text, "all"))
        return g_strdup("");
    for (const char *p = text;; p++) {
        bool without = *p == '^';
        guint64 first, last;
        p += without;
        if (!read_range(&p, &first, &last) || (*p && *p != ','))
            return NULL;
        for (guint64 cpu = first; cpu <= last; cpu++)
            chosen[cpu] = !without;
        if (!*p)
            break;
    }
    for (unsigned cpu = 0; cpu < XL_CPUS_MAX; cpu++)
        if (chosen[cpu])
            g_string_append_printf(out, "%s%u", out->len ? "," : "", cpu);
    return out->len ? g_string_free(g_steal_pointer(&out), FALSE) : NULL;
}
