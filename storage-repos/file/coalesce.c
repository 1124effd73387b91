/* Images that one other alone stands on become one with it, when nobody has a disk of theirs: the
 * contents of the upper one are written into its base, where all who read them see the same as
 * before, and then the base takes the upper one's name.  That is the moment: a base that is not
 * there any more has become part of what stands on it, whatever a record says (disk_load ()). */
#include "config.h"

#include "storage-repos/file/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "lib/log.h"
#include "lib/member.h"
#include "storage-repos/common/folder.h"
#include "storage-repos/common/tool.h"

/* ---- what stands on what ---- */

struct chains {
    int folder;
    char **attached;    /* uuids of disks that somebody has; NULL: none */
    char **only;        /* uuids of disks, beside which all are as good as attached; NULL: any */
    GPtrArray *all;     /* of char **: the images of a disk, each on the next */
    GPtrArray *disks;   /* their uuids */
    GHashTable *below;  /* an image -> where one of these has the one that alone stands on it; NULL:
                           several do, or none */
    GHashTable *in_use; /* images of those that somebody has */
    bool blind;         /* a record cannot be read, so nobody knows what it needs */
};

typedef struct chains chains_t;

static void
chains_clear(struct chains *chains)
{
    g_clear_pointer(&chains->all, g_ptr_array_unref);
    g_clear_pointer(&chains->disks, g_ptr_array_unref);
    g_clear_pointer(&chains->below, g_hash_table_unref);
    g_clear_pointer(&chains->in_use, g_hash_table_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(chains_t, chains_clear)

static void
note_below(struct chains *chains, char **at)
{
    void *other;

    if (!g_hash_table_lookup_extended(chains->below, at[1], NULL, &other))
        g_hash_table_insert(chains->below, at[1], at);
    else if (other && !g_str_equal(*(char **)other, *at))
        g_hash_table_insert(chains->below, at[1], NULL);
}

static bool
is_among(const char *uuid, char **uuids)
{
    return uuids && g_strv_contains((const char *const *)uuids, uuid);
}

static void
add_disk(const char *name, void *data)
{
    struct chains *chains = data;
    g_autofree char *uuid = record_uuid(name);
    g_auto(disk_t) disk = {.folder = -1};

    if (!uuid)
        return;
    if (!disk_load(chains->folder, uuid, name, &disk)) {
        log_warning("%s cannot be read: %s", name, g_strerror(errno));
        chains->blind = true;
        return;
    }
    bool has = is_among(uuid, chains->attached) || (chains->only && !is_among(uuid, chains->only));
    char **chain = disk_chain(&disk);
    g_ptr_array_add(chains->all, chain);
    g_ptr_array_add(chains->disks, g_steal_pointer(&uuid));
    g_hash_table_insert(chains->below, chain[0], NULL); /* the disk's own */
    for (char **at = chain; *at; at++) {
        if (has)
            g_hash_table_add(chains->in_use, *at);
        if (at[1])
            note_below(chains, at);
    }
}

/* Under the lock.  To be cleared either way. */
static bool
chains_read(int folder, char **attached, char **only, chains_t *ret_chains, GError **error)
{
    *ret_chains = (chains_t){.folder = folder,
                             .attached = attached,
                             .only = only,
                             .all = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev),
                             .disks = g_ptr_array_new_with_free_func(g_free),
                             .below = g_hash_table_new(g_str_hash, g_str_equal),
                             .in_use = g_hash_table_new(g_str_hash, g_str_equal)};
    if (folder_list(folder, add_disk, ret_chains) && !ret_chains->blind)
        return true;
    driver_fail(error, FAILURE_VDI_LOAD, "%s",
                ret_chains->blind ? "a record cannot be read" : g_strerror(errno));
    return false;
}

/* An image that can become one with its base, which follows it; NULL: there is none, but perhaps
 * among those of disks that somebody has. */
static char **
find_pair(const struct chains *chains, bool *ret_in_use)
{
    char **found = NULL;
    GHashTableIter iter;
    void *base, *at;

    *ret_in_use = false;
    g_hash_table_iter_init(&iter, chains->below);
    while (g_hash_table_iter_next(&iter, &base, &at)) {
        bool in_use = at && g_hash_table_contains(chains->in_use, base);
        *ret_in_use |= in_use;
        if (at && !in_use)
            found = at;
    }
    return found;
}

/* ---- records ---- */

struct tidying {
    int folder;
    bool ok;
};

static void
tidy_record(const char *name, void *data)
{
    struct tidying *tidying = data;
    g_autofree char *uuid = record_uuid(name);
    g_auto(disk_t) disk = {.folder = -1};
    g_autoptr(GError) error = NULL;
    gint64 size = 0;

    if (!uuid || !disk_load(tidying->folder, uuid, name, &disk) || !disk.outdated)
        return;
    g_autoptr(GVariant) record = g_variant_ref(disk.record);
    g_variant_lookup(record, "virtual_size", "x", &size);
    disk.record_name = g_strdup(name);
    disk.folder = tidying->folder;
    if (!FAULT_AROUND("file.sr.coalesce.tidy", &error, disk_note(&disk, record, size, &error))) {
        log_warning("%s: %s", name, error->message);
        tidying->ok = false;
    }
    disk.folder = -1;
}

bool
records_tidy(int folder)
{
    struct tidying tidying = {folder, true};

    return folder_list(folder, tidy_record, &tidying) && tidying.ok;
}

/* ---- joining ---- */

/* The base may need as much more as the image above it has. */
static bool
has_room(int folder, const char *name, GError **error)
{
    struct statvfs figures;
    struct stat status;

    if (fstatvfs(folder, &figures) || !folder_stat(folder, name, &status)) {
        driver_fail(error, FAILURE_VDI_LOAD, "%s: %s", name, g_strerror(errno));
        return false;
    }
    if ((guint64)figures.f_bavail * figures.f_frsize >= (guint64)status.st_blocks * 512)
        return true;
    driver_fail(error, FAILURE_SR_NO_SPACE, "%s: no room to write it into its base", name);
    return false;
}

/* pair: an image, its base, and what is below. */
static bool
write_down(int folder, char **pair, gint64 rate, GError **error)
{
    const struct disk image = {.folder = folder, .file = pair[0]};
    g_autofree char *path = disk_tool_path(&image, pair[0]);
    g_autofree char *bytes = g_strdup_printf("%" G_GINT64_FORMAT, rate);
    g_autofree char *words = NULL;
    const char *const argv[] = {QEMU_IMG, "commit", "-p", "-d", /* the upper one stays as it is */
                                "-f",     "qcow2",  "-r", bytes, path, NULL};

    for (char **name = pair; *name; name++)
        if (!image_check(folder, name[0], name[1], error))
            return false;
    if (!has_room(folder, pair[0], error) || !FAULT_POINT("file.sr.coalesce.before", error))
        return false;
    if (!tool_run_long(folder, argv, &words) || !disk_sync_file(&image, pair[1])) {
        disk_tool_failed(&image, FAILURE_VDI_LOAD, words, error);
        return false;
    }
    return FAULT_POINT("file.sr.coalesce.written", error);
}

static bool
tidy(int folder, GError **error)
{
    if (records_tidy(folder))
        return true;
    driver_fail(error, FAILURE_VDI_LOAD, "records cannot be written");
    return false;
}

/* Under the lock: does the image alone stand on its base still? */
static bool
put_in_place(int folder, char **pair, GError **error)
{
    g_auto(chains_t) now = {.folder = -1};

    if (!chains_read(folder, NULL, NULL, &now, error))
        return false;
    char **at = g_hash_table_lookup(now.below, pair[1]);
    if (!at || !g_str_equal(*at, pair[0]))
        return true;
    log_info("%s becomes one with %s", pair[1], pair[0]);
    if (!FAULT_POINT("file.sr.coalesce.place", error))
        return false;
    if (renameat(folder, pair[1], folder, pair[0]) || !folder_sync(folder)) {
        driver_fail(error, FAILURE_VDI_LOAD, "%s: %s", pair[1], g_strerror(errno));
        return false;
    }
    if (!FAULT_POINT("file.sr.coalesce.renamed", error))
        return false;
    return tidy(folder, error);
}

/* A descriptor of the folder with the lock, which goes when it is closed; -1 with an error. */
static int
lock(int folder, GError **error)
{
    int own = folder_open_file(folder, ".", O_RDONLY | O_DIRECTORY, 0);

    if (own < 0) {
        driver_fail(error, FAILURE_SR_UNAVAILABLE, "%s", g_strerror(errno));
        return -1;
    }
    if (repository_lock(own, error))
        return own;
    close(own);
    return -1;
}

/* ---- the calls ---- */

struct wish {
    char **attached, **only; /* as in struct chains */
    gint64 rate;             /* bytes a second */
};

typedef struct wish wish_t;

static void
wish_clear(struct wish *wish)
{
    g_strfreev(wish->attached);
    g_strfreev(wish->only);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(wish_t, wish_clear)

/* The pair that is next, the caller's, as write_down () takes it; *ret_pair NULL: there is none. */
static bool
next_pair(int folder, const struct wish *wish, char ***ret_pair, GError **error)
{
    g_auto(chains_t) chains = {.folder = -1};
    bool in_use;
    int held = lock(folder, error);

    if (held < 0)
        return false;
    bool ok = chains_read(held, wish->attached, wish->only, &chains, error);
    close(held);
    if (ok)
        *ret_pair = g_strdupv(find_pair(&chains, &in_use));
    return ok;
}

static bool
join(int folder, char **pair, gint64 rate, GError **error)
{
    if (!write_down(folder, pair, rate, error))
        return false;
    int held = lock(folder, error);
    bool ok = held >= 0 && put_in_place(held, pair, error);
    if (held >= 0)
        close(held);
    return ok;
}

/* One pair after the other. */
static bool
join_all(int folder, const struct wish *wish, GError **error)
{
    for (;;) {
        g_auto(GStrv) pair = NULL;
        if (!next_pair(folder, wish, &pair, error))
            return false;
        if (!pair)
            return true;
        if (!join(folder, pair, wish->rate, error))
            return false;
    }
}

/* What was broken off between the moment and the records. */
static bool
tidy_first(int folder, GError **error)
{
    int held = lock(folder, error);
    bool ok = held >= 0 && tidy(held, error);

    if (held >= 0)
        close(held);
    return ok;
}

bool
sr_coalesce(GVariant *args, GVariantDict *result, GError **error)
{
    g_auto(wish_t) wish = {0};

    (void)result;
    if (!driver_size(args, "rate", &wish.rate, error))
        return false;
    if (!member_texts(args, "disks", &wish.only) || !wish.only) {
        api_error_set(error, "INVALID_VALUE", "disks", "", NULL);
        return false;
    }
    (void)member_texts(args, "attached", &wish.attached);
    int folder = repository_open(args, error);
    bool ok = folder >= 0 && tidy_first(folder, error) && join_all(folder, &wish, error);
    if (folder >= 0)
        close(folder);
    return ok;
}

/* The disks above a base. */
static void
insert_disks(const struct chains *chains, const char *base, GVariantDict *result)
{
    GVariantBuilder out;

    g_variant_builder_init(&out, G_VARIANT_TYPE("as"));
    for (guint i = 0; i < chains->all->len; i++)
        if (is_among(base, chains->all->pdata[i]))
            g_variant_builder_add(&out, "s", chains->disks->pdata[i]);
    g_variant_dict_insert_value(result, "disks", g_variant_builder_end(&out));
}

bool
sr_chains(GVariant *args, GVariantDict *result, GError **error)
{
    g_auto(chains_t) chains = {.folder = -1};
    g_auto(GStrv) attached = NULL;
    bool in_use = false;

    (void)member_texts(args, "attached", &attached);
    int folder = repository_open(args, error);
    bool ok = folder >= 0 && repository_lock(folder, error) &&
              chains_read(folder, attached, NULL, &chains, error);
    if (ok) {
        char **pair = find_pair(&chains, &in_use);
        if (pair)
            insert_disks(&chains, pair[1], result);
        g_variant_dict_insert(result, "in_use", "b", in_use);
    }
    if (folder >= 0)
        close(folder);
    return ok;
}
