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

void
disk_clear(struct disk *disk)
{
    if (disk->folder >= 0)
        close(disk->folder);
    g_free(disk->record_name);
    if (disk->record)
        g_variant_unref(disk->record);
    g_free(disk->file);
    g_strfreev(disk->bases);
}

void
disk_set_format(struct disk *disk, const char *format)
{
    disk->qcow2 = g_str_equal(format, "qcow2");
    g_free(disk->file);
    disk->file = g_strdup_printf("%s.%s", disk->uuid, disk->qcow2 ? "qcow2" : "raw");
}

/* Of its images: each is named as one of a disk's. */
static bool
names_are_valid(const struct disk *disk)
{
    g_auto(GStrv) chain = disk_chain(disk);

    for (char **name = chain; *name; name++)
        if (!disk_file_is_valid(*name))
            return false;
    return true;
}

/* Leaves out of its bases those that are not there: see coalesce.c.  That each image names the next
 * one is for disk_check () to say. */
static bool
leave_out_joined(struct disk *disk, int folder)
{
    g_autoptr(GStrvBuilder) left = g_strv_builder_new();
    struct stat status;
    bool any = false;

    for (char **base = disk->bases; base && *base; base++) {
        bool there = folder_stat(folder, *base, &status);
        if (there)
            g_strv_builder_add(left, *base);
        else if (errno != ENOENT)
            return false;
        any |= there;
        disk->outdated |= !there;
    }
    g_strfreev(disk->bases);
    disk->bases = any ? g_strv_builder_end(left) : NULL;
    return true;
}

bool
disk_load(int folder, const char *uuid, const char *name, disk_t *ret_disk)
{
    g_auto(disk_t) disk = {.folder = -1, .uuid = uuid, .record = record_read(folder, name)};

    if (!disk.record)
        return false;
    disk_set_format(&disk, member_text(disk.record, "format"));
    if (*member_text(disk.record, "file")) {
        g_free(disk.file);
        disk.file = g_strdup(member_text(disk.record, "file"));
    }
    if (!member_texts(disk.record, "bases", &disk.bases) || !names_are_valid(&disk)) {
        errno = EBADMSG;
        return false;
    }
    if (!leave_out_joined(&disk, folder))
        return false;
    *ret_disk = disk;
    disk = (disk_t){.folder = -1};
    return true;
}

bool
disk_open(GVariant *args, disk_t *ret_disk, GError **error)
{
    const char *uuid = member_text(args, "vdi");
    g_autofree char *name = g_strdup_printf("%s.json", uuid);
    int folder = repository_open(args, error);
    bool there = folder >= 0 && disk_load(folder, uuid, name, ret_disk);
    bool ok = there || (folder >= 0 && errno == ENOENT);

    if (folder >= 0 && !ok)
        driver_fail(error, FAILURE_VDI_LOAD, "%s: %s", name, g_strerror(errno));
    if (!there)
        *ret_disk = (disk_t){.uuid = uuid};
    ret_disk->folder = folder;
    ret_disk->record_name = g_steal_pointer(&name);
    return ok;
}

bool
disk_must_exist(const struct disk *disk, GVariant *args, GError **error)
{
    if (disk->record)
        return true;
    api_error_set(error, "VDI_MISSING", member_text(args, "sr"), disk->uuid, NULL);
    return false;
}

char **
disk_chain(const struct disk *disk)
{
    g_autoptr(GStrvBuilder) out = g_strv_builder_new();

    g_strv_builder_add(out, disk->file);
    if (disk->bases)
        g_strv_builder_addv(out, (const char **)disk->bases);
    return g_strv_builder_end(out);
}

bool
disk_check(const struct disk *disk, GError **error)
{
    g_auto(GStrv) chain = disk_chain(disk);

    for (char **name = chain; disk->qcow2 && *name; name++)
        if (!image_check(disk->folder, name[0], name[1], error))
            return false;
    return true;
}

/* What the API is told of it: the space is that of its own file, the first. */
bool
disk_describe(const struct disk *disk, GVariantDict *result)
{
    g_auto(GStrv) chain = disk_chain(disk);
    gint64 size = 0;
    struct stat status;

    for (gsize i = g_strv_length(chain); i-- > 0;)
        if (!folder_stat(disk->folder, chain[i], &status))
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

bool
disk_make_image(const struct disk *disk, const char *part, gint64 size, const char *base,
                GError **error)
{
    g_autofree char *path = disk_tool_path(disk, part);
    g_autofree char *bytes = g_strdup_printf("%" G_GINT64_FORMAT, size);
    g_autofree char *words = NULL;
    const char *const argv[] = {
        QEMU_IMG, "create", "-q",  "-f",
        "qcow2",  path,     bytes, base ? "-u" : NULL, /* the base is not opened */
        "-b",     base,     "-F",  "qcow2",
        NULL};

    if (!folder_remove(disk->folder, part) || !tool_run(disk->folder, argv, &words) ||
        !disk_sync_file(disk, part)) {
        disk_tool_failed(disk, FAILURE_VDI_CREATE, words, error);
        return false;
    }
    return true;
}

static bool
make_file(const struct disk *disk, const char *part, gint64 size, GError **error)
{
    return disk->qcow2 ? disk_make_image(disk, part, size, NULL, error)
                       : make_raw(disk, part, size, error);
}

static GVariant *
new_record(const struct disk *disk, GVariant *args, gint64 size)
{
    GVariantDict record;

    g_variant_dict_init(&record, NULL);
    driver_insert_labels(&record, args);
    g_variant_dict_insert(&record, "format", "s", disk->qcow2 ? "qcow2" : "raw");
    g_variant_dict_insert(&record, "virtual_size", "x", size);
    g_variant_dict_insert(&record, "file", "s", disk->file);
    if (disk->bases)
        g_variant_dict_insert(&record, "bases", "^as", disk->bases);
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
    g_autoptr(GVariant) before = disk->record;

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

    if (!FAULT_POINT("file.vdi.create.before", error) || !make_file(disk, part, size, error) ||
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
        (!driver_disk_size(args, SIZE_UNIT, &size, error) ||
         !disk_read_format(args, "qcow2", &disk, error) || !make_disk(&disk, args, size, error)))
        return false;
    if (disk_describe(&disk, result))
        return true;
    driver_fail(error, FAILURE_VDI_LOAD, "%s: %s", disk.file, g_strerror(errno));
    return false;
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

    if (!driver_disk_size(args, SIZE_UNIT, &size, error) || !disk_open(args, &disk, error) ||
        !disk_must_exist(&disk, args, error))
        return false;
    g_variant_lookup(disk.record, "virtual_size", "x", &now);
    if (!driver_may_resize(disk.uuid, now, size, error) || !disk_check(&disk, error) ||
        !FAULT_POINT("file.vdi.resize.before", error) ||
        !(disk.qcow2 ? grow_qcow2 : grow_raw)(&disk, size, error) ||
        !FAULT_POINT("file.vdi.resize.grown", error) || !repository_lock(disk.folder, error))
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
    if (!disk_check(&disk, error))
        return false;
    g_autofree char *folder = repository_path(args);
    g_auto(GStrv) paths = disk_chain(&disk);
    for (char **path = paths; *path; path++) {
        g_autofree char *name = *path;
        *path = g_build_filename(folder, name, NULL);
    }
    g_variant_dict_insert(result, "kind", "s", "file");
    g_variant_dict_insert(result, "path", "s", paths[0]);
    g_variant_dict_insert(result, "bases", "^as", paths + 1);
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
