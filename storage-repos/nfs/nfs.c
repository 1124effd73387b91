/* The driver of repositories on an NFS server, each a folder of an export that is named by the
 * uuid of its SR.  The export is mounted while the repository is attached; what is in the folder is
 * as the driver `file` has it.
 *
 * The mount is soft: a server that is gone makes errors after a while, not processes that nobody
 * can end.  What is mounted for one call alone is mounted where only this process sees it, and ends
 * with it. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "lib/log.h"
#include "lib/member.h"
#include "storage-repos/common/folder.h"
#include "storage-repos/common/mount.h"
#include "storage-repos/common/tool.h"
#include "storage-repos/file/file.h"

#define MOUNT_NFS "/usr/sbin/mount.nfs"
#define NAME_LENGTH_MAX 1024
#define VERSION_OTHERWISE "4.1"
/* A call of the server is made again after 5 seconds, then after 10, and fails after 15 more. */
#define OPTIONS "soft,timeo=50,retrans=2,retry=0,noatime,nodev,nosuid,noexec"
#define FAILURE_NFS_MOUNT 73
#define FAILURE_NFS_VERSION 72

char *
repository_path(GVariant *args)
{
    return g_build_filename(MOUNTS, member_text(args, "sr"), member_text(args, "sr"), NULL);
}

/* ---- names ---- */

static bool
is_made_of(const char *name, const char *more)
{
    for (const char *c = name; *c; c++)
        if (!g_ascii_isalnum(*c) && !strchr(more, *c))
            return false;
    return *name && strlen(name) <= NAME_LENGTH_MAX;
}

/* SERVER:PATH, as mount.nfs takes it: the caller's; NULL with an error. */
static char *
export_of(GVariant *args, GError **error)
{
    const char *server = driver_key(args, "server"), *path = driver_key(args, "serverpath");
    bool v6 = strchr(server, ':') != NULL;

    if (!is_made_of(server, v6 ? ":." : "-.") || *server == '-')
        driver_fail(error, FAILURE_CONFIG_INVALID, "server \"%s\" is no name of one", server);
    else if (*path != '/' || !is_made_of(path, "/._-+=@:~% ") || strstr(path, ".."))
        driver_fail(error, FAILURE_CONFIG_INVALID, "serverpath \"%s\" is no path of an export",
                    path);
    else
        return g_strdup_printf(v6 ? "[%s]:%s" : "%s:%s", server, path);
    return NULL;
}

/* The caller's; NULL with SR_BACKEND_FAILURE_72. */
static char *
options_of(GVariant *args, GError **error)
{
    static const char *const known[] = {"3", "4", "4.0", "4.1", "4.2", NULL};
    const char *version = driver_key(args, "nfsversion");

    if (!*version)
        version = VERSION_OTHERWISE;
    if (!g_strv_contains(known, version)) {
        driver_fail(error, FAILURE_NFS_VERSION, "nfsversion \"%s\" is none of 3, 4, 4.0, 4.1, 4.2",
                    version);
        return NULL;
    }
    /* One host uses a repository: locks of version 3, which need more servers, are its own. */
    return g_strdup_printf("vers=%s," OPTIONS "%s", version,
                           g_str_equal(version, "3") ? ",nolock" : "");
}

/* ---- mounting ---- */

static bool
mount_export(GVariant *args, const char *path, GError **error)
{
    g_autofree char *source = export_of(args, error);
    g_autofree char *options = source ? options_of(args, error) : NULL;
    g_autofree char *words = NULL;
    const char *const argv[] = {MOUNT_NFS, source, path, "-o", options, NULL};

    if (!options || !mount_make_folder(path, error))
        return false;
    if (FAULT_AROUND("nfs.mount", error, tool_run(/* folder: none */ -1, argv, &words)))
        return true;
    if (error && !*error)
        driver_fail(error, FAILURE_NFS_MOUNT, "%s: %s", source, words);
    return false;
}

/* The export, mounted for this call alone; -1 with an error. */
static int
open_export(GVariant *args, const char *path, GError **error)
{
    if (!mount_go_aside(error) || !mount_export(args, path, error))
        return -1;
    int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        driver_fail(error, FAILURE_SR_UNAVAILABLE, "%s: %s", path, g_strerror(errno));
    return folder;
}

/* ---- the calls ---- */

static bool
make_folder(int export, const char *name)
{
    return (mkdirat(export, name, 0700) == 0 || errno == EEXIST) && folder_sync(export);
}

static bool
create(GVariant *args, GVariantDict *result, GError **error)
{
    g_autofree char *path = mount_path(args);
    int export = open_export(args, path, error);

    if (export < 0)
        return false;
    bool made = FAULT_AROUND("nfs.sr.folder", error, make_folder(export, member_text(args, "sr")));
    if (!made && error && !*error)
        driver_fail(error, FAILURE_SR_CREATE, "%s: %s", driver_key(args, "serverpath"),
                    g_strerror(errno));
    close(export);
    return made && sr_create(args, result, error);
}

static bool
attach(GVariant *args, GVariantDict *result, GError **error)
{
    g_autofree char *path = mount_path(args);
    g_autoptr(GError) failed = NULL;

    if (mount_is_there(path))
        return sr_attach(args, result, error);
    if (!mount_export(args, path, error))
        return false;
    if (sr_attach(args, result, error))
        return true;
    if (!mount_end(path, &failed))
        log_warning("%s", failed->message);
    return false;
}

static bool
detach(GVariant *args, GVariantDict *result, GError **error)
{
    g_autofree char *path = mount_path(args);

    (void)result;
    return mount_end(path, error);
}

static bool
remove_folder(int export, const char *name)
{
    return (unlinkat(export, name, AT_REMOVEDIR) == 0 || errno == ENOENT) && folder_sync(export);
}

static bool
destroy(GVariant *args, GVariantDict *result, GError **error)
{
    g_autofree char *path = mount_path(args);
    int export = open_export(args, path, error);
    struct stat status;

    if (export < 0)
        return false;
    bool gone = fstatat(export, member_text(args, "sr"), &status, AT_SYMLINK_NOFOLLOW) != 0 &&
                errno == ENOENT; /* removed before */
    bool ok = gone || sr_destroy(args, result, error);
    if (ok && !FAULT_AROUND("nfs.sr.folder.gone", error,
                            remove_folder(export, member_text(args, "sr")))) {
        ok = false;
        if (error && !*error)
            driver_fail(error, FAILURE_SR_DELETE, "%s: %s", path, g_strerror(errno));
    }
    close(export);
    return ok;
}

struct search {
    int export;
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
    g_autoptr(GVariant) record = record_read(search->export, record_name);
    if (!record || !g_str_equal(member_text(record, "sr"), name))
        return;
    g_variant_dict_init(&sr, NULL);
    g_variant_dict_insert(&sr, "uuid", "s", name);
    g_variant_dict_insert(&sr, "location", "s", search->location);
    g_variant_builder_add_value(&search->found, g_variant_dict_end(&sr));
}

/* Mounted over the folder of all mounts, for this process has no use of them. */
static bool
probe(GVariant *args, GVariantDict *result, GError **error)
{
    g_autofree char *location = export_of(args, error);
    struct search search = {.location = location,
                            .export = location ? open_export(args, MOUNTS, error) : -1};

    if (search.export < 0)
        return false;
    g_variant_builder_init(&search.found, G_VARIANT_TYPE("aa{sv}"));
    bool ok = folder_list(search.export, look_at, &search);
    if (!ok)
        driver_fail(error, FAILURE_SR_UNAVAILABLE, "%s: %s", location, g_strerror(errno));
    g_variant_dict_insert_value(result, "repositories", g_variant_builder_end(&search.found));
    close(search.export);
    return ok;
}

int
main(int argc, char **argv)
{
    static const struct driver_key keys[] = {
        {"server", "name or address of an NFS server", true},
        {"serverpath", "path of an export of it that root may write to (no_root_squash)", true},
        {"nfsversion", "3, 4, 4.1 (unless it is said) or 4.2", false},
        {NULL, NULL, false}};
    static const struct driver_call calls[] = {{"sr.probe", probe},     {"sr.create", create},
                                               {"sr.attach", attach},   {"sr.detach", detach},
                                               {"sr.destroy", destroy}, {NULL, NULL}};
    static const struct driver driver = {
        "nfs", "NFS",     "Disks as files, raw or qcow2, on an NFS server", file_capabilities, keys,
        calls, file_calls};

    return driver_main(&driver, argc, argv);
}
