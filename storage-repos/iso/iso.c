/* Repositories of CD images: the *.iso files of a folder, of this host, an export of NFS or a share
 * of SMB, read only.  What cannot be a name in the API is left out. */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/log.h"
#include "lib/member.h"
#include "lib/text.h"
#include "storage-repos/common/driver.h"
#include "storage-repos/common/folder.h"
#include "storage-repos/common/mount.h"
#include "storage-repos/iso/iso.h"

#define NAME_LENGTH_MAX 255 /* bytes */

static bool
is_image(int folder, const char *name, struct stat *ret_status)
{
    gsize length = strlen(name);

    return *name != '.' && length <= NAME_LENGTH_MAX && length > strlen(".iso") &&
           g_ascii_strcasecmp(name + length - strlen(".iso"), ".iso") == 0 &&
           text_is_valid(name, (gssize)length) && !strpbrk(name, "\r\n\t/") &&
           folder_stat(folder, name, ret_status);
}

/* The same at every scan: of the repository's uuid and the file's name, in the form of version 5.
 */
static char *
uuid_of(const char *sr, const char *name)
{
    g_autofree char *text = g_strdup_printf("%s/%s", sr, name);
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA1, text, -1);

    return g_strdup_printf("%.8s-%.4s-5%.3s-a%.3s-%.12s", digest, digest + 8, digest + 13,
                           digest + 17, digest + 20);
}

/* ---- repositories ---- */

static bool
was_opened(int folder)
{
    if (folder < 0)
        return false;
    close(folder);
    return true;
}

/* Is the folder there? */
static bool
look(GVariant *args, GVariantDict *result, GError **error)
{
    g_autofree char *path = mount_path(args);
    g_auto(share_t) share = {0};

    (void)result;
    if (!share_of(args, &share, error))
        return false;
    if (!share.source)
        return was_opened(place_open(args, error));
    return was_opened(share_open_aside(&share, path, error)) &&
           was_opened(place_open_within(args, path, error));
}

static bool
attach(GVariant *args, GVariantDict *result, GError **error)
{
    g_autofree char *path = mount_path(args);
    g_autoptr(GError) failed = NULL;
    g_auto(share_t) share = {0};

    (void)result;
    if (!share_of(args, &share, error))
        return false;
    bool mounts = share.source && !mount_is_there(path);
    if (share.source && !share_mount(&share, path, error))
        return false;
    if (was_opened(place_open(args, error)))
        return true;
    if (mounts && !mount_end(path, &failed))
        log_warning("%s", failed->message);
    return false;
}

/* The images are not the repository's to remove. */
static bool
nothing(GVariant *args, GVariantDict *result, GError **error)
{
    (void)args;
    (void)result;
    (void)error;
    return true;
}

static void
scan_one(const char *name, struct folder_scan *scan)
{
    g_autofree char *uuid = uuid_of(member_text(scan->args, "sr"), name);
    struct stat status;
    GVariantDict volume;

    errno = 0;
    if (!is_image(scan->folder, name, &status)) {
        if (folder_is_silent(errno))
            scan->failed = errno;
        return;
    }
    g_variant_dict_init(&volume, NULL);
    g_variant_dict_insert(&volume, "uuid", "s", uuid);
    g_variant_dict_insert(&volume, "location", "s", name);
    g_variant_dict_insert(&volume, "name_label", "s", name);
    g_variant_dict_insert(&volume, "name_description", "s", "");
    g_variant_dict_insert(&volume, "type", "s", "user");
    g_variant_dict_insert(&volume, "virtual_size", "x", (gint64)status.st_size);
    g_variant_dict_insert(&volume, "physical_utilisation", "x", (gint64)status.st_size);
    g_variant_dict_insert(&volume, "read_only", "b", TRUE);
    g_variant_builder_add_value(&scan->volumes, g_variant_dict_end(&volume));
}

static bool
sr_scan(GVariant *args, GVariantDict *result, GError **error)
{
    return folder_answer_scan(place_open(args, error), args, scan_one, result, error);
}

static bool
sr_stat(GVariant *args, GVariantDict *result, GError **error)
{
    return folder_answer_stat(place_open(args, error), result, error);
}

/* ---- images ---- */

struct search {
    GVariant *args;
    int folder;
    char *found;
};

static void
search_one(const char *name, void *data)
{
    struct search *search = data;
    g_autofree char *uuid = uuid_of(member_text(search->args, "sr"), name);
    struct stat status;

    if (!search->found && g_str_equal(uuid, member_text(search->args, "vdi")) &&
        is_image(search->folder, name, &status))
        search->found = g_strdup(name);
}

static bool
vdi_attach(GVariant *args, GVariantDict *result, GError **error)
{
    struct search search = {.args = args, .folder = place_open(args, error)};

    if (search.folder < 0)
        return false;
    bool listed = folder_list(search.folder, search_one, &search);
    close(search.folder);
    g_autofree char *name = search.found;
    if (!name) {
        if (listed)
            api_error_set(error, "VDI_MISSING", member_text(args, "sr"), member_text(args, "vdi"),
                          NULL);
        else
            driver_fail(error, FAILURE_SR_UNAVAILABLE, "%s", g_strerror(errno));
        return false;
    }
    g_autofree char *mounted = mount_path(args);
    g_autofree char *path = place_is_here(args)
                                ? g_build_filename(driver_key(args, "location"), name, NULL)
                                : g_build_filename(mounted, place_path(args), name, NULL);
    g_variant_dict_insert(result, "kind", "s", "file");
    g_variant_dict_insert(result, "path", "s", path);
    g_variant_dict_insert(result, "format", "s", "raw");
    return true;
}

int
main(int argc, char **argv)
{
    static const char *const capabilities[] = {"SR_CREATE",  "SR_DELETE",  "SR_SCAN", "SR_STATS",
                                               "VDI_ATTACH", "VDI_DETACH", NULL};
    static const struct driver_key keys[] = {
        {"location", "of *.iso files: a local folder, SERVER:/PATH (NFS) or //SERVER/SHARE (SMB)",
         true},
        {"type", "nfs_iso or cifs, when the location does not say it", false},
        {"iso_path", "the folder of the share, when it is not all of it", false},
        {"nfsversion", "3, 4, 4.1 (unless it is said) or 4.2", false},
        {"vers", "of SMB: 2.1, 3 (unless it is said), 3.0, 3.02 or 3.1.1", false},
        {"username", "of SMB; nothing: a guest", false},
        {"cifspassword", "the user's; is kept as a secret (cifspassword_secret)", false},
        {"password", "the same", false},
        {"options", "more options of the mount", false},
        {"legacy_mode", "accepted, and means nothing here", false},
        {NULL, NULL, false}};
    static const struct driver_call calls[] = {
        {"sr.create", look},        {"sr.attach", attach},   {"sr.detach", share_detach},
        {"sr.destroy", nothing},    {"sr.scan", sr_scan},    {"sr.stat", sr_stat},
        {"vdi.attach", vdi_attach}, {"vdi.detach", nothing}, {NULL, NULL}};
    static const struct driver driver = {
        "iso",        "CD images",    "The *.iso files of a folder, here or on a server, read only",
        capabilities, keys,           calls,
        NULL,         share_make_call};

    return driver_main(&driver, argc, argv);
}
