/* The driver of volume groups on a disk of this host's SCSI buses, such as Fibre Channel's, which
 * is known by what it says of itself and not by its name in /dev. */
#include "config.h"

#include "storage-repos/common/document.h"
#include "storage-repos/common/scsi.h"
#include "storage-repos/lvm/lvm.h"

char **
repository_devices(GVariant *args, GError **error)
{
    const char *id = driver_key(args, "SCSIid");
    g_autoptr(GPtrArray) disks = scsi_disks_new();

    if (!scsi_id_is_valid(id, error))
        return NULL;
    scsi_add_disks(disks, /* session: none */ NULL);
    g_autofree char *device = scsi_find(disks, id);
    if (!device) {
        driver_fail(error, FAILURE_SR_UNAVAILABLE, "this host has no disk %s", id);
        return NULL;
    }
    return g_strsplit(device, ",", 1);
}

/* Always false, with the disks. */
static bool
tell(GError **error)
{
    g_autoptr(GPtrArray) disks = scsi_disks_new();
    g_autoptr(GString) text = g_string_new("<?xml version=\"1.0\"?>\n<Devlist>\n");

    scsi_add_disks(disks, /* session: none */ NULL);
    for (guint i = 0; i < disks->len; i++) {
        const struct scsi_disk *disk = disks->pdata[i];
        g_autofree char *hba = g_strdup_printf("host%u", disk->host);
        g_string_append(text, "<BlockDevice>\n");
        document_add(text, "path", disk->device);
        document_add(text, "SCSIid", disk->id);
        document_add(text, "vendor", disk->vendor);
        document_add(text, "serial", disk->serial);
        document_add_number(text, "size", (guint64)disk->size);
        document_add(text, "hba", hba);
        document_add(text, "adapter", hba);
        document_add_number(text, "channel", disk->channel);
        document_add_number(text, "id", disk->target);
        document_add_number(text, "lun", disk->lun);
        g_string_append(text, "</BlockDevice>\n");
    }
    g_string_append(text, "</Devlist>\n");
    driver_fail_telling(error, FAILURE_CONFIG_SCSI_ID,
                        "device_config lacks SCSIid, which says which of these disks", text->str);
    return false;
}

static bool
probe(GVariant *args, GVariantDict *result, GError **error)
{
    return *driver_key(args, "SCSIid") ? sr_probe(args, result, error) : tell(error);
}

static bool
create(GVariant *args, GVariantDict *result, GError **error)
{
    return *driver_key(args, "SCSIid") ? sr_create(args, result, error) : tell(error);
}

int
main(int argc, char **argv)
{
    static const struct driver_key keys[] = {
        {"SCSIid", "which disk, empty or of this repository", false}, {NULL, NULL, false}};
    static const struct driver_call calls[] = {{"sr.probe", probe},        {"sr.create", create},
                                               {"sr.attach", sr_attach},   {"sr.detach", sr_detach},
                                               {"sr.destroy", sr_destroy}, {NULL, NULL}};
    static const struct driver driver = {"lvmohba",
                                         "LVM over a SCSI bus",
                                         "Disks as logical volumes on a disk of a host bus adapter",
                                         volume_capabilities,
                                         keys,
                                         calls,
                                         volume_calls,
                                         NULL};

    return driver_main(&driver, argc, argv);
}
