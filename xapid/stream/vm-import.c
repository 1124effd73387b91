/* A VM from a client: what is in its tar, member by member.  No name in it is ever that of a file.
 */
#include "config.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "xapid/stream/vm.h"

#define NUMBER_DIGITS 10 /* of a chunk, at most */
#define SUM_MAX 64       /* bytes of a checksum */

struct import {
    const struct vm_job *job;
    struct client client;
    struct unpack *unpack;
    struct tar_member member; /* the last one of which the header was read */
    unsigned disk;            /* index of the one that is being filled; n_disks: none yet */
    bool seen[VM_DISKS_MAX];
    struct disk to;
    gint64 number;      /* of its last chunk */
    gint64 chunk;       /* length of its first one */
    gint64 at;          /* bytes: where the next one goes */
    gint64 done, whole; /* bytes of disks */
    guint8 *buffer;     /* VM_CHUNK_MAX */
};

static bool
unexpected(GError **error, const char *expected, const char *found)
{
    g_autofree char *clean = g_utf8_make_valid(found, -1);

    api_error_set(error, "IMPORT_ERROR_UNEXPECTED_FILE", expected, clean, NULL);
    return false;
}

static bool
next_member(struct import *import, GError **error)
{
    guint8 header[TAR_BLOCK];
    const char *fault;

    if (!unpack_read(import->unpack, header, sizeof header, error))
        return false;
    fault = tar_header_read(header, &import->member);
    return !fault || import_failed(error, "%s", fault);
}

/* What the member has, of which there is room for. */
static bool
read_member(struct import *import, void *buffer, gsize room, GError **error)
{
    guint8 padding[TAR_BLOCK];

    if (import->member.length > (gint64)room)
        return import_failed(error, "%s is too long", import->member.name);
    return unpack_read(import->unpack, buffer, (gsize)import->member.length, error) &&
           unpack_read(import->unpack, padding, tar_padding(import->member.length), error);
}

/* ---- the records ---- */

static bool
take_records(struct import *import, GError **error)
{
    static const char told[] = "records\n";

    if (!next_member(import, error))
        return false;
    if (!g_str_equal(import->member.name, VM_RECORDS))
        return unexpected(error, VM_RECORDS, import->member.name);
    if (!read_member(import, import->buffer, VM_RECORDS_MAX, error))
        return false;
    if (!pwrite_all(RECORDS_FD, import->buffer, (gsize)import->member.length, 0)) {
        api_error_set(error, "INTERNAL_ERROR", "the records", strerror(errno), NULL);
        return false;
    }
    (void)!write(STDOUT_FILENO, told, strlen(told));
    return true;
}

/* ---- chunks ---- */

/* "DISK/NUMBER" */
static bool
read_name(const struct import *import, unsigned *ret_disk, gint64 *ret_number, GError **error)
{
    const char *name = import->member.name, *slash = strchr(name, '/');
    gsize digits = slash ? strspn(slash + 1, "0123456789") : 0;
    unsigned i = 0;

    while (slash && i < import->job->n_disks &&
           (strncmp(import->job->disks[i].name, name, (gsize)(slash - name)) != 0 ||
            import->job->disks[i].name[slash - name]))
        i++;
    if (!slash || i == import->job->n_disks || digits == 0 || digits > NUMBER_DIGITS ||
        slash[1 + digits])
        return unexpected(error, "a chunk of a disk", name);
    *ret_disk = i;
    *ret_number = g_ascii_strtoll(slash + 1, NULL, 10);
    return true;
}

static bool
end_disk(struct import *import, GError **error)
{
    bool ok = import->disk == import->job->n_disks || disk_end(&import->to, error);

    if (import->disk < import->job->n_disks)
        disk_close(&import->to);
    import->disk = import->job->n_disks;
    return ok;
}

static bool
begin_disk(struct import *import, unsigned disk, GError **error)
{
    const struct vm_disk *to = &import->job->disks[disk];

    if (!end_disk(import, error))
        return false;
    if (import->seen[disk])
        return unexpected(error, "the next disk", import->member.name);
    import->seen[disk] = true;
    import->disk = disk;
    import->number = -1;
    import->chunk = import->at = 0;
    disk_init(&import->to, &import->job->job, &to->volume, to->fd);
    return disk_begin(&import->to, /* keep= */ false, error);
}

/* The member behind a chunk. */
static bool
check_sum(struct import *import, const char *chunk, gsize length, GError **error)
{
    g_autofree char *sha1_name = g_strconcat(chunk, ".checksum", NULL);
    g_autofree char *xxhash_name = g_strconcat(chunk, ".xxhash", NULL);
    g_autofree char *sum = NULL;
    char told[SUM_MAX + 1] = "";

    if (!next_member(import, error))
        return false;
    if (g_str_equal(import->member.name, sha1_name))
        sum = g_compute_checksum_for_data(G_CHECKSUM_SHA1, import->buffer, length);
    else if (g_str_equal(import->member.name, xxhash_name))
        sum = g_strdup_printf("%016" G_GINT64_MODIFIER "X",
                              (guint64)XXH64(import->buffer, length, 0));
    else
        return unexpected(error, xxhash_name, import->member.name);
    if (!read_member(import, told, SUM_MAX, error))
        return false;
    if (import->job->forced || g_ascii_strcasecmp(g_strstrip(told), sum) == 0)
        return true;
    api_error_set(error, "IMPORT_ERROR_SOME_CHECKSUMS_FAILED", NULL);
    return false;
}

/* Where it goes: behind the last one, and what was left out between them. */
static bool
place(struct import *import, gint64 number, gint64 length, GError **error)
{
    if (number <= import->number)
        return unexpected(error, "a later chunk", import->member.name);
    import->at += (number - import->number - 1) * import->chunk;
    import->number = number;
    if (import->chunk == 0)
        import->chunk = length;
    return import->at + length <= import->to.size ||
           import_failed(error, "%s is beyond the end of the disk", import->member.name);
}

static bool
take_chunk(struct import *import, GError **error)
{
    g_autofree char *name = g_strdup(import->member.name);
    gint64 length = import->member.length, number = 0;
    unsigned disk = 0;

    if (!read_name(import, &disk, &number, error) ||
        (disk != import->disk && !begin_disk(import, disk, error)) ||
        !read_member(import, import->buffer, VM_CHUNK_MAX, error) ||
        !place(import, number, length, error) || !check_sum(import, name, (gsize)length, error) ||
        (length && !disk_write(&import->to, import->at, import->buffer, (gsize)length, error)))
        return false;
    import->at += length;
    client_tell(&import->client,
                (double)(import->done + import->at) / (double)MAX(import->whole, 1));
    return true;
}

static bool
all_came(const struct import *import, GError **error)
{
    for (unsigned i = 0; i < import->job->n_disks; i++)
        if (!import->seen[i])
            return import_failed(error, "%s has nothing in it", import->job->disks[i].name);
    return true;
}

static bool
take_chunks(struct import *import, GError **error)
{
    for (unsigned before = import->disk;; before = import->disk) {
        if (!next_member(import, error))
            return false;
        if (import->member.end)
            return end_disk(import, error) && all_came(import, error);
        gint64 size = before < import->job->n_disks ? import->to.size : 0;
        if (!take_chunk(import, error))
            return false;
        if (before != import->disk)
            import->done += size;
    }
}

bool
vm_import(struct vm_job *job, GError **error)
{
    struct import import = {.job = job, .buffer = g_malloc(VM_CHUNK_MAX)};
    bool ok = client_open(&import.client, &job->job, error);

    import.client.total = 0; /* the disks tell how far it is */
    import.unpack = unpack_new(&import.client);
    ok = ok && take_records(&import, error) && FAULT_POINT("stream.records.after", error) &&
         orders_read(job, error);
    import.disk = job->n_disks;
    for (unsigned i = 0; i < job->n_disks; i++)
        import.whole += job->disks[i].volume.size;
    /* What is behind the end is read, or the client would be broken off while it sends that. */
    ok = ok && take_chunks(&import, error) &&
         (import.client.left <= 0 || client_skip(&import.client, import.client.left, error));
    if (import.disk < job->n_disks)
        disk_close(&import.to);
    unpack_free(import.unpack);
    g_free(import.buffer);
    return ok;
}
