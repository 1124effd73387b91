/* Two disks change places: each goes on with the other's contents, under its own uuid.  Their
 * records do so in one moment, and what is in files stays where it is. */
#include "config.h"

#include "storage-repos/file/file.h"

#include <errno.h>
#include <stdio.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "lib/member.h"
#include "storage-repos/common/folder.h"

/* The disk that the first one changes places with: a copy that was made for that, in a file of its
 * own name, and has since then the file of the first one. */
static bool
has_changed(const struct disk *with)
{
    return !g_str_has_prefix(with->file, with->uuid);
}

static bool
exchange(const struct disk *disk, const struct disk *with, GError **error)
{
    g_autofree char *name = g_strdup_printf("%s.json", with->uuid);

    if (!FAULT_POINT("file.vdi.exchange.before", error))
        return false;
    if (renameat2(disk->folder, disk->record_name, disk->folder, name, RENAME_EXCHANGE) ||
        !folder_sync(disk->folder)) {
        driver_fail(error, FAILURE_VDI_CREATE, "%s: %s", disk->record_name, g_strerror(errno));
        return false;
    }
    return FAULT_POINT("file.vdi.exchange.after", error);
}

/* `back`: as it was before. */
bool
vdi_exchange(GVariant *args, GVariantDict *result, GError **error)
{
    const char *uuid = member_text(args, "with");
    g_autofree char *name = g_strdup_printf("%s.json", uuid);
    g_auto(disk_t) before = {.folder = -1}, with = {.folder = -1}, disk = {.folder = -1};
    gboolean back = FALSE;

    g_variant_lookup(args, "back", "b", &back);
    if (!g_uuid_string_is_valid(uuid)) {
        api_error_set(error, "INVALID_VALUE", "with", uuid, NULL);
        return false;
    }
    if (!disk_open(args, &before, error) || !disk_must_exist(&before, args, error) ||
        !repository_lock(before.folder, error))
        return false;
    if (disk_load(before.folder, uuid, name, &with)) {
        if (has_changed(&with) == back && !exchange(&before, &with, error))
            return false;
    } else if (errno != ENOENT) {
        driver_fail(error, FAILURE_VDI_LOAD, "%s: %s", name, g_strerror(errno));
        return false;
    } else if (!back) { /* what was never made needs no way back */
        api_error_set(error, "VDI_MISSING", member_text(args, "sr"), uuid, NULL);
        return false;
    }
    if (!disk_open(args, &disk, error))
        return false;
    if (disk_describe(&disk, result))
        return true;
    driver_fail(error, FAILURE_VDI_LOAD, "%s: %s", disk.file, g_strerror(errno));
    return false;
}
