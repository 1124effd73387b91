/* Copies the database by sqlite3's backup functions; see backup.h. */
#include "config.h"

#include "xapid/store/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "xapid/store/database.h"

struct backup {
    GTask *task;
    char *path, *partial;
    sqlite3 *copy;
    sqlite3_backup *steps;
    bool made; /* the partial file is ours to remove */
};

struct backup *
backup_new(const char *path, GTask *task)
{
    struct backup *backup = g_new0(struct backup, 1);

    backup->task = task;
    backup->path = g_strdup(path);
    backup->partial = g_strconcat(path, ".partial", NULL);
    return backup;
}

void
backup_free(struct backup *backup)
{
    if (backup->steps)
        sqlite3_backup_finish(backup->steps);
    sqlite3_close(backup->copy);
    if (backup->made && FAULT_POINT("store.backup.remove.before", NULL))
        unlink(backup->partial);
    (void)FAULT_POINT("store.backup.remove.after", NULL);
    g_object_unref(backup->task);
    g_free(backup->path);
    g_free(backup->partial);
    g_free(backup);
}

static bool
fail(struct backup *backup, const char *why, GError **error)
{
    g_autofree char *text = g_strdup_printf("backup to %s: %s", backup->path, why);

    api_error_set(error, "INTERNAL_ERROR", text, NULL);
    return false;
}

static bool
backup_start(struct backup *backup, sqlite3 *source, GError **error)
{
    if (access(backup->path, F_OK) == 0)
        return fail(backup, "there is such a file already", error);
    /* A partial copy that is lying there is of a process that was killed. */
    unlink(backup->partial);
    int fd = open(backup->partial, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail(backup, g_strerror(errno), error);
    close(fd);
    backup->made = true;
    if (sqlite3_open_v2(backup->partial, &backup->copy,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                        NULL) != SQLITE_OK ||
        !(backup->steps = sqlite3_backup_init(backup->copy, "main", source, "main")))
        return fail(backup, sqlite3_errmsg(backup->copy), error);
    return true;
}

/* The copy is whole and on disk under its own name, or an error. */
static bool
backup_complete(struct backup *backup, GError **error)
{
    int r = sqlite3_backup_finish(backup->steps);

    backup->steps = NULL;
    if (r == SQLITE_OK)
        r = sqlite3_close(backup->copy);
    if (r != SQLITE_OK)
        return fail(backup, sqlite3_errstr(r), error);
    backup->copy = NULL;
    /* link () and not rename (): a file made there meanwhile is not replaced. */
    return FAULT_AROUND("store.backup.rename", error,
                        link(backup->partial, backup->path) == 0 ||
                            fail(backup, g_strerror(errno), error)) &&
           directory_sync(backup->path, error) && FAULT_POINT("store.backup.done", error);
}

bool
backup_step(struct backup *backup, sqlite3 *source, int pages)
{
    GError *error = NULL;
    bool ok = FAULT_POINT("store.backup.step", &error) &&
              (backup->steps || backup_start(backup, source, &error));
    int r = ok ? sqlite3_backup_step(backup->steps, pages) : SQLITE_ERROR;

    if (ok && (r == SQLITE_OK || r == SQLITE_BUSY || r == SQLITE_LOCKED))
        return false;
    if (ok && r != SQLITE_DONE)
        ok = fail(backup, sqlite3_errstr(r), &error);
    if (ok)
        ok = backup_complete(backup, &error);
    if (ok)
        g_task_return_boolean(backup->task, TRUE);
    else
        g_task_return_error(backup->task, error);
    return true;
}
