/* Repositories on servers, each a folder of a share that is named by the uuid of its SR; what is in
 * it is as the driver `file` has it. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/faults.h"
#include "lib/log.h"
#include "lib/member.h"
#include "storage-repos/common/folder.h"
#include "storage-repos/common/mount.h"
#include "storage-repos/file/file.h"
#include "storage-repos/shares/share.h"

char *
repository_path(GVariant *args)
{
    return g_build_filename(MOUNTS, member_text(args, "sr"), member_text(args, "sr"), NULL);
}

/* The share, mounted there for this call alone; -1 with an error. */
static int
open_share(GVariant *args, const char *path, GError **error)
{
    g_auto(share_t) share = {0};

    return share_of(args, &share, error) ? share_open_aside(&share, path, error) : -1;
}

static bool
make_folder(int share, const char *name)
{
    return (mkdirat(share, name, 0700) == 0 || errno == EEXIST) && folder_sync(share);
}

static bool
create(GVariant *args, GVariantDict *result, GError **error)
{
    g_autofree char *path = mount_path(args);
    int share = open_share(args, path, error);

    if (share < 0)
        return false;
    bool made = FAULT_AROUND("share.folder", error, make_folder(share, member_text(args, "sr")));
    if (!made && error && !*error)
        driver_fail(error, FAILURE_SR_CREATE, "%s: %s", path, g_strerror(errno));
    close(share);
    return made && sr_create(args, result, error);
}

static bool
attach(GVariant *args, GVariantDict *result, GError **error)
{
    g_autofree char *path = mount_path(args);
    g_autoptr(GError) failed = NULL;
    g_auto(share_t) share = {0};

    bool there = mount_is_there(path);
    if (!share_of(args, &share, error) || !share_mount(&share, path, error))
        return false;
    if (sr_attach(args, result, error))
        return true;
    if (!there && !mount_end(path, &failed))
        log_warning("%s", failed->message);
    return false;
}

static bool
remove_folder(int share, const char *name)
{
    return (unlinkat(share, name, AT_REMOVEDIR) == 0 || errno == ENOENT) && folder_sync(share);
}

static bool
destroy(GVariant *args, GVariantDict *result, GError **error)
{
    g_autofree char *path = mount_path(args);
    int share = open_share(args, path, error);
    struct stat status;

    if (share < 0)
        return false;
    bool gone = fstatat(share, member_text(args, "sr"), &status, AT_SYMLINK_NOFOLLOW) != 0 &&
                errno == ENOENT; /* removed before */
    bool ok = gone || sr_destroy(args, result, error);
    if (ok &&
        !FAULT_AROUND("share.folder.gone", error, remove_folder(share, member_text(args, "sr")))) {
        ok = false;
        if (error && !*error)
            driver_fail(error, FAILURE_SR_DELETE, "%s: %s", path, g_strerror(errno));
    }
    close(share);
    return ok;
}

struct search {
    int share;
    const char *location;
    GVariantBuilder found; /* aa{sv} */
};

static void
look_at(const char *name, void *data)
{
    struct search *search = data;
    g_autofree char *record_name = g_build_filename(name, REPOSITORY, NULL);
    GVariantDict sr;

    if (!g_uuid_string_is_valid(name))
        return;
    g_autoptr(GVariant) record = record_read(search->share, record_name);
    if (!record || !g_str_equal(member_text(record, "sr"), name))
        return;
    g_variant_dict_init(&sr, NULL);
    g_variant_dict_insert(&sr, "uuid", "s", name);
    g_variant_dict_insert(&sr, "location", "s", search->location);
    (void)folder_figures(search->share, &sr, NULL);
    g_variant_builder_add_value(&search->found, g_variant_dict_end(&sr));
}

/* Mounted over the folder of all mounts, for this process has no use of them. */
static bool
probe(GVariant *args, GVariantDict *result, GError **error)
{
    g_auto(share_t) share = {0};
    struct search search = {0};

    if (!share_of(args, &share, error))
        return false;
    search.location = share.source;
    search.share = share_open_aside(&share, MOUNTS, error);
    if (search.share < 0)
        return false;
    g_variant_builder_init(&search.found, G_VARIANT_TYPE("aa{sv}"));
    bool ok = folder_list(search.share, look_at, &search);
    if (!ok)
        driver_fail(error, FAILURE_SR_UNAVAILABLE, "%s: %s", share.source, g_strerror(errno));
    g_variant_dict_insert_value(result, "repositories", g_variant_builder_end(&search.found));
    close(search.share);
    return ok;
}

/* NFS does not know how two files change names. */
const char *const share_capabilities[] = {
    "SR_PROBE",   "SR_UPDATE",   "SR_CREATE",         "SR_DELETE",  "SR_SCAN",    "SR_STATS",
    "VDI_CREATE", "VDI_DELETE",  "VDI_ATTACH",        "VDI_DETACH", "VDI_RESIZE", "VDI_COPY",
    "VDI_CLONE",  "SR_COALESCE", "THIN_PROVISIONING", NULL};

const struct driver_call share_calls[] = {{"sr.probe", probe},     {"sr.create", create},
                                          {"sr.attach", attach},   {"sr.detach", share_detach},
                                          {"sr.destroy", destroy}, {NULL, NULL}};
