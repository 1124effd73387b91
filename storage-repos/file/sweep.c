/* The files of a repository that no disk has, and their end.  A base belongs to every disk whose
 * record names it, and goes with the last of them. */
#include "config.h"

#include "storage-repos/file/file.h"

#include <errno.h>
#include <string.h>

#include "lib/faults.h"
#include "lib/log.h"
#include "storage-repos/common/folder.h"

#define UUID_LENGTH 36 /* characters */

static bool
skip_uuid(const char **name)
{
    g_autofree char *uuid = g_strndup(*name, UUID_LENGTH);

    if (!g_uuid_string_is_valid(uuid))
        return false;
    *name += UUID_LENGTH;
    return true;
}

bool
disk_file_is_valid(const char *name)
{
    if (!skip_uuid(&name))
        return false;
    if (g_str_equal(name, ".raw") || g_str_equal(name, ".qcow2"))
        return true;
    return *name++ == '.' && skip_uuid(&name) && g_str_equal(name, ".qcow2");
}

char *
record_uuid(const char *name)
{
    const char *end = name;

    return skip_uuid(&end) && g_str_equal(end, ".json") ? g_strndup(name, UUID_LENGTH) : NULL;
}

/* What is being written, or was when a call was broken off. */
static bool
is_part(const char *name)
{
    return *name == '.' && (g_str_has_suffix(name, ".part") || g_str_has_suffix(name, RECORD_GONE));
}

struct sweep {
    int folder;
    const struct disk *of; /* NULL: any */
    GHashTable *used;
    GPtrArray *found;
    bool blind; /* a record cannot be read, so nobody knows what it needs */
};

static void
add_used(struct sweep *sweep, const char *uuid, const char *name)
{
    g_auto(disk_t) disk = {.folder = -1};

    if (!disk_load(sweep->folder, uuid, name, &disk)) {
        log_warning("%s cannot be read: %s", name, g_strerror(errno));
        sweep->blind = true;
        return;
    }
    g_hash_table_add(sweep->used, g_strdup(disk.file));
    for (char **base = disk.bases; base && *base; base++)
        g_hash_table_add(sweep->used, g_strdup(*base));
}

static bool
is_sought(const struct sweep *sweep, const char *name)
{
    const struct disk *of = sweep->of;

    /* Its own may have another's name, since it changed places with that one. */
    return !of || strstr(name, of->uuid) || g_strcmp0(name, of->file) == 0 ||
           (of->bases && g_strv_contains((const char *const *)of->bases, name));
}

static void
look_at(const char *name, void *data)
{
    struct sweep *sweep = data;
    g_autofree char *uuid = record_uuid(name);

    if (uuid)
        add_used(sweep, uuid, name);
    else if ((disk_file_is_valid(name) || is_part(name)) && is_sought(sweep, name))
        g_ptr_array_add(sweep->found, g_strdup(name));
}

bool
repository_sweep(int folder, const struct disk *of)
{
    g_autoptr(GHashTable) used = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
    struct sweep sweep = {.folder = folder, .of = of, .used = used, .found = found};
    bool ok = folder_list(folder, look_at, &sweep);

    for (guint i = 0; ok && i < found->len; i++) {
        const char *name = found->pdata[i];
        /* The record of what is being removed goes last: it says what else is to go. */
        if (g_hash_table_contains(used, name) || (of && g_str_has_suffix(name, RECORD_GONE)) ||
            (sweep.blind && !is_part(name)))
            continue;
        log_info("removing %s, which no disk has", name);
        if (FAULT_AROUND("file.leftover", NULL, folder_remove(folder, name)))
            continue;
        log_warning("%s: %s", name, g_strerror(errno));
        ok = !of; /* a repository is of use all the same */
    }
    return ok;
}
