/* A new disk with the contents of another one of this repository, which share what they have in
 * common.  The file of that one is written no more: it becomes the base of two new and empty
 * images.  Its record names all three of them, or none, so it is whole whenever the call is broken
 * off.
 *
 * A raw disk is not shared: guests have it by the kernel's back end, and would have the image that
 * takes its place by a process. */
#include "config.h"

#include "storage-repos/file/file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/disk-handle.h"
#include "lib/error.h"
#include "lib/faults.h"
#include "lib/member.h"
#include "storage-repos/common/folder.h"

/* To be cleared either way. */
static bool
open_source(const struct disk *disk, GVariant *args, disk_t *ret_source, GError **error)
{
    const char *uuid = member_text(args, "source");
    g_autofree char *name = g_strdup_printf("%s.json", uuid);

    if (!g_uuid_string_is_valid(uuid)) {
        api_error_set(error, "INVALID_VALUE", "source", uuid, NULL);
        return false;
    }
    if (!disk_load(disk->folder, uuid, name, ret_source)) {
        if (errno == ENOENT)
            api_error_set(error, "VDI_MISSING", member_text(args, "sr"), uuid, NULL);
        else
            driver_fail(error, FAILURE_VDI_LOAD, "%s: %s", name, g_strerror(errno));
        return false;
    }
    ret_source->folder = fcntl(disk->folder, F_DUPFD_CLOEXEC, 0); /* under the same lock */
    ret_source->record_name = g_steal_pointer(&name);
    return true;
}

static gint64
size_of(const struct disk *disk)
{
    gint64 size = 0;

    g_variant_lookup(disk->record, "virtual_size", "x", &size);
    return size;
}

static bool
make_above(const struct disk *disk, gint64 size, const char *base, GError **error)
{
    g_autofree char *part = g_strdup_printf(".%s.part", disk->file);

    return disk_make_image(disk, part, size, base, error) && disk_publish(disk, part, error);
}

/* The source goes on above its own file of until now; chain: its images as they are. */
static bool
move_source(struct disk *source, char **chain, const char *file, GError **error)
{
    g_free(source->file);
    source->file = g_strdup(file);
    g_strfreev(source->bases);
    source->bases = g_strdupv(chain);
    return make_above(source, size_of(source), chain[0], error) &&
           FAULT_POINT("file.vdi.clone.beside", error) &&
           disk_note(source, source->record, size_of(source), error) &&
           FAULT_POINT("file.vdi.clone.moved", error);
}

/* bases: what both have in common. */
static bool
make_clone(struct disk *disk, struct disk *source, char **bases, const char *file, bool moved,
           GVariant *args, GError **error)
{
    disk_set_format(disk, "qcow2");
    disk->bases = g_strdupv(bases);
    if (!FAULT_POINT("file.vdi.clone.before", error) || !disk_check(source, error))
        return false;
    if (!disk_sync_file(source, bases[0])) {
        driver_fail(error, FAILURE_VDI_LOAD, "%s: %s", bases[0], g_strerror(errno));
        return false;
    }
    return make_above(disk, size_of(source), bases[0], error) &&
           FAULT_POINT("file.vdi.clone.made", error) &&
           (moved || move_source(source, bases, file, error)) &&
           disk_note(disk, args, size_of(source), error) &&
           FAULT_POINT("file.vdi.clone.after", error);
}

/* Where a call that was broken off put the source; the end: nowhere yet. */
static gsize
find_name(char **chain, const char *file)
{
    gsize i = 0;

    while (chain[i] && !g_str_equal(chain[i], file))
        i++;
    return i;
}

/* Answers nothing when the two can share nothing: then the contents are to be copied. */
bool
vdi_clone(GVariant *args, GVariantDict *result, GError **error)
{
    g_auto(disk_t) disk = {.folder = -1};
    g_auto(disk_t) source = {.folder = -1};

    if (!disk_open(args, &disk, error))
        return false;
    if (!disk.record) {
        if (!repository_lock(disk.folder, error) || !open_source(&disk, args, &source, error) ||
            !disk_read_format(args, source.qcow2 ? "qcow2" : "raw", &disk, error))
            return false;
        g_autofree char *file = g_strdup_printf("%s.%s.qcow2", source.uuid, disk.uuid);
        g_auto(GStrv) chain = disk_chain(&source);
        gsize length = g_strv_length(chain), at = find_name(chain, file);
        bool moved = at < length;
        if (!source.qcow2 || !disk.qcow2 || (!moved && length > DISK_BASES_MAX))
            return true;
        if (!make_clone(&disk, &source, moved ? chain + at + 1 : chain, file, moved, args, error))
            return false;
    }
    if (disk_describe(&disk, result))
        return true;
    driver_fail(error, FAILURE_VDI_LOAD, "%s: %s", disk.file, g_strerror(errno));
    return false;
}
