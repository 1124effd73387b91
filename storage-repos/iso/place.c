/* Where a repository of images is: a folder of this host, an export or a share. */
#include "config.h"

#include "storage-repos/iso/iso.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "storage-repos/common/folder.h"
#include "storage-repos/common/mount.h"

enum place { PLACE_HERE, PLACE_NFS, PLACE_SMB };

/* What the location looks like, when the type does not say. */
static enum place
place_of(const char *location)
{
    if (g_str_has_prefix(location, "//") || *location == '\\')
        return PLACE_SMB;
    return *location != '/' && strstr(location, ":/") ? PLACE_NFS : PLACE_HERE;
}

static bool
read_place(GVariant *args, enum place *ret_place, GError **error)
{
    static const struct {
        const char *type;
        enum place place;
    } types[] = {
        {"nfs_iso", PLACE_NFS}, {"nfs", PLACE_NFS}, {"cifs", PLACE_SMB}, {"smb", PLACE_SMB}};
    const char *type = driver_key(args, "type");

    if (!*type) {
        *ret_place = place_of(driver_key(args, "location"));
        return true;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(types); i++)
        if (g_str_equal(type, types[i].type)) {
            *ret_place = types[i].place;
            return true;
        }
    driver_fail(error, FAILURE_CONFIG_INVALID, "type \"%s\" is none of nfs_iso, nfs, cifs, smb",
                type);
    return false;
}

/* SERVER:/PATH, or [ADDRESS]:/PATH. */
static bool
read_export(GVariant *args, share_t *ret_share, GError **error)
{
    const char *location = driver_key(args, "location"), *path = strstr(location, ":/");
    bool bracketed = *location == '[' && path && path[-1] == ']';
    g_autofree char *server = NULL;

    if (!path) {
        driver_fail(error, FAILURE_CONFIG_INVALID, "location \"%s\" is no SERVER:/PATH", location);
        return false;
    }
    server = bracketed ? g_strndup(location + 1, (gsize)(path - location) - 2)
                       : g_strndup(location, (gsize)(path - location));
    return share_nfs(args, server, path + 1, ret_share, error);
}

static bool
is_number(const char *text)
{
    return *text && strlen(text) <= 9 && strspn(text, "0123456789") == strlen(text);
}

/* Words that cannot make a mount less safe than ours. */
static bool
is_option(const char *word)
{
    static const char *const known[] = {"ro",         "nolock",  "tcp",         "proto=tcp",
                                        "proto=tcp6", "sec=sys", "sec=ntlmssp", "sec=ntlmsspi",
                                        "seal",       NULL};
    static const char *const numbers[] = {"port=", "mountport=", "rsize=", NULL};

    for (const char *const *name = numbers; *name; name++)
        if (g_str_has_prefix(word, *name))
            return is_number(word + strlen(*name));
    return g_strv_contains(known, word);
}

/* `options` as it may be written for mount(8): "-o", and words with commas or blanks between. */
static bool
add_options(GVariant *args, struct share *share, GError **error)
{
    g_auto(GStrv) words = g_strsplit_set(driver_key(args, "options"), ", ", -1);

    share_add_options(share, ",ro");
    for (char **word = words; *word; word++) {
        g_autofree char *option = g_strconcat(",", *word, NULL);
        if (!**word || g_str_equal(*word, "-o") || g_str_equal(*word, "ro"))
            continue;
        if (!is_option(*word)) {
            driver_fail(error, FAILURE_MOUNT_OPTIONS, "\"%s\" is no option that is passed on",
                        *word);
            return false;
        }
        share_add_options(share, option);
    }
    return true;
}

/* XAPI calls the same password by two names. */
static const char *
password_of(GVariant *args)
{
    const char *password = driver_key(args, "cifspassword");

    return *password ? password : driver_key(args, "password");
}

/* Its source is NULL for a folder of this host. */
bool
share_of(GVariant *args, share_t *ret_share, GError **error)
{
    g_auto(share_t) share = {0};
    enum place place;

    if (!read_place(args, &place, error))
        return false;
    if (place == PLACE_NFS ? !read_export(args, &share, error)
                           : place == PLACE_SMB && !share_smb(args, driver_key(args, "location"),
                                                              password_of(args), &share, error))
        return false;
    if (share.source && !add_options(args, &share, error))
        return false;
    *ret_share = share;
    share = (share_t){0};
    return true;
}

const char *
place_path(GVariant *args)
{
    const char *path = driver_key(args, "iso_path");

    while (*path == '/')
        path++;
    return *path ? path : ".";
}

int
place_open_within(GVariant *args, const char *mounted, GError **error)
{
    int share = open(mounted, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int folder =
        share < 0 ? -1 : folder_open_file(share, place_path(args), O_RDONLY | O_DIRECTORY, 0);

    if (folder < 0)
        driver_fail(error, FAILURE_SR_UNAVAILABLE, "%s: %s", driver_key(args, "location"),
                    g_strerror(errno));
    if (share >= 0)
        close(share);
    return folder;
}

bool
place_is_here(GVariant *args)
{
    enum place place;

    return read_place(args, &place, NULL) && place == PLACE_HERE;
}

int
place_open(GVariant *args, GError **error)
{
    g_autofree char *path = mount_path(args);

    if (place_is_here(args))
        return folder_open(driver_key(args, "location"), error);
    if (mount_is_there(path))
        return place_open_within(args, path, error);
    driver_fail(error, FAILURE_SR_UNAVAILABLE, "%s is not mounted", driver_key(args, "location"));
    return -1;
}
