/* xapid-db dump: a database as XML. */
#include "config.h"

#include <errno.h>
#include <stdio.h>

#include "lib/error.h"
#include "xapid/db/db.h"
#include "xapid/dump/dump.h"
#include "xapid/model/roles.h"
#include "xapid/store/database.h"

#define PIECE_BYTES (256 * 1024)

static bool
write_dump(const struct model *model, GError **error)
{
    struct dump *dump = dump_new(model);
    g_autoptr(GString) piece = g_string_sized_new(PIECE_BYTES);
    bool ok = true, more = true;

    while (ok && more) {
        g_string_truncate(piece, 0);
        more = dump_next(dump, piece, PIECE_BYTES);
        ok = fwrite(piece->str, 1, piece->len, stdout) == piece->len;
    }
    dump_free(dump);
    if (ok && fflush(stdout) == 0)
        return true;
    api_error_set(error, "INTERNAL_ERROR", "standard output", g_strerror(errno), NULL);
    return false;
}

int
db_dump(const char *path)
{
    g_autoptr(GError) error = NULL;
    struct model *model = model_new();
    struct copy copy = {0};
    struct database *database = NULL;

    bool ok = copy_make(path, &copy, &error) && roles_load(model, &error) &&
              (database = database_open(copy.path, &error)) &&
              database_load(database, model, &error) && write_dump(model, &error);
    database_close(database);
    copy_clear(&copy);
    model_free(model);
    return ok ? DB_DONE : db_failed(error);
}
