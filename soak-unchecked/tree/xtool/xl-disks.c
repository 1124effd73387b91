/* See xl-disks.h; libxlutil reads the entries. */
#include "config.h"

#include "xtool/xl-disks.h"

/* What libxl can do with a disk and xapid cannot. */
static void
refuse_options(struct xl_file *file, const char *entry, const libxl_device_disk *disk)
{
    const struct {
        const char *name;
        bool asked;
        const char *why;
    } options[] = {
        {"disk:script", disk->script && *disk->script,
         "a repository's driver makes disks ready, no script"},
        {"disk:backend", disk->backend_domname && *disk->backend_domname,
         "disks come from the control domain"},
        {"disk:direct-io-safe", disk->direct_io_safe, "xapid has nothing for it yet"},
        {"disk:discard", !libxl_defbool_is_default(disk->discard_enable),
         "xapid has nothing for it yet"},
        {"disk:removable", disk->removable && !disk->is_cdrom, "a CD alone can be taken out"},
        {"disk:colo", libxl_defbool_val(disk->colo_enable), "xapid has nothing for it yet"},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(options); i++)
        if (options[i].asked)
            xl_file_refuse(file, options[i].name, "%s (%s)", options[i].why, entry);
}

static struct xl_disk *
convert(struct xl_file *file, const char *entry, const libxl_device_disk *disk)
{
    int position = xl_position_read(disk->vdev ? disk->vdev : "");
    bool has_target = disk->pdev_path && *disk->pdev_path;

    refuse_options(file, entry, disk);
    if (position < 0) {
        xl_file_refuse(file, "disk", "'%s' is none of xvda to xvdp: %s",
                       disk->vdev ? disk->vdev : "", entry);
        return NULL;
    }
    if (!has_target && !disk->is_cdrom) {
        xl_file_wrong(file, "disk", "a disk without a target: %s", entry);
        return NULL;
    }
    struct xl_disk *out = g_new0(struct xl_disk, 1);
    *out = (struct xl_disk){.entry = g_strdup(entry),
                            .target = has_target ? g_strdup(disk->pdev_path) : NULL,
                            .position = position,
                            .cd = disk->is_cdrom,
                            .writable = disk->readwrite && !disk->is_cdrom};
    return out;
}

static struct xl_disk *
read_entry(struct xl_file *file, const char *entry)
{
    libxl_device_disk disk;
    struct xl_disk *out = NULL;

    libxl_device_disk_init(&disk);
    libxl_defbool_setdefault(&disk.colo_enable, false);
    if (xl_file_disk(file, entry, &disk))
        out = convert(file, entry, &disk);
    libxl_device_disk_dispose(&disk);
    return out;
}

GPtrArray *
xl_disks_take(struct xl_file *file)
{
    g_autoptr(GPtrArray) entries = xl_file_list(file, "disk");
    GPtrArray *disks = g_ptr_array_new_with_free_func((GDestroyNotify)xl_disk_free);

    for (unsigned i = 0; entries && i < entries->len; i++) {
        struct xl_disk *disk = read_entry(file, entries->pdata[i]);
        if (disk)
            g_ptr_array_add(disks, disk);
    }
    return disks;
}

struct xl_disk *
xl_disk_convert(const char *entry, GError **error)
{
    g_autoptr(xl_file_owned) file = xl_file_parse("The disk", "", NULL, error);
    struct xl_disk *disk = file ? read_entry(file, entry) : NULL;
    g_autofree char *left = file ? xl_file_finish(file, /* hint= */ false, error) : NULL;

    if (left)
        return disk;
    g_clear_pointer(&disk, xl_disk_free);
    return NULL;
}
