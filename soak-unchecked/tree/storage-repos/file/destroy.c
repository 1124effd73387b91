/* The end of a disk: of its record, by which it is there, and then of the files that only it had.
 */
#include "config.h"

#include "storage-repos/file/file.h"

#include <errno.h>
#include <stdio.h>

#include "lib/faults.h"
#include "lib/member.h"
#include "storage-repos/common/folder.h"

/* Whatever a call that was broken off may have left of a disk that shares nothing. */
static bool
remove_own(const struct disk *disk)
{
    static const char *const names[] = {"%s.raw", "%s.qcow2", ".%s.raw.part", ".%s.qcow2.part",
                                        ".%s.json.part"};
    bool ok = true;

    for (unsigned i = 0; ok && i < G_N_ELEMENTS(names); i++) {
        g_auto(GStrv) around = g_strsplit(names[i], "%s", 2);
        g_autofree char *name = g_strconcat(around[0], disk->uuid, around[1], NULL);
        ok = folder_remove(disk->folder, name);
    }
    return ok;
}

/* Has it one file, of its own name?  What was never whole may have had others. */
static bool
shares_nothing(const struct disk *disk)
{
    g_autofree char *own = g_strdup_printf("%s.%s", disk->uuid, disk->qcow2 ? "qcow2" : "raw");

    return disk->record && !disk->bases && g_str_equal(disk->file, own);
}

/* It is no disk any more when its record has its other name, from which a repeat of the call learns
 * what else is to go. */
static bool
forget_disk(disk_t *disk, const char *gone)
{
    int folder = disk->folder;

    if (disk->record)
        return renameat(folder, disk->record_name, folder, gone) == 0 && folder_sync(folder);
    g_auto(disk_t) before = {.folder = -1};
    if (!disk_load(folder, disk->uuid, gone, &before))
        return errno == ENOENT;
    disk->record = g_steal_pointer(&before.record);
    disk->qcow2 = before.qcow2;
    disk->file = g_steal_pointer(&before.file);
    disk->bases = g_steal_pointer(&before.bases);
    return true;
}

bool
vdi_destroy(GVariant *args, GVariantDict *result, GError **error)
{
    g_auto(disk_t) disk = {.folder = -1};
    g_autofree char *gone = g_strdup_printf(".%s" RECORD_GONE, member_text(args, "vdi"));

    (void)result;
    if (!disk_open(args, &disk, error) || !repository_lock(disk.folder, error) ||
        !FAULT_POINT("file.vdi.destroy.before", error))
        return false;
    if (!forget_disk(&disk, gone)) {
        driver_fail(error, FAILURE_VDI_DELETE, "%s: %s", disk.record_name, g_strerror(errno));
        return false;
    }
    if (!FAULT_POINT("file.vdi.destroy.forgotten", error))
        return false;
    if (!(shares_nothing(&disk) ? remove_own(&disk) : repository_sweep(disk.folder, &disk)) ||
        !FAULT_POINT("file.vdi.destroy.removed", error) || !folder_remove(disk.folder, gone)) {
        if (error && !*error)
            driver_fail(error, FAILURE_VDI_DELETE, "%s: %s", disk.uuid, g_strerror(errno));
        return false;
    }
    return FAULT_POINT("file.vdi.destroy.after", error);
}
