/* Between database.c and load.c. */
#ifndef XAPID_STORE_INTERNAL_H
#define XAPID_STORE_INTERNAL_H

#include "xapid/store/database.h"

enum statement {
    STATEMENT_BEGIN,
    STATEMENT_COMMIT,
    STATEMENT_ROLLBACK,
    STATEMENT_PUT,
    STATEMENT_DELETE,
    STATEMENT_JOURNAL_PUT,
    STATEMENT_JOURNAL_DELETE,
    STATEMENT_GENERATION,
    STATEMENT_PROBE,
    STATEMENT_MAX
};

struct database {
    char *path;
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENT_MAX];
};

/* Always false. */
bool database_damaged(const struct database *database, const char *detail, GError **error);
/* Statements that return no rows. */
bool database_exec(struct database *database, const char *sql, GError **error);
bool generation_write(struct database *database, guint64 generation, GError **error);

#endif
