/* The driver of repositories that are a folder of a local file system: its table of calls. */
#include "config.h"

#include "storage-repos/file/file.h"

char *
repository_path(GVariant *args)
{
    return g_strdup(driver_key(args, "location"));
}

int
main(int argc, char **argv)
{
    static const struct driver_key keys[] = {
        {"location", "absolute path of an existing folder, empty or of this repository", true},
        {NULL, NULL, false}};
    static const struct driver_call calls[] = {{"sr.probe", sr_probe},     {"sr.create", sr_create},
                                               {"sr.attach", sr_attach},   {"sr.detach", sr_detach},
                                               {"sr.destroy", sr_destroy}, {NULL, NULL}};
    static const struct driver driver = {"file",
                                         "Folder",
                                         "Disks as files, raw or qcow2, in a local folder",
                                         file_capabilities,
                                         keys,
                                         calls,
                                         file_calls,
                                         NULL};

    return driver_main(&driver, argc, argv);
}
