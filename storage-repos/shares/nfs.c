/* Exports of NFS servers. */
#include "config.h"

#include "storage-repos/shares/share.h"

#include <string.h>

#define MOUNT_NFS "/usr/sbin/mount.nfs"
#define VERSION_OTHERWISE "4.1"
/* A call of the server is made again after 5 seconds, then after 10, and fails after 15 more. */
#define OPTIONS "softerr,timeo=50,retrans=2,retry=0,noatime,nodev,nosuid,noexec"

/* SERVER:PATH, as mount.nfs takes it: the caller's; NULL with an error. */
static char *
source_of(const char *server, const char *path, GError **error)
{
    if (!share_server_is_valid(server))
        driver_fail(error, FAILURE_CONFIG_INVALID, "server \"%s\" is no name of one", server);
    else if (*path != '/' || !share_path_is_valid(path))
        driver_fail(error, FAILURE_CONFIG_INVALID, "\"%s\" is no path of an export", path);
    else
        return g_strdup_printf(strchr(server, ':') ? "[%s]:%s" : "%s:%s", server, path);
    return NULL;
}

bool
share_nfs(GVariant *args, const char *server, const char *path, share_t *ret_share, GError **error)
{
    static const char *const known[] = {"3", "4", "4.0", "4.1", "4.2", NULL};
    const char *version = driver_key(args, "nfsversion");
    g_autofree char *source = source_of(server, path, error);

    if (!source)
        return false;
    if (!*version)
        version = VERSION_OTHERWISE;
    if (!g_strv_contains(known, version)) {
        driver_fail(error, FAILURE_NFS_VERSION, "nfsversion \"%s\" is none of 3, 4, 4.0, 4.1, 4.2",
                    version);
        return false;
    }
    *ret_share = (share_t){.tool = MOUNT_NFS, .failure = FAILURE_NFS_MOUNT};
    ret_share->source = g_steal_pointer(&source);
    /* One host uses a repository: locks of version 3, which need more servers, are its own. */
    ret_share->options = g_strdup_printf("vers=%s," OPTIONS "%s", version,
                                         g_str_equal(version, "3") ? ",nolock" : "");
    return true;
}
