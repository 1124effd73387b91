/* A disk is a file, raw or qcow2, and beside it UUID.json, what the API says of it.  It is there
 * when its UUID.json is: that comes last when it is made, and goes first when it is removed. */
#include "config.h"

#include "storage-repos/file/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "lib/member.h"
#include "storage-repos/common/folder.h"
#include "storage-repos/common/tool.h"

#define SIZE_MAX_BYTES ((gint64)16 << 40)
#define SIZE_UNIT ((gint64)512)

void
disk_clear(struct disk *disk)
{
    if (disk->folder >= 0)
        close(disk->folder);
    g_free(disk->record_name);
    if (disk->record)
        g_variant_unref(disk->record);
    g_free(disk->file);
}
void
disk_set_format(struct disk *disk, const char *format)
{
    disk->qcow2 = g_str_equal(format, "qcow2");
    g_free(disk->file);
    disk->file = g_strdup_printf("%s.%s", disk->uuid, disk->qcow2 ? "qcow2" : "raw");
}

bool
disk_open(GVariant *args, disk_t *ret_disk, GError **error)
{
    *ret_disk = (disk_t){.folder = repository_open(args, error), .uuid = member_text(args, "vdi")};
    if (ret_disk->folder < 0)
        return false;
    ret_disk->record_name = g_strdup_printf("%s.json", ret_disk->uuid);
    ret_disk->record = record_read(ret_disk->folder, ret_disk->record_name);
    if (ret_disk->record)
        disk_set_format(ret_disk, member_text(ret_disk->record, "format"));
    else if (errno != ENOENT)
        driver_fail(error, FAILURE_VDI_LOAD, "%s: %s", ret_disk->record_name, g_strerror(errno));
    return ret_disk->record || errno == ENOENT;
}

static bool
disk_must_exist(const struct disk *disk, GVariant *args, GError **error)
{
    if (disk->record)
        return true;
    api_error_set(error, "VDI_MISSING", member_text(args, "sr"), disk->uuid, NULL);
    return false;
}

/* What the API is told of it. */
bool
disk_describe(const struct disk *disk, GVariantDict *result)
{
    gint64 size = 0;
    struct stat status;

    if (!folder_stat(disk->folder, disk->file, &status))
        return false;
    g_variant_lookup(disk->record, "virtual_size", "x", &size);
    g_variant_dict_insert(result, "uuid", "s", disk->uuid);
    g_variant_dict_insert(result, "location", "s", disk->uuid);
    g_variant_dict_insert(result, "virtual_size", "x", size);
    g_variant_dict_insert(result, "physical_utilisation", "x", (gint64)status.st_blocks * 512);
    g_variant_dict_insert(result, "read_only", "b", FALSE);
    return true;
}

/* ---- making and removing ---- */

static bool
make_raw(const struct disk *disk, const char *part, gint64 size, GError **error)
{
    int fd = folder_open_file(disk->folder, part, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    bool ok = fd >= 0 && ftruncate(fd, size) == 0 && fsync(fd) == 0;

    if (!ok)
        driver_fail(error, errno == ENOSPC ? FAILURE_SR_NO_SPACE : FAILURE_VDI_CREATE, "%s: %s",
                    disk->file, g_strerror(errno));
    if (fd >= 0)
        close(fd);
    return ok;
}

bool
disk_sync_file(const struct disk *disk, const char *name)
{
    int fd = folder_open_file(disk->folder, name, O_RDONLY, 0);
    bool ok = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0)
        close(fd);
    return ok;
}

char *
disk_tool_path(const struct disk *disk, const char *name)
{
    return g_strdup_printf("/proc/self/fd/%d/%s", disk->folder, name);
}

void
disk_tool_failed(const struct disk *disk, enum driver_failure number, const char *words,
                 GError **error)
{
    const char *why = words ? words : g_strerror(errno);
    bool full = strstr(why, "No space left on device") != NULL; /* a tool speaks as LC_ALL=C */

    driver_fail(error, full ? FAILURE_SR_NO_SPACE : number, "%s: %s", disk->file, why);
}

static bool
make_qcow2(const struct disk *disk, const char *part, gint64 size, GError **error)
{
    g_autofree char *path = disk_tool_path(disk, part);
    g_autofree char *bytes = g_strdup_printf("%" G_GINT64_FORMAT, size);
    g_autofree char *words = NULL;
    const char *const argv[] = {QEMU_IMG, "create", "-q", "-f", "qcow2", path, bytes, NULL};

    if (!folder_remove(disk->folder, part) || !tool_run(disk->folder, argv, &words) ||
        !disk_sync_file(disk, part)) {
        disk_tool_failed(disk, FAILURE_VDI_CREATE, words, error);
        return false;
    }
    return true;
}

static GVariant *
new_record(const struct disk *disk, GVariant *args, gint64 size)
{
    static const char *const texts[] = {"name_label", "name_description", "type"};
    GVariantDict record;

    g_variant_dict_init(&record, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++)
        g_variant_dict_insert(&record, texts[i], "s", member_text(args, texts[i]));
    g_variant_dict_insert(&record, "format", "s", disk->qcow2 ? "qcow2" : "raw");
    g_variant_dict_insert(&record, "virtual_size", "x", size);
    return g_variant_dict_end(&record);
}

bool
disk_read_format(GVariant *args, const char *otherwise, struct disk *disk, GError **error)
{
    g_autoptr(GVariant) config = g_variant_lookup_value(args, "sm_config", G_VARIANT_TYPE_VARDICT);
    const char *format = config ? member_text(config, "image-format") : "";

    if (!*format)
        format = otherwise;
    if (!g_str_equal(format, "qcow2") && !g_str_equal(format, "raw")) {
        api_error_set(error, "INVALID_VALUE", "sm_config:image-format", format, NULL);
        return false;
    }
    disk_set_format(disk, format);
    return true;
}

bool
disk_read_size(GVariant *args, gint64 *ret_size, GError **error)
{
    gint64 size;

    if (!driver_size(args, "virtual_size", &size, error))
        return false;
    if (size == 0 || size > SIZE_MAX_BYTES) {
        g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, size);
        api_error_set(error, "INVALID_VALUE", "virtual_size", text, NULL);
        return false;
    }
    *ret_size = (size + SIZE_UNIT - 1) / SIZE_UNIT * SIZE_UNIT;
    return true;
}

bool
disk_publish(const struct disk *disk, const char *part, GError **error)
{
    if (renameat(disk->folder, part, disk->folder, disk->file) == 0 && folder_sync(disk->folder))
        return true;
    driver_fail(error, FAILURE_VDI_CREATE, "%s: %s", disk->file, g_strerror(errno));
    return false;
}

bool
disk_note(struct disk *disk, GVariant *args, gint64 size, GError **error)
{
    disk->record = g_variant_ref_sink(new_record(disk, args, size));
    if (record_write(disk->folder, disk->record_name, disk->record))
        return true;
    driver_fail(error, FAILURE_VDI_CREATE, "%s: %s", disk->record_name, g_strerror(errno));
    return false;
}

static bool
make_disk(struct disk *disk, GVariant *args, gint64 size, GError **error)
{
    g_autofree char *part = g_strdup_printf(".%s.part", disk->file);

    if (!FAULT_POINT("file.vdi.create.before", error) ||
        !(disk->qcow2 ? make_qcow2 : make_raw)(disk, part, size, error) ||
        !FAULT_POINT("file.vdi.create.made", error))
        return false;
    return disk_publish(disk, part, error) && FAULT_POINT("file.vdi.create.renamed", error) &&
           disk_note(disk, args, size, error) && FAULT_POINT("file.vdi.create.after", error);
}

bool
vdi_create(GVariant *args, GVariantDict *result, GError **error)
{
    g_auto(disk_t) disk = {.folder = -1};
    gint64 size;

    if (!disk_open(args, &disk, error))
        return false;
    if (!disk.record &&
        (!disk_read_size(args, &size, error) || !disk_read_format(args, "qcow2", &disk, error) ||
         !make_disk(&disk, args, size, error)))
        return false;
    if (disk_describe(&disk, result))
        return true;
    driver_fail(error, FAILURE_VDI_LOAD, "%s: %s", disk.file, g_strerror(errno));
    return false;
}

/* Whatever a call that was broken off may have left of it. */
static bool
remove_files(struct disk *disk, GError **error)
{
    static const char *const names[] = {"%s.raw", "%s.qcow2", ".%s.raw.part", ".%s.qcow2.part",
                                        ".%s.json.part"};

    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        g_auto(GStrv) around = g_strsplit(names[i], "%s", 2);
        g_autofree char *name = g_strconcat(around[0], disk->uuid, around[1], NULL);
        if (!folder_remove(disk->folder, name)) {
            driver_fail(error, FAILURE_VDI_DELETE, "%s: %s", name, g_strerror(errno));
            return false;
        }
    }
    return true;
}

bool
vdi_destroy(GVariant *args, GVariantDict *result, GError **error)
{
    g_auto(disk_t) disk = {.folder = -1};

    (void)result;
    if (!disk_open(args, &disk, error) || !FAULT_POINT("file.vdi.destroy.before", error))
        return false;
    if (!folder_remove(disk.folder, disk.record_name) || !folder_sync(disk.folder)) {
        driver_fail(error, FAILURE_VDI_DELETE, "%s: %s", disk.record_name, g_strerror(errno));
        return false;
    }
    return FAULT_POINT("file.vdi.destroy.forgotten", error) && remove_files(&disk, error) &&
           FAULT_POINT("file.vdi.destroy.after", error);
}

static bool
grow_raw(const struct disk *disk, gint64 size, GError **error)
{
    int fd = folder_open_file(disk->folder, disk->file, O_WRONLY, 0);
    struct stat status;
    bool ok = fd >= 0 && fstat(fd, &status) == 0 &&
              (status.st_size >= size || ftruncate(fd, size) == 0) && fsync(fd) == 0;

    if (!ok)
        driver_fail(error, FAILURE_VDI_RESIZE, "%s: %s", disk->file, g_strerror(errno));
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool
grow_qcow2(const struct disk *disk, gint64 size, GError **error)
{
    g_autofree char *path = disk_tool_path(disk, disk->file);
    g_autofree char *bytes = g_strdup_printf("%" G_GINT64_FORMAT, size);
    g_autofree char *words = NULL;
    const char *const argv[] = {QEMU_IMG, "resize", "-q", "-f", "qcow2", path, bytes, NULL};

    if (tool_run(disk->folder, argv, &words) && disk_sync_file(disk, disk->file))
        return true;
    disk_tool_failed(disk, FAILURE_VDI_RESIZE, words, error);
    return false;
}

/* The record follows the file: an interrupted call is made again and finds the file grown. */
bool
vdi_resize(GVariant *args, GVariantDict *result, GError **error)
{
    g_auto(disk_t) disk = {.folder = -1};
    gint64 size, now = 0;

    if (!disk_read_size(args, &size, error) || !disk_open(args, &disk, error) ||
        !disk_must_exist(&disk, args, error))
        return false;
    g_variant_lookup(disk.record, "virtual_size", "x", &now);
    if (size < now) {
        g_autofree char *minimum = g_strdup_printf("%" G_GINT64_FORMAT, now);
        api_error_set(error, "VDI_TOO_SMALL", disk.uuid, minimum, NULL);
        return false;
    }
    if (!FAULT_POINT("file.vdi.resize.before", error) ||
        !(disk.qcow2 ? grow_qcow2 : grow_raw)(&disk, size, error) ||
        !FAULT_POINT("file.vdi.resize.grown", error))
        return false;
    g_autoptr(GVariant) old = disk.record;
    disk.record = g_variant_ref_sink(new_record(&disk, old, size));
    if (!record_write(disk.folder, disk.record_name, disk.record) ||
        !disk_describe(&disk, result)) {
        driver_fail(error, FAILURE_VDI_RESIZE, "%s: %s", disk.record_name, g_strerror(errno));
        return false;
    }
    return FAULT_POINT("file.vdi.resize.after", error);
}

bool
vdi_attach(GVariant *args, GVariantDict *result, GError **error)
{
    g_auto(disk_t) disk = {.folder = -1};
    struct stat status;

    if (!disk_open(args, &disk, error) || !disk_must_exist(&disk, args, error))
        return false;
    if (!folder_stat(disk.folder, disk.file, &status)) {
        driver_fail(error, FAILURE_VDI_LOAD, "%s: %s", disk.file, g_strerror(errno));
        return false;
    }
    g_autofree char *path = g_build_filename(driver_key(args, "location"), disk.file, NULL);
    g_variant_dict_insert(result, "kind", "s", "file");
    g_variant_dict_insert(result, "path", "s", path);
    g_variant_dict_insert(result, "format", "s", disk.qcow2 ? "qcow2" : "raw");
    return true;
}

bool
vdi_detach(GVariant *args, GVariantDict *result, GError **error)
{
    (void)args;
    (void)result;
    (void)error;
    return true; /* a file is not taken away */
}
