/* Reads the whole file into a new model.  What is on disk is not trusted: types, normal form and
 * then the model's own invariants are checked, and what is wrong is named. */
#include "config.h"

#include "lib/error.h"
#include "lib/faults.h"
#include "lib/text.h"
#include "xapid/store/internal.h"

/* A value of `type` from a column, a full reference; NULL: the bytes are none. */
static GVariant *
column_variant(sqlite3_stmt *statement, int column, const char *type)
{
    /* A copy: sqlite3's memory is neither aligned for GVariant nor ours to keep. */
    g_autoptr(GBytes) bytes = g_bytes_new(sqlite3_column_blob(statement, column),
                                          (gsize)sqlite3_column_bytes(statement, column));
    g_autoptr(GVariant) value =
        g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE(type), bytes, FALSE));

    if (G_BYTE_ORDER != G_LITTLE_ENDIAN) {
        GVariant *swapped = g_variant_byteswap(value);
        g_variant_unref(value);
        value = swapped;
    }
    return g_variant_is_normal_form(value) ? g_steal_pointer(&value) : NULL;
}

static const char *
column_text(sqlite3_stmt *statement, int column)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);

    return text && text_is_valid(text, sqlite3_column_bytes(statement, column)) ? text : NULL;
}

struct loading {
    struct database *database;
    struct model *model;
    guint64 generation;
};

static bool
meta_load(struct loading *loading, sqlite3_stmt *statement, GError **error)
{
    sqlite3_int64 generation = sqlite3_column_int64(statement, 0);

    if (sqlite3_column_type(statement, 0) != SQLITE_INTEGER || generation < 0 ||
        generation >= G_MAXINT64 - (1LL << (DATABASE_EPOCH_BITS + 1)))
        return database_damaged(loading->database, "bad generation", error);
    loading->generation = (guint64)generation;
    return true;
}

static bool
row_load(struct loading *loading, sqlite3_stmt *statement, GError **error)
{
    const char *cls = column_text(statement, 0), *ref = column_text(statement, 1);
    sqlite3_int64 created = sqlite3_column_int64(statement, 2);
    sqlite3_int64 modified = sqlite3_column_int64(statement, 3);
    g_autoptr(GVariant) fields = column_variant(statement, 4, "a{sv}");
    g_autoptr(GError) why = NULL;

    if (!cls || !ref || !fields || created < 0 || modified < created) {
        g_autofree char *detail = g_strdup_printf("row %s", ref ? ref : "without a reference");
        return database_damaged(loading->database, detail, error);
    }
    if (model_load_row(loading->model, cls, ref, fields, (guint64)created, (guint64)modified, &why))
        return true;
    return database_damaged(loading->database, why->message, error);
}

static bool
journal_load(struct loading *loading, sqlite3_stmt *statement, GError **error)
{
    const char *key = column_text(statement, 0);
    g_autoptr(GVariant) boxed = column_variant(statement, 1, "v");

    if (!key || !boxed) {
        g_autofree char *detail = g_strdup_printf("journal entry %s", key ? key : "without a key");
        return database_damaged(loading->database, detail, error);
    }
    g_autoptr(GVariant) value = g_variant_get_variant(boxed);
    model_load_journal(loading->model, key, value);
    return true;
}

/* Calls each for every row of a query; *ret_n: how many. */
static bool
query(struct loading *loading, const char *sql,
      bool (*each)(struct loading *, sqlite3_stmt *, GError **), guint *ret_n, GError **error)
{
    sqlite3_stmt *statement = NULL;
    int r = sqlite3_prepare_v2(database_handle(loading->database), sql, -1, &statement, NULL);
    bool ok = true;
    guint n = 0;

    if (r == SQLITE_OK)
        while (ok && (r = sqlite3_step(statement)) == SQLITE_ROW) {
            ok = each(loading, statement, error);
            n++;
        }
    if (ok && r != SQLITE_DONE)
        ok = database_error(loading->database, "read", error);
    sqlite3_finalize(statement);
    if (ok)
        *ret_n = n;
    return ok;
}

bool
database_load(struct database *database, struct model *model, GError **error)
{
    struct loading loading = {.database = database, .model = model};
    guint n_meta, n;
    g_autoptr(GError) why = NULL;

    if (!query(&loading, "SELECT value FROM meta WHERE key = 'generation'", meta_load, &n_meta,
               error))
        return false;
    if (n_meta != 1)
        return database_damaged(database, "no generation", error);
    /* In order of creation: ids only grow. */
    if (!query(&loading, "SELECT class, ref, created, modified, fields FROM row ORDER BY id",
               row_load, &n, error) ||
        !query(&loading, "SELECT key, value FROM journal", journal_load, &n, error))
        return false;
    guint64 start = ((loading.generation >> DATABASE_EPOCH_BITS) + 1) << DATABASE_EPOCH_BITS;
    if (!FAULT_POINT("store.load.epoch", error) || !generation_write(database, start, error) ||
        !FAULT_POINT("store.load.done", error))
        return false;
    return model_load_done(model, start, &why) || database_damaged(database, why->message, error);
}
