/* A new disk with the contents of another one, of this repository or of any other: what vdi.attach
 * answered for that one says where it is, and what. */
#include "config.h"

#include "storage-repos/file/file.h"

#include <errno.h>

#include "lib/faults.h"
#include "storage-repos/common/folder.h"
#include "storage-repos/common/source.h"
#include "storage-repos/common/tool.h"

/* Both formats are said, never found out by looking: what a guest wrote could look like anything.
 * What reads as zeros takes no space. */
static bool
convert(const struct disk *disk, const char *part, const struct source *source, GError **error)
{
    g_autofree char *from = source_words(source);
    g_autofree char *path = disk_tool_path(disk, part);
    g_autofree char *words = NULL;
    const char *const argv[] = {
        QEMU_IMG, "convert", "-p", "-f", source->format, "-O", disk->qcow2 ? "qcow2" : "raw",
        from,     path,      NULL};

    if (folder_remove(disk->folder, part) && tool_run_long(disk->folder, argv, &words) &&
        disk_sync_file(disk, part))
        return true;
    disk_tool_failed(disk, FAILURE_VDI_CREATE, words, error);
    return false;
}

static bool
make_copy(struct disk *disk, GVariant *args, const struct source *source, gint64 size,
          GError **error)
{
    g_autofree char *part = g_strdup_printf(".%s.part", disk->file);

    return FAULT_POINT("file.vdi.copy.before", error) && convert(disk, part, source, error) &&
           FAULT_POINT("file.vdi.copy.made", error) && disk_publish(disk, part, error) &&
           FAULT_POINT("file.vdi.copy.renamed", error) && disk_note(disk, args, size, error) &&
           FAULT_POINT("file.vdi.copy.after", error);
}

bool
vdi_copy(GVariant *args, GVariantDict *result, GError **error)
{
    g_auto(disk_t) disk = {.folder = -1};
    g_auto(source_t) source = {0};
    gint64 size;

    if (!disk_open(args, &disk, error))
        return false;
    if (!disk.record &&
        (!driver_disk_size(args, SIZE_UNIT, &size, error) || !source_read(args, &source, error) ||
         !disk_read_format(args, source.format, &disk, error) ||
         !make_copy(&disk, args, &source, size, error)))
        return false;
    if (disk_describe(&disk, result))
        return true;
    driver_fail(error, FAILURE_VDI_LOAD, "%s: %s", disk.file, g_strerror(errno));
    return false;
}
