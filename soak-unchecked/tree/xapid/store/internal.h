/* Between database.c, load.c and sum.c. */
#ifndef XAPID_STORE_INTERNAL_H
#define XAPID_STORE_INTERNAL_H

#include "xapid/store/database.h"

#define DATABASE_GENERATION_QUERY "SELECT value FROM meta WHERE key = 'generation'"
/* One that leaves room for this start's epoch. */
#define DATABASE_GENERATION_MAX (G_MAXINT64 - (1LL << (DATABASE_EPOCH_BITS + 1)))

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

/* sum.c: of a row's columns and of a journal entry's, the values as the bytes that are stored. */
gint64 row_sum(const char *cls, const char *ref, gint64 created, gint64 modified,
               const void *fields, gsize size);
gint64 journal_sum(const char *key, const void *value, gsize size);

/* Always false. */
bool database_damaged(const struct database *database, const char *detail, GError **error);
/* Statements that return no rows. */
bool database_exec(struct database *database, const char *sql, GError **error);
bool generation_write(struct database *database, guint64 generation, GError **error);

#endif
