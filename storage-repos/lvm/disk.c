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

void
disk_clear(struct disk *disk)
{
    group_clear(&disk->group);
    g_free(disk->name);
    volume_clear(&disk->volume);
}

/* ---- what is there ---- */

/* The row of its volume, borrowed; NULL: there is none. */
static GVariant *
find_volume(GPtrArray *rows, const char *uuid)
{
    for (guint i = 0; i < rows->len; i++) {
        g_autofree char *its = volume_disk(member_text(rows->pdata[i], "lv_name"));
        if (g_strcmp0(its, uuid) == 0)
            return rows->pdata[i];
    }
    return NULL;
}

static bool
have_changed_places(GPtrArray *rows)
{
    for (guint i = 0; i < rows->len; i++)
        if (g_str_has_prefix(member_text(rows->pdata[i], "lv_name"), WAS_PREFIX))
            return true;
    return false;
}

bool
disk_look(struct disk *disk, GError **error)
{
    g_autofree char *digits = exchange_digits(disk->uuid);
    g_autofree char *changed = g_strdup_printf("lv_name=~^" WAS_PREFIX ".*%s", digits);
    g_autofree char *select =
        g_strdup_printf("lv_name=" DISK_PREFIX "%s || %s", disk->uuid, changed);
    g_autoptr(GPtrArray) rows = lvm_report(&disk->group, "lvs", VOLUME_COLUMNS, select, error);

    if (rows && have_changed_places(rows)) {
        g_ptr_array_unref(g_steal_pointer(&rows));
        if (exchanges_end(&disk->group, changed, error))
            rows = lvm_report(&disk->group, "lvs", VOLUME_COLUMNS, select, error);
    }
    if (!rows)
        return false;
    GVariant *row = find_volume(rows, disk->uuid);
    disk->there = row != NULL;
    volume_clear(&disk->volume);
    disk->volume = (volume_t){0};
    g_free(disk->name);
    disk->name =
        row ? g_strdup(member_text(row, "lv_name")) : g_strconcat(DISK_PREFIX, disk->uuid, NULL);
    if (row)
        volume_of_row(row, &disk->volume);
    return true;
}

bool
disk_open(GVariant *args, disk_t *ret_disk, GError **error)
{
    *ret_disk = (disk_t){.uuid = member_text(args, "vdi")};
    return group_read(args, &ret_disk->group, error) && disk_look(ret_disk, error);
}

bool
disk_must_exist(const struct disk *disk, GVariant *args, GError **error)
{
    if (disk->there)
        return true;
    api_error_set(error, "VDI_MISSING", member_text(args, "sr"), disk->uuid, NULL);
    return false;
}

bool
disk_describe(struct disk *disk, GVariant *args, GVariantDict *result, GError **error)
{
    if (!disk_look(disk, error) || !disk_must_exist(disk, args, error))
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
           disk_describe(&disk, args, result, error);
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
    return (disk.there || (check_format(args, error) && group_read(args, &source.group, error) &&
                           disk_look(&source, error) && disk_must_exist(&source, args, error) &&
                           make_clone(&disk, &source, args, error))) &&
           disk_describe(&disk, args, result, error);
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
        !disk_must_exist(&disk, args, error) ||
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
    g_auto(disk_t) disk = {0};

    (void)result;
    if (!disk_open(args, &disk, error))
        return false;
    g_autofree char *select =
        g_strdup_printf("lv_name=%s || lv_name=" COPY_PREFIX "%s", disk.name, disk.uuid);
    return volumes_remove(&disk.group, select, error);
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

    if (!disk_open(args, &disk, error) || !disk_must_exist(&disk, args, error))
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
