/* The disk itself; see disk.h. */
#include "config.h"

#include <glib/gstdio.h>
#include <unistd.h>

#include "tests/unit/disk-internal.h"

static void
file_clear(void *data)
{
    g_byte_array_unref(((struct disk_file *)data)->bytes);
}

void
disk_file_unref(void *data)
{
    g_rc_box_release_full(data, file_clear);
}

struct disk_file *
disk_file_new(struct disk_parts *parts)
{
    struct disk_file *file = g_rc_box_new(struct disk_file);

    *file = (struct disk_file){.number = parts->n_files++, .bytes = g_byte_array_new()};
    return file;
}

static void
op_clear(void *data)
{
    struct disk_op *op = data;

    g_free(op->name);
    g_clear_pointer(&op->bytes, g_bytes_unref);
}

void
disk_record(struct disk_parts *parts, struct disk_op op)
{
    if (parts->disk->recording)
        g_array_append_val(parts->disk->log, op);
    else
        op_clear(&op);
}

bool
disk_attempt(struct disk_parts *parts, enum disk_call call)
{
    bool ok = true;

    g_mutex_lock(&parts->lock);
    if (parts->failing & call) {
        guint64 n = ++parts->disk->n_calls;
        ok = !parts->at || n < parts->at || (n > parts->at && !parts->lasting);
    }
    if (!ok) {
        parts->disk->n_failed++;
        parts->last_error = parts->error;
    }
    g_mutex_unlock(&parts->lock);
    return ok;
}

/* What the file system below the folder promises. */
static void
promises_take(struct disk_parts *parts)
{
    g_autofree char *path = g_build_filename(parts->folder, "promises", NULL);
    sqlite3_file *file = NULL;
    sqlite3 *db;

    g_assert_cmpint(sqlite3_open(path, &db), ==, SQLITE_OK);
    g_assert_cmpint(sqlite3_exec(db, "PRAGMA user_version = 1", NULL, NULL, NULL), ==, SQLITE_OK);
    sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, &file);
    parts->sector_size = file->pMethods->xSectorSize(file);
    parts->characteristics = file->pMethods->xDeviceCharacteristics(file);
    sqlite3_close(db);
    g_unlink(path);
}

struct disk *
disk_new(GRand *random)
{
    struct disk_parts *parts = g_new0(struct disk_parts, 1);
    struct disk *disk = g_new0(struct disk, 1);

    /* The store's own calls on its file, before sqlite3 has it, are real; they cost nothing here.
     */
    parts->folder = g_strdup("/dev/shm/test-disk-XXXXXX");
    g_assert_nonnull(g_mkdtemp(parts->folder));
    promises_take(parts);
    parts->disk = disk;
    parts->random = random;
    parts->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, disk_file_unref);
    g_mutex_init(&parts->lock);
    disk_vfs_init(parts);
    sqlite3_vfs_register(&parts->vfs, 1);
    sqlite3_randomness(0, NULL); /* begins anew, with ours */

    *disk = (struct disk){.path = g_build_filename(parts->folder, "xapid.db", NULL),
                          .log = g_array_new(FALSE, FALSE, sizeof(struct disk_op)),
                          .recording = true,
                          .parts = parts};
    g_array_set_clear_func(disk->log, op_clear);
    return disk;
}

void
disk_free(struct disk *disk)
{
    struct disk_parts *parts = disk->parts;

    sqlite3_vfs_unregister(&parts->vfs);
    sqlite3_randomness(0, NULL);
    g_unlink(disk->path);
    g_assert_cmpint(g_rmdir(parts->folder), ==, 0);
    g_hash_table_unref(parts->names);
    g_mutex_clear(&parts->lock);
    g_free(parts->folder);
    g_free(parts);
    g_array_unref(disk->log);
    g_free(disk->path);
    g_free(disk);
}

void
disk_fail(struct disk *disk, unsigned calls, guint64 at, int error, bool lasting)
{
    struct disk_parts *parts = disk->parts;

    g_mutex_lock(&parts->lock);
    parts->failing = calls;
    parts->at = at;
    parts->error = error;
    parts->lasting = lasting;
    disk->n_calls = 0;
    disk->n_failed = 0;
    g_mutex_unlock(&parts->lock);
}

void
disk_mend(struct disk *disk)
{
    g_mutex_lock(&disk->parts->lock);
    disk->parts->failing = 0;
    g_mutex_unlock(&disk->parts->lock);
}

void
disk_kill(struct disk *disk)
{
    disk->parts->dead = true;
}

void
disk_show(struct disk *disk, GHashTable *files)
{
    GHashTableIter iter;
    void *name, *bytes;

    g_assert_false(disk->recording);
    g_hash_table_remove_all(disk->parts->names);
    g_hash_table_iter_init(&iter, files);
    while (g_hash_table_iter_next(&iter, &name, &bytes)) {
        struct disk_file *file = disk_file_new(disk->parts);
        const GByteArray *array = bytes;
        g_byte_array_append(file->bytes, array->data, array->len);
        g_hash_table_insert(disk->parts->names, g_strdup(name), file);
    }
}

guint
disk_n_files(const struct disk *disk)
{
    return disk->parts->n_files;
}
