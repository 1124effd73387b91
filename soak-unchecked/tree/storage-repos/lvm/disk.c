/* Disks, each a thin volume of the group's pool.  It is there as soon as LVM has made it, tags and
 * all; one that gets its contents by a copy has another name until it has them. */
#include "config.h"

#include "storage-repos/lvm/lvm.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "lib/member.h"
#include "storage-repos/common/source.h"
#include "storage-repos/common/tool.h"

struct disk {
    group_t group;
    const char *uuid;
    char *name; /* of its volume */
    bool there;
    volume_t volume; /* when it is */
};

typedef struct disk disk_t;

static void
disk_clear(struct disk *disk)
{
    group_clear(&disk->group);
    g_free(disk->name);
    volume_clear(&disk->volume);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(disk_t, disk_clear)

/* ---- what is there ---- */

static bool
look(disk_t *disk, GError **error)
{
    g_autofree char *select = g_strconcat("lv_name=", disk->name, NULL);
    g_autoptr(GPtrArray) rows = lvm_report(&disk->group, "lvs", VOLUME_COLUMNS, select, error);

    if (!rows)
        return false;
    disk->there = rows->len > 0;
    volume_clear(&disk->volume);
    disk->volume = (volume_t){0};
    if (disk->there)
        volume_of_row(rows->pdata[0], &disk->volume);
    return true;
}

/* To be cleared either way. */
static bool
disk_open(GVariant *args, disk_t *ret_disk, GError **error)
{
    *ret_disk = (disk_t){.uuid = member_text(args, "vdi")};
    ret_disk->name = g_strconcat(DISK_PREFIX, ret_disk->uuid, NULL);
    return group_read(args, &ret_disk->group, error) && look(ret_disk, error);
}

static bool
must_exist(const struct disk *disk, GVariant *args, GError **error)
{
    if (disk->there)
        return true;
    api_error_set(error, "VDI_MISSING", member_text(args, "sr"), disk->uuid, NULL);
    return false;
}

/* Answers what the disk is now. */
static bool
describe(disk_t *disk, GVariant *args, GVariantDict *result, GError **error)
{
    if (!look(disk, error) || !must_exist(disk, args, error))
        return false;
    volume_describe(&disk->volume, disk->uuid, result);
    return true;
}

static char *
path_of(const struct disk *disk, const char *name)
{
    return g_strdup_printf("/dev/%s/%s", disk->group.name, name);
}

static char *
full_name(const struct disk *disk, const char *name)
{
    return g_strdup_printf("%s/%s", disk->group.name, name);
}

/* ---- making ---- */

/* Disks are raw here. */
static bool
check_format(GVariant *args, GError **error)
{
    g_autoptr(GVariant) config = g_variant_lookup_value(args, "sm_config", G_VARIANT_TYPE_VARDICT);
    const char *format = config ? member_text(config, "image-format") : "";

    if (!*format || g_str_equal(format, "raw"))
        return true;
    api_error_set(error, "INVALID_VALUE", "sm_config:image-format", format, NULL);
    return false;
}

static void
add(GPtrArray *words, const char *word)
{
    g_ptr_array_add(words, g_strdup(word));
}

/* A volume with the record of args; what else it is to be is in `kind`, up to NULL. */
static bool
make_volume(const struct disk *disk, const char *name, const char *const *kind, GVariant *args,
            enum driver_failure number, GError **error)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);

    add(words, "--name");
    add(words, name);
    if (!record_add_words(words, args, error))
        return false;
    for (; *kind; kind++)
        add(words, *kind);
    g_ptr_array_add(words, NULL);
    return lvm_run(&disk->group, "lvcreate", (const char *const *)words->pdata, number, error);
}

static bool
make_empty(const struct disk *disk, const char *name, gint64 size, GVariant *args, GError **error)
{
    g_autofree char *bytes = g_strdup_printf("%" G_GINT64_FORMAT "b", size);
    const char *const kind[] = {"--wipesignatures", "n",  "--virtualsize",  bytes,
                                "--thinpool",       POOL, disk->group.name, NULL};

    return make_volume(disk, name, kind, args, FAILURE_VDI_CREATE, error);
}

bool
vdi_create(GVariant *args, GVariantDict *result, GError **error)
{
    g_auto(disk_t) disk = {0};
    gint64 size;

    if (!disk_open(args, &disk, error))
        return false;
    if (!disk.there) {
        if (!driver_disk_size(args, EXTENT, &size, error) || !check_format(args, error) ||
            !FAULT_AROUND("lvm.vdi.create", error, make_empty(&disk, disk.name, size, args, error)))
            return false;
        disk.volume.size = size;
    }
    volume_describe(&disk.volume, disk.uuid, result);
    return true;
}

/* ---- copies ---- */

static bool
sync_device(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0)
        close(fd);
    return ok;
}

/* What reads as zeros takes no room: a new volume does so already. */
static bool
convert(const struct disk *disk, const char *name, const struct source *source, GError **error)
{
    g_autofree char *from = source_words(source);
    g_autofree char *to = path_of(disk, name);
    g_autofree char *words = NULL;
    const char *const argv[] = {
        QEMU_IMG, "convert", "-q", "-n", "--target-is-zero", "-f", source->format, "-O",
        "raw",    from,      to,   NULL};

    if (tool_run(/* folder: none */ -1, argv, &words) && sync_device(to))
        return true;
    const char *why = words ? words : g_strerror(errno);
    bool full = strstr(why, "No space left on device") != NULL;
    driver_fail(error, full ? FAILURE_SR_NO_SPACE : FAILURE_VDI_CREATE, "%s: %s", disk->uuid, why);
    return false;
}

static bool
make_copy(const struct disk *disk, gint64 size, const struct source *source, GVariant *args,
          GError **error)
{
    g_autofree char *name = g_strconcat(COPY_PREFIX, disk->uuid, NULL);
    g_autofree char *select = g_strconcat("lv_name=", name, NULL);
    const char *const words[] = {disk->group.name, name, disk->name, NULL};

    return volumes_remove(&disk->group, select, error) &&
           FAULT_AROUND("lvm.vdi.copy.make", error, make_empty(disk, name, size, args, error)) &&
           FAULT_AROUND("lvm.vdi.copy.fill", error, convert(disk, name, source, error)) &&
           FAULT_AROUND("lvm.vdi.copy.name", error,
                        lvm_run(&disk->group, "lvrename", words, FAILURE_VDI_CREATE, error));
}

bool
vdi_copy(GVariant *args, GVariantDict *result, GError **error)
{
    g_auto(disk_t) disk = {0};
    g_auto(source_t) source = {0};
    gint64 size;

    return disk_open(args, &disk, error) &&
           (disk.there ||
            (driver_disk_size(args, EXTENT, &size, error) && check_format(args, error) &&
             source_read(args, &source, error) && make_copy(&disk, size, &source, args, error))) &&
           describe(&disk, args, result, error);
}

/* A thin snapshot, which is a disk like any other. */
static bool
make_clone(const struct disk *disk, const struct disk *source, GVariant *args, GError **error)
{
    g_autofree char *origin = full_name(source, source->name);
    const char *const kind[] = {"--snapshot", "--setactivationskip", "n", origin, NULL};

    return FAULT_AROUND("lvm.vdi.clone", error,
                        make_volume(disk, disk->name, kind, args, FAILURE_VDI_CLONE, error));
}

bool
vdi_clone(GVariant *args, GVariantDict *result, GError **error)
{
    g_auto(disk_t) disk = {0};
    g_auto(disk_t) source = {.uuid = member_text(args, "source")};

    if (!g_uuid_string_is_valid(source.uuid)) {
        api_error_set(error, "INVALID_VALUE", "source", source.uuid, NULL);
        return false;
    }
    if (!disk_open(args, &disk, error))
        return false;
    source.name = g_strconcat(DISK_PREFIX, source.uuid, NULL);
    return (disk.there || (check_format(args, error) && group_read(args, &source.group, error) &&
                           look(&source, error) && must_exist(&source, args, error) &&
                           make_clone(&disk, &source, args, error))) &&
           describe(&disk, args, result, error);
}

/* ---- changes ---- */

static bool
grow(const struct disk *disk, gint64 size, GError **error)
{
    g_autofree char *bytes = g_strdup_printf("%" G_GINT64_FORMAT "b", size);
    g_autofree char *name = full_name(disk, disk->name);
    const char *const words[] = {"--size", bytes, name, NULL};

    return lvm_run(&disk->group, "lvextend", words, FAILURE_VDI_RESIZE, error);
}

bool
vdi_resize(GVariant *args, GVariantDict *result, GError **error)
{
    g_auto(disk_t) disk = {0};
    gint64 size;

    if (!driver_disk_size(args, EXTENT, &size, error) || !disk_open(args, &disk, error) ||
        !must_exist(&disk, args, error) ||
        !driver_may_resize(disk.uuid, disk.volume.size, size, error) ||
        (size > disk.volume.size &&
         !FAULT_AROUND("lvm.vdi.resize", error, grow(&disk, size, error))))
        return false;
    disk.volume.size = size;
    volume_describe(&disk.volume, disk.uuid, result);
    return true;
}

bool
vdi_destroy(GVariant *args, GVariantDict *result, GError **error)
{
    const char *uuid = member_text(args, "vdi");
    g_autofree char *select =
        g_strdup_printf("lv_name=" DISK_PREFIX "%s || lv_name=" COPY_PREFIX "%s", uuid, uuid);
    g_auto(group_t) group = {0};

    (void)result;
    return group_read(args, &group, error) && volumes_remove(&group, select, error);
}

/* ---- use ---- */

static bool
is_device(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && S_ISBLK(status.st_mode);
}

/* All volumes are active while the repository is attached; one that is not was made so by hand. */
static bool
activate(const struct disk *disk, GError **error)
{
    g_autofree char *name = full_name(disk, disk->name);
    const char *const words[] = {"--activate", "y", name, NULL};

    return FAULT_AROUND("lvm.vdi.attach", error,
                        lvm_run(&disk->group, "lvchange", words, FAILURE_VDI_LOAD, error));
}

bool
vdi_attach(GVariant *args, GVariantDict *result, GError **error)
{
    g_auto(disk_t) disk = {0};

    if (!disk_open(args, &disk, error) || !must_exist(&disk, args, error))
        return false;
    g_autofree char *path = path_of(&disk, disk.name);
    if (!is_device(path) && !activate(&disk, error))
        return false;
    g_variant_dict_insert(result, "kind", "s", "block");
    g_variant_dict_insert(result, "path", "s", path);
    g_variant_dict_insert(result, "format", "s", "raw");
    return true;
}

bool
vdi_detach(GVariant *args, GVariantDict *result, GError **error)
{
    (void)args;
    (void)result;
    (void)error;
    return true; /* a volume goes with its repository */
}
