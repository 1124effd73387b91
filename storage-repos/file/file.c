/* Repositories that are a folder of a local file system: a disk is a file, raw or qcow2, and beside
 * it UUID.json, what the API says of it.  A disk is there when its UUID.json is: that comes last
 * when it is made, and goes first when it is removed. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "lib/log.h"
#include "lib/member.h"
#include "lib/text.h"
#include "lib/wire/jsonrpc.h"
#include "storage-repos/common/driver.h"
#include "storage-repos/common/folder.h"
#include "storage-repos/common/tool.h"

#define QEMU_IMG "/usr/bin/qemu-img"
#define REPOSITORY "xapid-sr.json" /* says whose folder it is */
#define RECORD_MAX (1024 * 1024)   /* bytes of a .json */
#define SIZE_MAX_BYTES ((gint64)16 << 40)
#define SIZE_UNIT ((gint64)512)

/* ---- records ---- */

static GVariant *
read_record(int folder, const char *name)
{
    gsize length;
    g_autofree char *text = folder_read(folder, name, RECORD_MAX, &length);
    g_autoptr(GVariant) record = text ? json_parse(text, length, NULL) : NULL;

    if (record && g_variant_is_of_type(record, G_VARIANT_TYPE_VARDICT))
        return g_steal_pointer(&record);
    if (text)
        errno = EBADMSG;
    return NULL;
}

static bool
write_record(int folder, const char *name, GVariant *record)
{
    g_autoptr(GVariant) sunk = g_variant_ref_sink(record);
    g_autoptr(GString) text = g_string_new(NULL);

    json_untyped_encode(text, sunk);
    g_string_append_c(text, '\n');
    return folder_write(folder, name, text->str);
}

/* Whose the folder is: the uuid of its SR, "" when it is nobody's. */
static char *
owner_of(int folder)
{
    g_autoptr(GVariant) record = read_record(folder, REPOSITORY);

    return g_strdup(record ? member_text(record, "sr") : "");
}

/* The folder of the SR that args name; -1 with an error. */
static int
open_repository(GVariant *args, GError **error)
{
    int folder = folder_open(driver_key(args, "location"), error);

    if (folder < 0)
        return -1;
    g_autofree char *owner = owner_of(folder);
    if (g_str_equal(owner, member_text(args, "sr")))
        return folder;
    driver_fail(error, FAILURE_SR_UNAVAILABLE, "%s holds %s%s", driver_key(args, "location"),
                *owner ? "the repository " : "no repository", owner);
    close(folder);
    return -1;
}

/* ---- disks ---- */

struct disk {
    int folder;
    const char *uuid;
    char *record_name;
    GVariant *record; /* NULL: there is no such disk */
    bool qcow2;
    char *file; /* its name */
};

static void
disk_clear(struct disk *disk)
{
    if (disk->folder >= 0)
        close(disk->folder);
    g_free(disk->record_name);
    if (disk->record)
        g_variant_unref(disk->record);
    g_free(disk->file);
}
typedef struct disk disk_t;
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(disk_t, disk_clear)

static void
set_format(struct disk *disk, const char *format)
{
    disk->qcow2 = g_str_equal(format, "qcow2");
    g_free(disk->file);
    disk->file = g_strdup_printf("%s.%s", disk->uuid, disk->qcow2 ? "qcow2" : "raw");
}

static bool
disk_open(GVariant *args, disk_t *ret_disk, GError **error)
{
    *ret_disk = (disk_t){.folder = open_repository(args, error), .uuid = member_text(args, "vdi")};
    if (ret_disk->folder < 0)
        return false;
    ret_disk->record_name = g_strdup_printf("%s.json", ret_disk->uuid);
    ret_disk->record = read_record(ret_disk->folder, ret_disk->record_name);
    if (ret_disk->record)
        set_format(ret_disk, member_text(ret_disk->record, "format"));
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
static bool
describe(const struct disk *disk, GVariantDict *result)
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

/* ---- repositories ---- */

static bool
sr_create(GVariant *args, GVariantDict *result, GError **error)
{
    const char *sr = member_text(args, "sr");
    int folder = folder_open(driver_key(args, "location"), error);
    GVariantDict record;
    bool ok = false;

    (void)result;
    if (folder < 0)
        return false;
    g_autofree char *owner = owner_of(folder);
    if (g_str_equal(owner, sr)) {
        ok = true; /* made before */
    } else if (*owner) {
        driver_fail(error, FAILURE_SR_CREATE, "%s holds the repository %s",
                    driver_key(args, "location"), owner);
    } else if (FAULT_POINT("file.sr.create.before", error)) {
        g_variant_dict_init(&record, NULL);
        g_variant_dict_insert(&record, "sr", "s", sr);
        g_variant_dict_insert(&record, "version", "x", (gint64)1);
        ok = write_record(folder, REPOSITORY, g_variant_dict_end(&record));
        if (!ok)
            driver_fail(error, FAILURE_SR_CREATE, "%s: %s", REPOSITORY, g_strerror(errno));
        else
            ok = FAULT_POINT("file.sr.create.after", error);
    }
    close(folder);
    return ok;
}

/* What is no disk, and no repository's: left over from a call that was broken off. */
static void
remove_leftover(const char *name, void *data)
{
    int folder = *(int *)data;
    g_autofree char *uuid = g_strndup(name, 36);
    const char *end = strlen(name) > 36 ? name + 36 : "";
    g_autofree char *record = g_strdup_printf("%s.json", uuid);
    struct stat status;
    bool part = *name == '.' && g_str_has_suffix(name, ".part");
    bool orphan = g_uuid_string_is_valid(uuid) &&
                  (g_str_equal(end, ".raw") || g_str_equal(end, ".qcow2")) &&
                  fstatat(folder, record, &status, AT_SYMLINK_NOFOLLOW) && errno == ENOENT;

    if (!part && !orphan)
        return;
    log_info("removing %s, which no disk has", name);
    if (!folder_remove(folder, name))
        log_warning("%s: %s", name, g_strerror(errno));
}

/* Nothing else happens to a repository while it is being attached. */
static bool
sr_attach(GVariant *args, GVariantDict *result, GError **error)
{
    int folder = open_repository(args, error);

    (void)result;
    if (folder < 0)
        return false;
    bool ok = folder_list(folder, remove_leftover, &folder);
    if (!ok)
        driver_fail(error, FAILURE_SR_UNAVAILABLE, "%s", g_strerror(errno));
    close(folder);
    return ok;
}

static bool
sr_detach(GVariant *args, GVariantDict *result, GError **error)
{
    (void)args;
    (void)result;
    (void)error;
    return true; /* a folder is not taken away */
}

static void
count_disk(const char *name, void *data)
{
    if (g_str_has_suffix(name, ".json") && !g_str_equal(name, REPOSITORY))
        (*(unsigned *)data)++;
}

static bool
sr_destroy(GVariant *args, GVariantDict *result, GError **error)
{
    int folder = folder_open(driver_key(args, "location"), error);
    unsigned disks = 0;
    bool ok = false;

    (void)result;
    if (folder < 0)
        return false;
    g_autofree char *owner = owner_of(folder);
    if (!*owner) {
        ok = true; /* removed before */
    } else if (!g_str_equal(owner, member_text(args, "sr"))) {
        driver_fail(error, FAILURE_SR_DELETE, "it holds the repository %s", owner);
    } else if (!folder_list(folder, count_disk, &disks)) {
        driver_fail(error, FAILURE_SR_DELETE, "%s", g_strerror(errno));
    } else if (disks) {
        api_error_set(error, "SR_NOT_EMPTY", NULL);
    } else if (FAULT_POINT("file.sr.destroy.before", error)) {
        ok = folder_remove(folder, REPOSITORY) && folder_sync(folder);
        if (!ok)
            driver_fail(error, FAILURE_SR_DELETE, "%s: %s", REPOSITORY, g_strerror(errno));
        else
            ok = FAULT_POINT("file.sr.destroy.after", error);
    }
    close(folder);
    return ok;
}

static void
scan_one(const char *name, struct folder_scan *scan)
{
    g_autofree char *uuid = g_strndup(name, 36);
    struct disk disk = {.folder = scan->folder, .uuid = uuid};
    static const char *const texts[] = {"name_label", "name_description", "type"};
    GVariantDict volume;

    if (strlen(name) != strlen("00000000-0000-0000-0000-000000000000.json") ||
        !g_str_has_suffix(name, ".json") || !g_uuid_string_is_valid(uuid))
        return;
    disk.record = read_record(scan->folder, name);
    if (!disk.record) {
        log_warning("%s cannot be read: %s", name, g_strerror(errno));
        return;
    }
    set_format(&disk, member_text(disk.record, "format"));
    g_variant_dict_init(&volume, NULL);
    if (describe(&disk, &volume)) {
        for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++)
            g_variant_dict_insert(&volume, texts[i], "s", member_text(disk.record, texts[i]));
        g_variant_builder_add_value(&scan->volumes, g_variant_dict_end(&volume));
    } else {
        log_warning("%s has no file: %s", uuid, g_strerror(errno));
        g_variant_dict_clear(&volume);
    }
    g_variant_unref(disk.record);
    g_free(disk.file);
}

static bool
sr_scan(GVariant *args, GVariantDict *result, GError **error)
{
    return folder_answer_scan(open_repository(args, error), args, scan_one, result, error);
}

static bool
sr_stat(GVariant *args, GVariantDict *result, GError **error)
{
    return folder_answer_stat(open_repository(args, error), result, error);
}

static void
probe_one(GVariant *args, GVariantBuilder *found, int folder)
{
    g_autofree char *owner = owner_of(folder);
    GVariantDict sr;

    if (!*owner)
        return;
    g_variant_dict_init(&sr, NULL);
    g_variant_dict_insert(&sr, "uuid", "s", owner);
    g_variant_dict_insert(&sr, "location", "s", driver_key(args, "location"));
    g_variant_builder_add_value(found, g_variant_dict_end(&sr));
}

static bool
sr_probe(GVariant *args, GVariantDict *result, GError **error)
{
    int folder = folder_open(driver_key(args, "location"), error);
    GVariantBuilder found;

    if (folder < 0)
        return false;
    g_variant_builder_init(&found, G_VARIANT_TYPE("aa{sv}"));
    probe_one(args, &found, folder);
    g_variant_dict_insert_value(result, "repositories", g_variant_builder_end(&found));
    close(folder);
    return true;
}

/* ---- disks ---- */

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

static bool
sync_file(const struct disk *disk, const char *name)
{
    int fd = folder_open_file(disk->folder, name, O_RDONLY, 0);
    bool ok = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0)
        close(fd);
    return ok;
}

/* A name of the folder as a path for a tool, which has the folder's descriptor too. */
static char *
tool_path(const struct disk *disk, const char *name)
{
    return g_strdup_printf("/proc/self/fd/%d/%s", disk->folder, name);
}

static bool
make_qcow2(const struct disk *disk, const char *part, gint64 size, GError **error)
{
    g_autofree char *path = tool_path(disk, part);
    g_autofree char *bytes = g_strdup_printf("%" G_GINT64_FORMAT, size);
    g_autofree char *words = NULL;
    const char *const argv[] = {QEMU_IMG, "create", "-q", "-f", "qcow2", path, bytes, NULL};

    if (!folder_remove(disk->folder, part) || !tool_run(disk->folder, argv, &words) ||
        !sync_file(disk, part)) {
        driver_fail(error, FAILURE_VDI_CREATE, "%s: %s", disk->file,
                    words ? words : g_strerror(errno));
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

/* sm_config's image-format; qcow2 when it does not say. */
static bool
read_format(GVariant *args, struct disk *disk, GError **error)
{
    g_autoptr(GVariant) config = g_variant_lookup_value(args, "sm_config", G_VARIANT_TYPE_VARDICT);
    const char *format = config ? member_text(config, "image-format") : "";

    if (!*format)
        format = "qcow2";
    if (!g_str_equal(format, "qcow2") && !g_str_equal(format, "raw")) {
        api_error_set(error, "INVALID_VALUE", "sm_config:image-format", format, NULL);
        return false;
    }
    set_format(disk, format);
    return true;
}

static bool
read_size(GVariant *args, gint64 *ret_size, GError **error)
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

static bool
make_disk(struct disk *disk, GVariant *args, gint64 size, GError **error)
{
    g_autofree char *part = g_strdup_printf(".%s.part", disk->file);

    if (!FAULT_POINT("file.vdi.create.before", error) ||
        !(disk->qcow2 ? make_qcow2 : make_raw)(disk, part, size, error) ||
        !FAULT_POINT("file.vdi.create.made", error))
        return false;
    if (renameat(disk->folder, part, disk->folder, disk->file) || !folder_sync(disk->folder)) {
        driver_fail(error, FAILURE_VDI_CREATE, "%s: %s", disk->file, g_strerror(errno));
        return false;
    }
    if (!FAULT_POINT("file.vdi.create.renamed", error))
        return false;
    disk->record = g_variant_ref_sink(new_record(disk, args, size));
    if (!write_record(disk->folder, disk->record_name, disk->record)) {
        driver_fail(error, FAILURE_VDI_CREATE, "%s: %s", disk->record_name, g_strerror(errno));
        return false;
    }
    return FAULT_POINT("file.vdi.create.after", error);
}

static bool
vdi_create(GVariant *args, GVariantDict *result, GError **error)
{
    g_auto(disk_t) disk = {.folder = -1};
    gint64 size;

    if (!disk_open(args, &disk, error))
        return false;
    if (!disk.record && (!read_size(args, &size, error) || !read_format(args, &disk, error) ||
                         !make_disk(&disk, args, size, error)))
        return false;
    if (describe(&disk, result))
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

static bool
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
    g_autofree char *path = tool_path(disk, disk->file);
    g_autofree char *bytes = g_strdup_printf("%" G_GINT64_FORMAT, size);
    g_autofree char *words = NULL;
    const char *const argv[] = {QEMU_IMG, "resize", "-q", "-f", "qcow2", path, bytes, NULL};

    if (tool_run(disk->folder, argv, &words) && sync_file(disk, disk->file))
        return true;
    driver_fail(error, FAILURE_VDI_RESIZE, "%s: %s", disk->file, words ? words : g_strerror(errno));
    return false;
}

/* The record follows the file: an interrupted call is made again and finds the file grown. */
static bool
vdi_resize(GVariant *args, GVariantDict *result, GError **error)
{
    g_auto(disk_t) disk = {.folder = -1};
    gint64 size, now = 0;

    if (!read_size(args, &size, error) || !disk_open(args, &disk, error) ||
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
    if (!write_record(disk.folder, disk.record_name, disk.record) || !describe(&disk, result)) {
        driver_fail(error, FAILURE_VDI_RESIZE, "%s: %s", disk.record_name, g_strerror(errno));
        return false;
    }
    return FAULT_POINT("file.vdi.resize.after", error);
}

static bool
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

static bool
vdi_detach(GVariant *args, GVariantDict *result, GError **error)
{
    (void)args;
    (void)result;
    (void)error;
    return true; /* a file is not taken away */
}

int
main(int argc, char **argv)
{
    static const char *const capabilities[] = {
        "SR_PROBE",   "SR_UPDATE",         "SR_CREATE",  "SR_DELETE",  "SR_SCAN",
        "SR_STATS",   "VDI_CREATE",        "VDI_DELETE", "VDI_ATTACH", "VDI_DETACH",
        "VDI_RESIZE", "THIN_PROVISIONING", NULL};
    static const struct driver_key keys[] = {
        {"location", "absolute path of an existing folder, empty or of this repository", true},
        {NULL, NULL, false}};
    static const struct driver_call calls[] = {{"sr.probe", sr_probe},
                                               {"sr.create", sr_create},
                                               {"sr.attach", sr_attach},
                                               {"sr.detach", sr_detach},
                                               {"sr.destroy", sr_destroy},
                                               {"sr.scan", sr_scan},
                                               {"sr.stat", sr_stat},
                                               {"vdi.create", vdi_create},
                                               {"vdi.destroy", vdi_destroy},
                                               {"vdi.resize", vdi_resize},
                                               {"vdi.attach", vdi_attach},
                                               {"vdi.detach", vdi_detach},
                                               {NULL, NULL}};
    static const struct driver driver = {
        "file",       "Folder", "Disks as files, raw or qcow2, in a local folder",
        capabilities, keys,     calls};

    return driver_main(&driver, argc, argv);
}
