/* A VM to a client: its records, and its disks, one after the other. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "lib/error.h"
#include "xapid/stream/vm.h"

#define NUMBER_MAX 99999999 /* chunks of a disk: so many digits have their names */

struct export
{
    const struct vm_job *job;
    struct client client;
    struct pack *pack;
    gint64 done, whole; /* bytes of disks */
    guint8 chunk[VM_CHUNK_BYTES];
};

static bool
add_member(struct export *export, const char *name, const void *bytes, gsize length, GError **error)
{
    static const guint8 zeros[TAR_BLOCK];
    guint8 header[TAR_BLOCK];

    tar_header_write(header, name, (gint64)length);
    return pack_write(export->pack, header, sizeof header, error) &&
           pack_write(export->pack, bytes, length, error) &&
           pack_write(export->pack, zeros, tar_padding((gint64)length), error);
}

static bool
add_records(struct export *export, GError **error)
{
    g_autoptr(GByteArray) records = g_byte_array_new();
    gssize n;

    while ((n = read(AHEAD_FD, export->chunk, sizeof export->chunk)) > 0)
        g_byte_array_append(records, export->chunk, (guint)n);
    if (n == 0)
        return add_member(export, VM_RECORDS, records->data, records->len, error);
    api_error_set(error, "INTERNAL_ERROR", "the records", strerror(errno), NULL);
    return false;
}

/* Into export->chunk; *ret_zeros: there is nothing but zeros. */
static bool
read_chunk(struct export *export, struct disk *disk, gint64 offset, gsize length, bool *ret_zeros,
           GError **error)
{
    struct extent extent;

    *ret_zeros = true;
    for (gsize at = 0, n; at < length; at += n) {
        if (!disk_map(disk, offset + (gint64)at, &extent, error))
            return false;
        n = (gsize)MIN(extent.length, (gint64)(length - at));
        if (extent.fd < 0)
            memset(export->chunk + at, 0, n);
        else if (!pread_all(extent.fd, export->chunk + at, n, extent.at))
            return disk_failed(error, "reading");
        *ret_zeros &= extent.fd < 0 || is_zero(export->chunk + at, n);
    }
    return true;
}

static bool
add_chunk(struct export *export, const char *disk, gint64 number, gsize length, GError **error)
{
    char name[TAR_NAME_MAX], sum[17];

    snprintf(name, sizeof name, "%s/%08" G_GINT64_MODIFIER "d", disk, number);
    if (!add_member(export, name, export->chunk, length, error))
        return false;
    snprintf(name, sizeof name, "%s/%08" G_GINT64_MODIFIER "d.xxhash", disk, number);
    snprintf(sum, sizeof sum, "%016" G_GINT64_MODIFIER "X",
             (guint64)XXH64(export->chunk, length, 0));
    return add_member(export, name, sum, strlen(sum), error);
}

static bool
add_chunks(struct export *export, const char *name, struct disk *disk, GError **error)
{
    bool zeros;

    if (disk->size / VM_CHUNK_BYTES > NUMBER_MAX) {
        g_autofree char *most =
            g_strdup_printf("%" G_GINT64_FORMAT, (gint64)NUMBER_MAX * VM_CHUNK_BYTES);
        api_error_set(error, "VDI_TOO_LARGE", name, most, NULL);
        return false;
    }
    for (gint64 offset = 0, n; offset < disk->size; offset += n) {
        n = MIN(VM_CHUNK_BYTES, disk->size - offset);
        bool must = offset == 0 || offset + n == disk->size;
        if (!read_chunk(export, disk, offset, (gsize)n, &zeros, error))
            return false;
        if ((must || !zeros) && !add_chunk(export, name, offset / VM_CHUNK_BYTES, (gsize)n, error))
            return false;
        export->done += n;
        client_tell(&export->client, (double)export->done / (double)export->whole);
    }
    return true;
}

static bool
add_disk(struct export *export, const struct vm_disk *from, GError **error)
{
    struct disk disk;
    bool ok = disk_open_at(&disk, &export->job->job, &from->volume, from->fd, error) &&
              add_chunks(export, from->name, &disk, error);

    disk_close(&disk);
    return ok;
}

static bool
add_all(struct export *export, GError **error)
{
    static const guint8 end[TAR_END_BLOCKS * TAR_BLOCK];

    if (!add_records(export, error))
        return false;
    for (unsigned i = 0; i < export->job->n_disks; i++)
        if (!add_disk(export, &export->job->disks[i], error))
            return false;
    return pack_write(export->pack, end, sizeof end, error) && pack_end(export->pack, error);
}

bool
vm_export(const struct vm_job *job, GError **error)
{
    g_autofree struct export *export = g_new0(struct export, 1);

    export->job = job;
    for (unsigned i = 0; i < job->n_disks; i++)
        export->whole += job->disks[i].volume.size;
    if (!client_open(&export->client, &job->job, error))
        return false;
    export->pack = pack_new(&export->client, job->packing, error);
    bool ok = export->pack && add_all(export, error);
    pack_free(export->pack);
    return ok;
}
