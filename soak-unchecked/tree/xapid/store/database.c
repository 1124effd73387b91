/* Opens, makes and upgrades the file, and writes to it; load.c reads it. */
#include "config.h"

#include "xapid/store/database.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "xapid/store/internal.h"

/* Bytes of the log that are written again at once. */
#define LOG_CHUNK (64 << 10)

/* What takes the file from version i to version i + 1. */
static const char *const upgrades[DATABASE_SCHEMA_VERSION] = {
    "CREATE TABLE row (id INTEGER PRIMARY KEY, class TEXT NOT NULL, ref TEXT NOT NULL UNIQUE,"
    "  created INTEGER NOT NULL, modified INTEGER NOT NULL, fields BLOB NOT NULL) STRICT;"
    "CREATE TABLE journal (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;"
    "INSERT INTO meta VALUES ('generation', 0), ('probe', x'');",
    /* NULL: written by version 1. */
    "ALTER TABLE row ADD COLUMN sum INTEGER; ALTER TABLE journal ADD COLUMN sum INTEGER;",
};

static const char *const statement_texts[STATEMENT_MAX] = {
    [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
    [STATEMENT_COMMIT] = "COMMIT",
    [STATEMENT_ROLLBACK] = "ROLLBACK",
    [STATEMENT_PUT] = "INSERT INTO row (class, ref, created, modified, fields, sum)"
                      " VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
                      " ON CONFLICT (ref) DO UPDATE SET class = ?1, created = ?3, modified = ?4,"
                      " fields = ?5, sum = ?6",
    [STATEMENT_DELETE] = "DELETE FROM row WHERE ref = ?1",
    [STATEMENT_JOURNAL_PUT] =
        "INSERT OR REPLACE INTO journal (key, value, sum) VALUES (?1, ?2, ?3)",
    [STATEMENT_JOURNAL_DELETE] = "DELETE FROM journal WHERE key = ?1",
    [STATEMENT_GENERATION] = "UPDATE meta SET value = ?1 WHERE key = 'generation'",
    [STATEMENT_PROBE] = "UPDATE meta SET value = randomblob(?1) WHERE key = 'probe'",
};

static bool
refuse(const struct database *database, GError **error, const char *why, const char *what_to_do)
{
    g_autofree char *text = g_strdup_printf("database %s %s: %s", database->path, why, what_to_do);

    api_error_set(error, "INTERNAL_ERROR", text, NULL);
    return false;
}

bool
database_damaged(const struct database *database, const char *detail, GError **error)
{
    g_autofree char *why = g_strdup_printf("is damaged (%s)", detail);

    return refuse(database, error, why,
                  "move it and its -wal file away, and put a backup in its place");
}

/* sqlite3's file of the write-ahead log; NULL: there is none. */
static sqlite3_file *
log_file(const struct database *database)
{
    sqlite3_file *log = NULL;

    sqlite3_file_control(database->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log);
    return log && log->pMethods ? log : NULL;
}

/* errno of the last call that failed; 0: none is known. */
static int
system_error(const struct database *database)
{
    sqlite3_file *log = log_file(database);
    int code = sqlite3_system_errno(database->db);

    /* sqlite3 forgets it when a COMMIT fails; the files know. */
    if (!code && log)
        log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &code);
    if (!code)
        sqlite3_file_control(database->db, "main", SQLITE_FCNTL_LAST_ERRNO, &code);
    return code;
}

static bool
unusable(const struct database *database, const char *doing, const char *detail, int system,
         GError **error)
{
    g_autofree char *why = g_strdup_printf("cannot be used (%s: %s%s%s)", doing, detail,
                                           system ? ", " : "", system ? g_strerror(system) : "");

    return refuse(database, error, why, "check the file system it is on");
}

bool
database_error(const struct database *database, const char *doing, GError **error)
{
    int code = sqlite3_errcode(database->db) & 0xff;
    const char *detail = sqlite3_errmsg(database->db);

    if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
        return database_damaged(database, detail, error);
    if (code == SQLITE_BUSY)
        return refuse(database, error, "is in use by another process", "end the other xapid first");
    bool system = code == SQLITE_IOERR || code == SQLITE_CANTOPEN;
    return unusable(database, doing, detail, system ? system_error(database) : 0, error);
}

sqlite3 *
database_handle(struct database *database)
{
    return database->db;
}

bool
database_exec(struct database *database, const char *sql, GError **error)
{
    return sqlite3_exec(database->db, sql, NULL, NULL, NULL) == SQLITE_OK ||
           database_error(database, "write", error);
}

static bool
pragma_int(struct database *database, const char *sql, gint64 *ret_value, GError **error)
{
    sqlite3_stmt *statement = NULL;
    bool ok = sqlite3_prepare_v2(database->db, sql, -1, &statement, NULL) == SQLITE_OK &&
              sqlite3_step(statement) == SQLITE_ROW;

    if (ok)
        *ret_value = sqlite3_column_int64(statement, 0);
    else
        database_error(database, "read", error);
    sqlite3_finalize(statement);
    return ok;
}

bool
directory_sync(const char *path, GError **error)
{
    g_autofree char *directory = g_path_get_dirname(path);
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;

    if (!ok)
        api_error_set(error, "INTERNAL_ERROR", "sync of directory", directory, g_strerror(errno),
                      NULL);
    if (fd >= 0)
        close(fd);
    return ok;
}

/* The file exists afterwards, with mode 0600; sqlite3 gives its -wal file the same. */
static bool
file_prepare(const struct database *database, GError **error)
{
    struct stat st = {0};
    int fd = open(database->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    bool ok = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && fchmod(fd, 0600) == 0 &&
              fsync(fd) == 0;

    if (!ok) {
        bool usable = fd < 0 || S_ISREG(st.st_mode);
        g_autofree char *why = g_strdup_printf("cannot be opened (%s)",
                                               usable ? g_strerror(errno) : "not a usable file");
        refuse(database, error, why, "check its directory");
    }
    if (fd >= 0)
        close(fd);
    return ok && FAULT_POINT("store.open.created", error) &&
           directory_sync(database->path, error) && FAULT_POINT("store.open.synced", error);
}

/* Ours, or new; nothing has been written to it yet. */
static bool
header_check(struct database *database, gint64 *ret_version, GError **error)
{
    gint64 application, version, objects;

    if (!pragma_int(database, "PRAGMA application_id", &application, error) ||
        !pragma_int(database, "PRAGMA user_version", &version, error) ||
        !pragma_int(database, "SELECT count(*) FROM sqlite_schema", &objects, error))
        return false;
    bool is_new = !application && !version && !objects;
    if (!is_new && application != DATABASE_APPLICATION_ID)
        return refuse(database, error, "is not a database of xapid",
                      "name another file in the configuration");
    if (version > DATABASE_SCHEMA_VERSION) {
        g_autofree char *why =
            g_strdup_printf("was written by a newer xapid (schema version %" G_GINT64_FORMAT
                            ", this one knows up to %d)",
                            version, DATABASE_SCHEMA_VERSION);
        return refuse(database, error, why,
                      "install that version again, or put a backup in its place");
    }
    if (version < 0 || (!is_new && !version))
        return database_damaged(database, "bad schema version", error);
    *ret_version = version;
    return true;
}

static bool
quick_check(struct database *database, GError **error)
{
    sqlite3_stmt *statement = NULL;
    bool ok = sqlite3_prepare_v2(database->db, "PRAGMA quick_check(1)", -1, &statement, NULL) ==
                  SQLITE_OK &&
              sqlite3_step(statement) == SQLITE_ROW;
    const char *text = ok ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    int system = system_error(database);

    if (!ok)
        database_error(database, "check", error);
    else if (text && system && !g_str_equal(text, "ok"))
        /* A page that cannot be read is not yet one that is lost. */
        ok = unusable(database, "check", text, system, error);
    else if (g_strcmp0(text, "ok") != 0)
        ok = database_damaged(database, text ? text : "check failed", error);
    sqlite3_finalize(statement);
    return ok;
}

/* A process before this one may have ended after a sync of the log had failed.  What it had written
 * is read, and counts, although the disk may not have it and no later sync would write it: commits
 * after it would be lost with it.  Written again, all of it is on the disk. */
static bool
log_rewrite(struct database *database, GError **error)
{
    sqlite3_file *log = log_file(database);
    g_autofree char *bytes = g_malloc(LOG_CHUNK);
    sqlite3_int64 size = 0;
    int r = log ? log->pMethods->xFileSize(log, &size) : SQLITE_OK;

    for (sqlite3_int64 at = 0; r == SQLITE_OK && at < size; at += LOG_CHUNK) {
        int n = (int)MIN(LOG_CHUNK, size - at);
        r = log->pMethods->xRead(log, bytes, n, at);
        if (r == SQLITE_OK)
            r = log->pMethods->xWrite(log, bytes, n, at);
    }
    if (r == SQLITE_OK && size)
        r = log->pMethods->xSync(log, SQLITE_SYNC_NORMAL);
    return r == SQLITE_OK || unusable(database, "write its log again", sqlite3_errstr(r),
                                      system_error(database), error);
}

/* All steps and the new version in one transaction: killed in the middle, the old file stands. */
static bool
upgrade(struct database *database, gint64 version, GError **error)
{
    g_autofree char *finish =
        g_strdup_printf("PRAGMA application_id = %d; PRAGMA user_version = %d",
                        DATABASE_APPLICATION_ID, DATABASE_SCHEMA_VERSION);

    if (version == DATABASE_SCHEMA_VERSION)
        return true;
    if (!FAULT_POINT("store.upgrade.before", error) ||
        !database_exec(database, "BEGIN EXCLUSIVE", error))
        return false;
    for (; version < DATABASE_SCHEMA_VERSION; version++)
        if (!database_exec(database, upgrades[version], error))
            return false;
    return database_exec(database, finish, error) && FAULT_POINT("store.upgrade.commit", error) &&
           database_exec(database, "COMMIT", error) && FAULT_POINT("store.upgrade.done", error);
}

static bool
settings_apply(struct database *database, GError **error)
{
    g_autofree char *sql = g_strdup_printf("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                                           "PRAGMA journal_size_limit = %d",
                                           DATABASE_WAL_KEEP);

    return database_exec(database, sql, error);
}

static bool
statements_prepare(struct database *database, GError **error)
{
    for (int i = 0; i < STATEMENT_MAX; i++)
        if (sqlite3_prepare_v3(database->db, statement_texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &database->statements[i], NULL) != SQLITE_OK)
            return database_damaged(database, sqlite3_errmsg(database->db), error);
    return true;
}

static bool
open_all(struct database *database, bool check, GError **error)
{
    gint64 version = 0;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;

    if (!FAULT_POINT("store.open.before", error) || !file_prepare(database, error))
        return false;
    if (sqlite3_open_v2(database->path, &database->db, flags, NULL) != SQLITE_OK)
        return database_error(database, "open", error);
    sqlite3_db_config(database->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(database->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    /* Exclusive: nobody else may write behind the model's back, and the log needs no shared memory.
     */
    return database_exec(database, "PRAGMA locking_mode = EXCLUSIVE; PRAGMA cell_size_check = ON",
                         error) &&
           header_check(database, &version, error) && log_rewrite(database, error) &&
           (!check || quick_check(database, error)) && settings_apply(database, error) &&
           upgrade(database, version, error) && statements_prepare(database, error);
}

static struct database *
database_new(const char *path, bool check, GError **error)
{
    struct database *database = g_new0(struct database, 1);

    database->path = g_strdup(path);
    if (open_all(database, check, error))
        return database;
    database_close(database);
    return NULL;
}

struct database *
database_open(const char *path, GError **error)
{
    return database_new(path, true, error);
}

struct database *
database_open_damaged(const char *path, GError **error)
{
    return database_new(path, false, error);
}

void
database_close(struct database *database)
{
    if (!database)
        return;
    for (int i = 0; i < STATEMENT_MAX; i++)
        sqlite3_finalize(database->statements[i]);
    sqlite3_close(database->db);
    g_free(database->path);
    g_free(database);
}

/* Runs a prepared statement that returns no rows; its bindings are let go. */
static bool
run(struct database *database, enum statement which, GError **error)
{
    sqlite3_stmt *statement = database->statements[which];
    bool ok = sqlite3_step(statement) == SQLITE_DONE || database_error(database, "write", error);

    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return ok;
}

static void
bind_text(sqlite3_stmt *statement, int at, const char *text)
{
    sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
}

/* The bytes of a value in little-endian order, kept by *ret_keep until they are written. */
static void
bind_variant(sqlite3_stmt *statement, int at, GVariant *value, GVariant **ret_keep)
{
    GVariant *bytes =
        G_BYTE_ORDER == G_LITTLE_ENDIAN ? g_variant_ref(value) : g_variant_byteswap(value);

    sqlite3_bind_blob64(statement, at, g_variant_get_size(bytes) ? g_variant_get_data(bytes) : "",
                        g_variant_get_size(bytes), SQLITE_STATIC);
    *ret_keep = bytes;
}

static bool
row_write(struct database *database, const struct model_row_change *change, GError **error)
{
    g_autoptr(GVariant) keep = NULL;

    if (!change->row) {
        bind_text(database->statements[STATEMENT_DELETE], 1, change->ref);
        return run(database, STATEMENT_DELETE, error);
    }
    sqlite3_stmt *put = database->statements[STATEMENT_PUT];
    bind_text(put, 1, change->cls->name);
    bind_text(put, 2, change->ref);
    sqlite3_bind_int64(put, 3, (sqlite3_int64)change->created);
    sqlite3_bind_int64(put, 4, (sqlite3_int64)change->modified);
    bind_variant(put, 5, change->row, &keep);
    sqlite3_bind_int64(put, 6,
                       row_sum(change->cls->name, change->ref, (gint64)change->created,
                               (gint64)change->modified, g_variant_get_data(keep),
                               g_variant_get_size(keep)));
    return run(database, STATEMENT_PUT, error);
}

static bool
journal_write(struct database *database, const struct model_journal_change *change, GError **error)
{
    g_autoptr(GVariant) keep = NULL;

    if (!change->value) {
        bind_text(database->statements[STATEMENT_JOURNAL_DELETE], 1, change->key);
        return run(database, STATEMENT_JOURNAL_DELETE, error);
    }
    sqlite3_stmt *put = database->statements[STATEMENT_JOURNAL_PUT];
    g_autoptr(GVariant) boxed = g_variant_ref_sink(g_variant_new_variant(change->value));
    bind_text(put, 1, change->key);
    bind_variant(put, 2, boxed, &keep);
    sqlite3_bind_int64(
        put, 3, journal_sum(change->key, g_variant_get_data(keep), g_variant_get_size(keep)));
    return run(database, STATEMENT_JOURNAL_PUT, error);
}

static bool
changes_write(struct database *database, const struct model_changes *changes, GError **error)
{
    for (guint i = 0; i < changes->rows->len; i++)
        if (!row_write(database, &g_array_index(changes->rows, struct model_row_change, i), error))
            return false;
    for (guint i = 0; i < changes->journal->len; i++)
        if (!journal_write(database,
                           &g_array_index(changes->journal, struct model_journal_change, i), error))
            return false;
    return FAULT_POINT("store.commit.middle", error);
}

bool
generation_write(struct database *database, guint64 generation, GError **error)
{
    sqlite3_bind_int64(database->statements[STATEMENT_GENERATION], 1, (sqlite3_int64)generation);
    return run(database, STATEMENT_GENERATION, error);
}

static bool
batch_write(struct database *database, const GPtrArray *changes, GError **error)
{
    guint64 generation = 0;

    if (!FAULT_POINT("store.commit.before", error) || !run(database, STATEMENT_BEGIN, error))
        return false;
    for (guint i = 0; i < changes->len; i++) {
        const struct model_changes *change = changes->pdata[i];
        generation = change->generation;
        if (!changes_write(database, change, error))
            return false;
    }
    return generation_write(database, generation, error) &&
           FAULT_POINT("store.commit.sync", error) && run(database, STATEMENT_COMMIT, error);
}

static void
rollback(struct database *database)
{
    /* Some errors have ended the transaction already. */
    if (!sqlite3_get_autocommit(database->db))
        run(database, STATEMENT_ROLLBACK, NULL);
}

bool
database_write(struct database *database, const GPtrArray *changes, GError **error)
{
    if (!batch_write(database, changes, error)) {
        rollback(database);
        return false;
    }
    /* It is on disk: an error here would be a lie, only dying and waiting are of use. */
    (void)FAULT_POINT("store.commit.done", NULL);
    return true;
}

bool
database_probe(struct database *database, GError **error)
{
    sqlite3_bind_int(database->statements[STATEMENT_PROBE], 1, DATABASE_PROBE_BYTES);
    return FAULT_POINT("store.probe", error) && run(database, STATEMENT_PROBE, error);
}
