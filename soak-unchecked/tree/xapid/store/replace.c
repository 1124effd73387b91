#include "config.h"

#include "xapid/store/replace.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "xapid/store/internal.h"

#define READY_SUFFIX ".restore"
#define PARTIAL_SUFFIX ".restore.partial"
#define LOG_SUFFIX "-wal"
#define ASIDE_MAX 1000 /* old databases of one second */

guint64
database_generation_after(guint64 one, guint64 another)
{
    return ((MAX(one, another) >> DATABASE_EPOCH_BITS) + 2) << DATABASE_EPOCH_BITS;
}

static bool
failed(const char *doing, const char *path, GError **error)
{
    api_error_set(error, "INTERNAL_ERROR", doing, path, g_strerror(errno), NULL);
    return false;
}

static bool
unlink_both(const char *path, GError **error)
{
    g_autofree char *log = g_strconcat(path, LOG_SUFFIX, NULL);

    return ((g_unlink(path) == 0 || errno == ENOENT) && (g_unlink(log) == 0 || errno == ENOENT)) ||
           failed("remove", path, error);
}

static bool
database_fill(const char *path, struct model_changes *changes, GError **error)
{
    struct database *database = database_open(path, error);
    g_autoptr(GPtrArray) all = g_ptr_array_new();

    g_ptr_array_add(all, changes);
    bool ok = database && database_write(database, all, error);
    database_close(database); /* the log goes into the file */
    return ok;
}

bool
database_prepare(const char *path, struct model_changes *changes, GError **error)
{
    g_autofree char *partial = g_strconcat(path, PARTIAL_SUFFIX, NULL);
    g_autofree char *log = g_strconcat(partial, LOG_SUFFIX, NULL);
    g_autofree char *ready = g_strconcat(path, READY_SUFFIX, NULL);

    if (!FAULT_POINT("store.prepare.before", error) || !unlink_both(partial, error) ||
        !database_fill(partial, changes, error) || !FAULT_POINT("store.prepare.filled", error))
        return false;
    if (g_file_test(log, G_FILE_TEST_EXISTS)) {
        errno = EEXIST;
        return failed("write all of it", log, error);
    }
    return (g_rename(partial, ready) == 0 || failed("rename", partial, error)) &&
           FAULT_POINT("store.prepare.renamed", error) && directory_sync(path, error) &&
           FAULT_POINT("store.prepare.done", error);
}

guint64
database_generation(const char *path)
{
    struct database *database =
        g_file_test(path, G_FILE_TEST_EXISTS) ? database_open_damaged(path, NULL) : NULL;
    sqlite3_stmt *statement = NULL;
    sqlite3_int64 generation = 0;

    if (database &&
        sqlite3_prepare_v2(database_handle(database), DATABASE_GENERATION_QUERY, -1, &statement,
                           NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        generation = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    database_close(database);
    return generation > 0 && generation < DATABASE_GENERATION_MAX ? (guint64)generation : 0;
}

/* A name beside `path` that is free; the caller frees. */
static char *
aside_name(const char *path, GError **error)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *time = g_date_time_format(now, "%Y%m%dT%H%M%SZ");

    for (int i = 0; i < ASIDE_MAX; i++) {
        g_autofree char *name = i ? g_strdup_printf("%s.before-%s-%d", path, time, i)
                                  : g_strdup_printf("%s.before-%s", path, time);
        if (!g_file_test(name, G_FILE_TEST_EXISTS))
            return g_steal_pointer(&name);
    }
    errno = EEXIST;
    failed("find a name beside", path, error);
    return NULL;
}

/* The old one gets a second name, so that there is a database at `path` all the time; its log,
 * which the new one must not find, goes along.  One that can be opened has none any more. */
static bool
put_aside(const char *path, const char *aside, GError **error)
{
    g_autofree char *log = g_strconcat(path, LOG_SUFFIX, NULL);
    g_autofree char *aside_log = g_strconcat(aside, LOG_SUFFIX, NULL);

    database_close(database_open_damaged(path, NULL));
    int lock = database_lock(path, true, error);
    if (lock < 0)
        return false;
    close(lock);
    if (link(path, aside) != 0)
        return failed("keep", path, error);
    if (g_rename(log, aside_log) != 0 && errno != ENOENT)
        return failed("keep", log, error);
    return FAULT_POINT("store.restore.aside", error) && directory_sync(path, error);
}

bool
database_take_restored(const char *path, char **ret_aside, GError **error)
{
    g_autofree char *ready = g_strconcat(path, READY_SUFFIX, NULL);
    g_autofree char *aside = NULL;

    *ret_aside = NULL;
    if (!g_file_test(ready, G_FILE_TEST_EXISTS))
        return true;
    if (!FAULT_POINT("store.restore.before", error))
        return false;
    if (g_file_test(path, G_FILE_TEST_EXISTS) &&
        (!(aside = aside_name(path, error)) || !put_aside(path, aside, error)))
        return false;
    if (g_rename(ready, path) != 0)
        return failed("rename", ready, error);
    if (!directory_sync(path, error) || !FAULT_POINT("store.restore.done", error))
        return false;
    *ret_aside = g_steal_pointer(&aside);
    return true;
}
