/* xapid-db restore: a database from XML. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/error.h"
#include "xapid/db/db.h"
#include "xapid/dump/dump.h"
#include "xapid/store/replace.h"

#define PIECE_BYTES (256 * 1024)

/* All of standard input; NULL: an error. */
static GString *
read_input(GError **error)
{
    g_autofree char *piece = g_malloc(PIECE_BYTES);
    GString *all = g_string_new(NULL);
    gsize n;

    while (all->len <= DUMP_MAX && (n = fread(piece, 1, PIECE_BYTES, stdin)) > 0)
        g_string_append_len(all, piece, (gssize)n);
    if (!ferror(stdin))
        return all;
    api_error_set(error, "INTERNAL_ERROR", "standard input", g_strerror(errno), NULL);
    g_string_free(all, TRUE);
    return NULL;
}

static bool
is_unused(const char *path, GError **error)
{
    int lock = g_file_test(path, G_FILE_TEST_EXISTS) ? database_lock(path, true, error) : -1;

    if (lock >= 0)
        close(lock);
    return lock >= 0 || !*error;
}

static bool
replace(const char *path, const struct model *model, guint64 generation, GError **error)
{
    guint64 first = database_generation_after(generation, database_generation(path));
    struct model_changes *changes = model_everything(model, first, dump_has_class);
    g_autofree char *aside = NULL;

    bool ok = database_prepare(path, changes, error) && database_take_restored(path, &aside, error);
    model_changes_free(changes);
    if (ok && aside)
        printf("%s: the one before\n", aside);
    return ok;
}

static bool
restore(const char *path, bool dry_run, GError **error)
{
    guint64 generation;

    if (!dry_run && !is_unused(path, error))
        return false;
    g_autoptr(GString) text = read_input(error);
    struct model *model = text ? dump_read(text->str, text->len, &generation, error) : NULL;
    bool ok = model && (dry_run || replace(path, model, generation, error));
    model_free(model);
    return ok;
}

int
db_restore(const char *path, bool dry_run)
{
    g_autoptr(GError) error = NULL;

    if (!restore(path, dry_run, &error))
        return db_failed(error);
    if (!dry_run)
        return db_fsck(path);
    printf("The dump is sound: it could be restored.\n");
    return DB_DONE;
}
