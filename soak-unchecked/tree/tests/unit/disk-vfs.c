/* The disk as a file system of sqlite3's. */
#include "config.h"

#include <errno.h>
#include <string.h>

#include "tests/unit/disk-internal.h"

#define SECTOR 512

struct handle {
    sqlite3_file base;
    struct disk_parts *parts;
    struct disk_file *file;
    bool fresh; /* its first sync is one of the folder, too */
};

static int
failure_code(enum disk_call call, int error)
{
    switch (call) {
    case DISK_OPEN:
        return SQLITE_CANTOPEN;
    case DISK_READ:
        return SQLITE_IOERR_READ;
    case DISK_WRITE:
        return error == ENOSPC ? SQLITE_FULL : SQLITE_IOERR_WRITE;
    case DISK_TRUNCATE:
        return SQLITE_IOERR_TRUNCATE;
    case DISK_SYNC:
        return SQLITE_IOERR_FSYNC;
    default:
        return SQLITE_IOERR_DELETE;
    }
}

/* SQLITE_OK, or what this call fails with. */
static int
attempt(struct disk_parts *parts, enum disk_call call)
{
    return disk_attempt(parts, call) ? SQLITE_OK : failure_code(call, parts->last_error);
}

/* --- of a file --- */

static int
file_close(sqlite3_file *base)
{
    struct handle *handle = (struct handle *)base;

    disk_file_unref(handle->file);
    return SQLITE_OK;
}

static int
file_read(sqlite3_file *base, void *to, int n, sqlite3_int64 offset)
{
    const struct handle *handle = (struct handle *)base;
    const GByteArray *bytes = handle->file->bytes;
    int code = attempt(handle->parts, DISK_READ);

    if (code != SQLITE_OK)
        return code;
    gint64 there = CLAMP((gint64)bytes->len - offset, 0, n);
    if (there)
        memcpy(to, bytes->data + offset, (gsize)there);
    if (there == n)
        return SQLITE_OK;
    memset((char *)to + there, 0, (gsize)(n - there));
    return SQLITE_IOERR_SHORT_READ;
}

static void
file_resize(struct disk_file *file, gint64 size)
{
    guint before = file->bytes->len;

    g_byte_array_set_size(file->bytes, (guint)size);
    if (size > before)
        memset(file->bytes->data + before, 0, (gsize)size - before);
}

static void
file_put(struct disk_parts *parts, struct disk_file *file, const void *from, gsize n, gint64 offset)
{
    disk_record(parts, (struct disk_op){.call = DISK_WRITE,
                                        .file = file->number,
                                        .offset = offset,
                                        .bytes = g_bytes_new(from, n)});
    if (offset + (gint64)n > file->bytes->len)
        file_resize(file, offset + (gint64)n);
    memcpy(file->bytes->data + offset, from, n);
}

static int
file_write(sqlite3_file *base, const void *from, int n, sqlite3_int64 offset)
{
    const struct handle *handle = (struct handle *)base;
    int code;

    if (handle->parts->dead)
        return SQLITE_OK;
    if ((code = attempt(handle->parts, DISK_WRITE)) != SQLITE_OK)
        n = g_rand_int_range(handle->parts->random, 0, n / SECTOR + 1) * SECTOR;
    if (n)
        file_put(handle->parts, handle->file, from, (gsize)n, offset);
    return code;
}

static int
file_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    const struct handle *handle = (struct handle *)base;
    int code;

    if (handle->parts->dead)
        return SQLITE_OK;
    if ((code = attempt(handle->parts, DISK_TRUNCATE)) != SQLITE_OK)
        return code;
    disk_record(
        handle->parts,
        (struct disk_op){.call = DISK_TRUNCATE, .file = handle->file->number, .offset = size});
    file_resize(handle->file, size);
    return SQLITE_OK;
}

static void
folder_sync(struct handle *handle)
{
    disk_record(handle->parts, (struct disk_op){.call = DISK_SYNC_FOLDER});
    handle->fresh = false;
}

static int
file_sync(sqlite3_file *base, int flags)
{
    struct handle *handle = (struct handle *)base;

    (void)flags;
    if (handle->parts->dead)
        return SQLITE_OK;
    int code = attempt(handle->parts, DISK_SYNC);
    disk_record(handle->parts, (struct disk_op){.call = DISK_SYNC,
                                                .file = handle->file->number,
                                                .failed = code != SQLITE_OK});
    if (code == SQLITE_OK && handle->fresh)
        folder_sync(handle);
    return code;
}

static int
file_size(sqlite3_file *base, sqlite3_int64 *ret_size)
{
    *ret_size = ((struct handle *)base)->file->bytes->len;
    return SQLITE_OK;
}

/* Within one process locks of files exclude nobody. */
static int
file_lock(sqlite3_file *base, int kind)
{
    (void)base;
    (void)kind;
    return SQLITE_OK;
}

static int
file_is_reserved(sqlite3_file *base, int *ret_is)
{
    (void)base;
    *ret_is = 0;
    return SQLITE_OK;
}

static int
file_control(sqlite3_file *base, int what, void *data)
{
    if (what != SQLITE_FCNTL_LAST_ERRNO)
        return SQLITE_NOTFOUND;
    *(int *)data = ((struct handle *)base)->parts->last_error;
    return SQLITE_OK;
}

static int
file_sector_size(sqlite3_file *base)
{
    return ((struct handle *)base)->parts->sector_size;
}

static int
file_characteristics(sqlite3_file *base)
{
    return ((struct handle *)base)->parts->characteristics;
}

static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_lock,
    .xCheckReservedLock = file_is_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
};

/* --- of the file system --- */

static struct disk_parts *
parts_of(sqlite3_vfs *vfs)
{
    return (struct disk_parts *)vfs;
}

static struct disk_file *
file_make(struct disk_parts *parts, const char *name)
{
    struct disk_file *file = disk_file_new(parts);

    disk_record(parts,
                (struct disk_op){.call = DISK_OPEN, .file = file->number, .name = g_strdup(name)});
    g_hash_table_insert(parts->names, g_strdup(name), file);
    return file;
}

static int
vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags, int *ret_flags)
{
    struct disk_parts *parts = parts_of(vfs);
    struct handle *handle = (struct handle *)base;
    struct disk_file *file = name ? g_hash_table_lookup(parts->names, name) : NULL;

    *handle = (struct handle){.parts = parts};
    if (flags & SQLITE_OPEN_MAIN_DB)
        parts->dead = false;
    int code = attempt(parts, DISK_OPEN);
    if (code != SQLITE_OK)
        return code;
    if (!name) {
        file = disk_file_new(parts);
    } else if (file) {
        g_rc_box_acquire(file);
    } else if (flags & (SQLITE_OPEN_CREATE | SQLITE_OPEN_MAIN_DB)) {
        file = g_rc_box_acquire(file_make(parts, name));
        /* The database the store has made itself, on disk, before sqlite3 opens it. */
        if (flags & SQLITE_OPEN_MAIN_DB)
            folder_sync(handle);
    } else {
        return SQLITE_CANTOPEN;
    }
    handle->fresh = flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL);
    handle->file = file;
    handle->base.pMethods = &methods;
    if (ret_flags)
        *ret_flags = flags;
    return SQLITE_OK;
}

static int
vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
    struct disk_parts *parts = parts_of(vfs);
    const struct disk_file *file = g_hash_table_lookup(parts->names, name);

    if (!file)
        return SQLITE_IOERR_DELETE_NOENT;
    if (parts->dead)
        return SQLITE_OK;
    int code = attempt(parts, DISK_DELETE);
    if (code != SQLITE_OK)
        return code;
    disk_record(
        parts, (struct disk_op){.call = DISK_DELETE, .file = file->number, .name = g_strdup(name)});
    g_hash_table_remove(parts->names, name);
    if (sync_folder)
        disk_record(parts, (struct disk_op){.call = DISK_SYNC_FOLDER});
    return SQLITE_OK;
}

/* A file without bytes is none for sqlite3's default file system either. */
static int
vfs_access(sqlite3_vfs *vfs, const char *name, int what, int *ret_is)
{
    const struct disk_file *file = g_hash_table_lookup(parts_of(vfs)->names, name);

    *ret_is = file && (what != SQLITE_ACCESS_EXISTS || file->bytes->len);
    return SQLITE_OK;
}

static int
vfs_full_path(sqlite3_vfs *vfs, const char *name, int n, char *ret_path)
{
    (void)vfs;
    return g_strlcpy(ret_path, name, (gsize)n) < (gsize)n ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int
vfs_randomness(sqlite3_vfs *vfs, int n, char *ret_bytes)
{
    for (int i = 0; i < n; i++)
        ret_bytes[i] = (char)g_rand_int(parts_of(vfs)->random);
    return n;
}

static int
vfs_last_error(sqlite3_vfs *vfs, int n, char *ret_text)
{
    (void)n;
    (void)ret_text;
    return parts_of(vfs)->last_error;
}

void
disk_vfs_init(struct disk_parts *parts)
{
    parts->vfs = *sqlite3_vfs_find(NULL);
    parts->vfs.zName = "disk";
    parts->vfs.szOsFile = sizeof(struct handle);
    parts->vfs.xOpen = vfs_open;
    parts->vfs.xDelete = vfs_delete;
    parts->vfs.xAccess = vfs_access;
    parts->vfs.xFullPathname = vfs_full_path;
    parts->vfs.xRandomness = vfs_randomness;
    parts->vfs.xGetLastError = vfs_last_error;
}
