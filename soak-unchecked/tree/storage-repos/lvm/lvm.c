/* The driver of repositories that are a volume group of LVM: its table of calls. */
#include "config.h"

#include "storage-repos/lvm/lvm.h"

int
main(int argc, char **argv)
{
    static const char *const capabilities[] = {
        "SR_PROBE",   "SR_UPDATE",  "SR_CREATE",  "SR_DELETE",         "SR_SCAN",
        "SR_STATS",   "VDI_CREATE", "VDI_DELETE", "VDI_ATTACH",        "VDI_DETACH",
        "VDI_RESIZE", "VDI_COPY",   "VDI_CLONE",  "THIN_PROVISIONING", NULL};
    static const struct driver_key keys[] = {
        {"device", "block devices, with commas between them, empty or of this repository", true},
        {NULL, NULL, false}};
    static const struct driver_call calls[] = {
        {"sr.probe", sr_probe},     {"sr.create", sr_create},     {"sr.attach", sr_attach},
        {"sr.detach", sr_detach},   {"sr.destroy", sr_destroy},   {"sr.scan", sr_scan},
        {"sr.stat", sr_stat},       {"vdi.create", vdi_create},   {"vdi.copy", vdi_copy},
        {"vdi.clone", vdi_clone},   {"vdi.destroy", vdi_destroy}, {"vdi.resize", vdi_resize},
        {"vdi.attach", vdi_attach}, {"vdi.detach", vdi_detach},   {NULL, NULL}};
    static const struct driver driver = {
        "lvm",        "LVM", "Disks as logical volumes on block devices of this host",
        capabilities, keys,  calls};

    return driver_main(&driver, argc, argv);
}
