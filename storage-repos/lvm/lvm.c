/* The driver of volume groups on the devices that device_config names. */
#include "config.h"

#include "storage-repos/common/device.h"
#include "storage-repos/lvm/lvm.h"

char **
repository_devices(GVariant *args, GError **error)
{
    return devices_read(args, error);
}

int
main(int argc, char **argv)
{
    static const struct driver_key keys[] = {
        {"device", "block devices, with commas between them, empty or of this repository", true},
        {NULL, NULL, false}};
    static const struct driver_call calls[] = {{"sr.probe", sr_probe},     {"sr.create", sr_create},
                                               {"sr.attach", sr_attach},   {"sr.detach", sr_detach},
                                               {"sr.destroy", sr_destroy}, {NULL, NULL}};
    static const struct driver driver = {"lvm",
                                         "LVM",
                                         "Disks as logical volumes on block devices of this host",
                                         volume_capabilities,
                                         keys,
                                         calls,
                                         volume_calls,
                                         NULL};

    return driver_main(&driver, argc, argv);
}
