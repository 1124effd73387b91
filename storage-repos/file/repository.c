/* Repositories that are a folder of a file system. */
#include "config.h"

#include "storage-repos/file/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "lib/log.h"
#include "lib/member.h"
#include "lib/wire/jsonrpc.h"
#include "storage-repos/common/folder.h"

#define RECORD_MAX (1024 * 1024) /* bytes of a .json */

const char *const file_capabilities[] = {
    "SR_PROBE",   "SR_UPDATE",    "SR_CREATE",   "SR_DELETE",         "SR_SCAN",    "SR_STATS",
    "VDI_CREATE", "VDI_DELETE",   "VDI_ATTACH",  "VDI_DETACH",        "VDI_RESIZE", "VDI_COPY",
    "VDI_CLONE",  "VDI_EXCHANGE", "SR_COALESCE", "THIN_PROVISIONING", NULL};

const struct driver_call file_calls[] = {{"sr.scan", sr_scan},
                                         {"sr.stat", sr_stat},
                                         {"sr.chains", sr_chains},
                                         {"sr.coalesce", sr_coalesce},
                                         {"vdi.create", vdi_create},
                                         {"vdi.copy", vdi_copy},
                                         {"vdi.clone", vdi_clone},
                                         {"vdi.exchange", vdi_exchange},
                                         {"vdi.destroy", vdi_destroy},
                                         {"vdi.resize", vdi_resize},
                                         {"vdi.attach", vdi_attach},
                                         {"vdi.detach", vdi_detach},
                                         {NULL, NULL}};

/* ---- records ---- */

GVariant *
record_read(int folder, const char *name)
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

bool
record_write(int folder, const char *name, GVariant *record)
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
    g_autoptr(GVariant) record = record_read(folder, REPOSITORY);

    return g_strdup(record ? member_text(record, "sr") : "");
}

/* The folder of the SR that args name; -1 with an error. */
int
repository_open(GVariant *args, GError **error)
{
    g_autofree char *path = repository_path(args);
    int folder = folder_open(path, error);

    if (folder < 0)
        return -1;
    g_autofree char *owner = owner_of(folder);
    if (g_str_equal(owner, member_text(args, "sr")))
        return folder;
    driver_fail(error, FAILURE_SR_UNAVAILABLE, "%s holds %s%s", path,
                *owner ? "the repository " : "no repository", owner);
    close(folder);
    return -1;
}

bool
repository_lock(int folder, GError **error)
{
    int r;

    while ((r = flock(folder, LOCK_EX)) && errno == EINTR)
        ;
    if (r)
        driver_fail(error, FAILURE_SR_UNAVAILABLE, "flock: %s", g_strerror(errno));
    return r == 0;
}

/* ---- calls ---- */

bool
sr_create(GVariant *args, GVariantDict *result, GError **error)
{
    const char *sr = member_text(args, "sr");
    g_autofree char *path = repository_path(args);
    int folder = folder_open(path, error);
    GVariantDict record;
    bool ok = false;

    (void)result;
    if (folder < 0)
        return false;
    g_autofree char *owner = owner_of(folder);
    if (g_str_equal(owner, sr)) {
        ok = true; /* made before */
    } else if (*owner) {
        driver_fail(error, FAILURE_SR_CREATE, "%s holds the repository %s", path, owner);
    } else if (FAULT_POINT("file.sr.create.before", error)) {
        g_variant_dict_init(&record, NULL);
        g_variant_dict_insert(&record, "sr", "s", sr);
        g_variant_dict_insert(&record, "version", "x", (gint64)1);
        ok = record_write(folder, REPOSITORY, g_variant_dict_end(&record));
        if (!ok)
            driver_fail(error, FAILURE_SR_CREATE, "%s: %s", REPOSITORY, g_strerror(errno));
        else
            ok = FAULT_POINT("file.sr.create.after", error);
    }
    close(folder);
    return ok;
}

/* Nothing else happens to a repository while it is being attached. */
bool
sr_attach(GVariant *args, GVariantDict *result, GError **error)
{
    int folder = repository_open(args, error);

    (void)result;
    if (folder < 0)
        return false;
    bool ok = repository_sweep(folder, NULL);
    (void)records_tidy(folder); /* which a full repository cannot: it is of use all the same */
    if (!ok)
        driver_fail(error, FAILURE_SR_UNAVAILABLE, "%s", g_strerror(errno));
    close(folder);
    return ok;
}

bool
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

bool
sr_destroy(GVariant *args, GVariantDict *result, GError **error)
{
    g_autofree char *path = repository_path(args);
    int folder = folder_open(path, error);
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
    g_autofree char *uuid = record_uuid(name);
    g_auto(disk_t) disk = {.folder = -1};
    GVariantDict volume;

    if (!uuid)
        return;
    if (!disk_load(scan->folder, uuid, name, &disk)) {
        if (folder_is_silent(errno))
            scan->failed = errno;
        log_warning("%s cannot be read: %s", name, g_strerror(errno));
        return;
    }
    disk.folder = scan->folder;
    g_variant_dict_init(&volume, NULL);
    if (disk_describe(&disk, &volume)) {
        driver_insert_labels(&volume, disk.record);
        g_variant_builder_add_value(&scan->volumes, g_variant_dict_end(&volume));
    } else {
        if (folder_is_silent(errno))
            scan->failed = errno;
        log_warning("%s has no file: %s", uuid, g_strerror(errno));
        g_variant_dict_clear(&volume);
    }
    disk.folder = -1;
}

bool
sr_scan(GVariant *args, GVariantDict *result, GError **error)
{
    int folder = repository_open(args, error);

    /* What a disk's record and its images say is of one moment. */
    if (folder >= 0 && !repository_lock(folder, error)) {
        close(folder);
        return false;
    }
    return folder_answer_scan(folder, args, scan_one, result, error);
}

bool
sr_stat(GVariant *args, GVariantDict *result, GError **error)
{
    return folder_answer_stat(repository_open(args, error), result, error);
}

static void
probe_one(const char *path, GVariantBuilder *found, int folder)
{
    g_autofree char *owner = owner_of(folder);
    GVariantDict sr;

    if (!*owner)
        return;
    g_variant_dict_init(&sr, NULL);
    g_variant_dict_insert(&sr, "uuid", "s", owner);
    g_variant_dict_insert(&sr, "location", "s", path);
    (void)folder_figures(folder, &sr, NULL);
    g_variant_builder_add_value(found, g_variant_dict_end(&sr));
}

bool
sr_probe(GVariant *args, GVariantDict *result, GError **error)
{
    g_autofree char *path = repository_path(args);
    int folder = folder_open(path, error);
    GVariantBuilder found;

    if (folder < 0)
        return false;
    g_variant_builder_init(&found, G_VARIANT_TYPE("aa{sv}"));
    probe_one(path, &found, folder);
    g_variant_dict_insert_value(result, "repositories", g_variant_builder_end(&found));
    close(folder);
    return true;
}
