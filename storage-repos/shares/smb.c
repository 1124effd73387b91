/* Shares of SMB servers. */
#include "config.h"

#include "storage-repos/shares/share.h"

#include <string.h>

#define MOUNT_CIFS "/usr/sbin/mount.cifs"
#define VERSION_OTHERWISE "3" /* 3.0 to 3.1.1, as the two agree */
/* A server is gone when it has said nothing for three times echo_interval, in seconds.  A share
 * knows neither users nor modes of ours.  Locks stay on this host, which alone uses a repository:
 * a server's are mandatory, and QEMU's are on bytes of its images. */
#define OPTIONS                                                                                    \
    "soft,echo_interval=5,nobrl,uid=0,gid=0,file_mode=0600,dir_mode=0700,nodev,nosuid,noexec"

/* //SERVER/SHARE/PATH, as mount.cifs takes it: the caller's; NULL with an error. */
static char *
source_of(const char *location, GError **error)
{
    g_autofree char *source = g_strdelimit(g_strdup(location), "\\", '/');
    g_auto(GStrv) parts = NULL;

    for (char *end = source + strlen(source); end > source && end[-1] == '/'; end--)
        end[-1] = '\0';
    if (g_str_has_prefix(source, "//") && source[2] != '/')
        parts = g_strsplit(source + 2, "/", 2);
    if (parts && parts[0] && parts[1] && *parts[1] != '/' && !strchr(parts[0], ':') &&
        share_server_is_valid(parts[0]) && share_path_is_valid(parts[1]))
        return g_steal_pointer(&source);
    driver_fail(error, FAILURE_CONFIG_INVALID, "\"%s\" is no \\\\server\\share", location);
    return NULL;
}

/* The file that mount.cifs reads; user is DOMAIN\NAME, or a name: the caller's, NULL with an error.
 */
static char *
login_of(const char *user, const char *password, GError **error)
{
    const char *name = strchr(user, '\\');
    g_autofree char *domain = name ? g_strndup(user, (gsize)(name - user)) : g_strdup("");

    if (strpbrk(user, "\r\n") || strpbrk(password, "\r\n")) {
        driver_fail(error, FAILURE_CONFIG_INVALID, "a name and a password are one line each");
        return NULL;
    }
    return g_strdup_printf("username=%s\npassword=%s\n%s%s%s", name ? name + 1 : user, password,
                           *domain ? "domain=" : "", domain, *domain ? "\n" : "");
}

bool
share_smb(GVariant *args, const char *location, const char *password, share_t *ret_share,
          GError **error)
{
    static const char *const known[] = {"2.1", "3", "3.0", "3.02", "3.1.1", NULL};
    const char *user = driver_key(args, "username"), *version = driver_key(args, "vers");
    g_autofree char *source = source_of(location, error), *login = NULL;

    if (!source)
        return false;
    if (!*version)
        version = VERSION_OTHERWISE;
    if (!g_strv_contains(known, version)) {
        driver_fail(error, FAILURE_SMB_VERSION, "vers \"%s\" is none of 2.1, 3, 3.0, 3.02, 3.1.1",
                    version);
        return false;
    }
    if (!*user && *password) {
        driver_fail(error, FAILURE_CONFIG_MISSING, "device_config lacks username");
        return false;
    }
    if (*user && !(login = login_of(user, password, error)))
        return false;
    *ret_share = (share_t){.tool = MOUNT_CIFS, .failure = FAILURE_SMB_MOUNT};
    ret_share->source = g_steal_pointer(&source);
    ret_share->login = g_steal_pointer(&login);
    ret_share->options = g_strdup_printf("vers=%s," OPTIONS "%s", version, *user ? "" : ",guest");
    return true;
}
