/* The driver of repositories on an NFS server, each a folder of an export. */
#include "config.h"

#include "storage-repos/file/file.h"
#include "storage-repos/shares/share.h"

bool
share_of(GVariant *args, share_t *ret_share, GError **error)
{
    return share_nfs(args, driver_key(args, "server"), driver_key(args, "serverpath"), ret_share,
                     error);
}

int
main(int argc, char **argv)
{
    static const struct driver_key keys[] = {
        {"server", "name or address of an NFS server", true},
        {"serverpath", "path of an export of it that root may write to (no_root_squash)", true},
        {"nfsversion", "3, 4, 4.1 (unless it is said) or 4.2", false},
        {NULL, NULL, false}};
    static const struct driver driver = {"nfs",
                                         "NFS",
                                         "Disks as files, raw or qcow2, on an NFS server",
                                         share_capabilities,
                                         keys,
                                         share_calls,
                                         file_calls,
                                         share_make_call};

    return driver_main(&driver, argc, argv);
}
