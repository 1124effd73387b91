/* Reads the whole file into a new model.  What is on disk is not trusted: types, normal form,
 * checksums and then the model's own invariants are checked, and what is wrong is named: the first
 * fault when the daemon starts, each of them when the file is checked. */
#include "config.h"

#include "lib/error.h"
#include "lib/faults.h"
#include "lib/text.h"
#include "xapid/store/internal.h"

#define PAGE_FAULTS_MAX "100" /* that sqlite3 tells of its pages */

/* A value of `type` from its bytes, a full reference; NULL: they are none. */
static GVariant *
bytes_variant(GBytes *bytes, const char *type)
{
    g_autoptr(GVariant) value =
        g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE(type), bytes, FALSE));

    if (G_BYTE_ORDER != G_LITTLE_ENDIAN) {
        GVariant *swapped = g_variant_byteswap(value);
        g_variant_unref(value);
        value = swapped;
    }
    return g_variant_is_normal_form(value) ? g_steal_pointer(&value) : NULL;
}

/* A copy: sqlite3's memory is neither aligned for GVariant nor ours to keep. */
static GBytes *
column_bytes(sqlite3_stmt *statement, int column)
{
    return g_bytes_new(sqlite3_column_blob(statement, column),
                       (gsize)sqlite3_column_bytes(statement, column));
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
    /* NULL: the first fault is an error. */
    model_fault_fn tell;
    void *data;
    guint n_faults;
};

static void
count_fault(const struct model_fault *fault, void *data)
{
    struct loading *loading = data;

    loading->n_faults++;
    loading->tell(fault, loading->data);
}

/* True: go on. */
static bool
fault(struct loading *loading, const struct model_fault *what, GError **error)
{
    if (loading->tell) {
        count_fault(what, loading);
        return true;
    }
    g_autofree char *text = model_fault_text(what);
    return database_damaged(loading->database, text, error);
}

/* Of what is no row. */
static bool
file_fault(struct loading *loading, const char *text, GError **error)
{
    const struct model_fault what = {.cls = "", .ref = "", .uuid = "", .field = "", .what = text};

    return fault(loading, &what, error);
}

/* Of a row: whatever of it can be read. */
static bool
row_fault(struct loading *loading, const char *cls, const char *ref, GVariant *fields,
          const char *text, GError **error)
{
    struct model_fault what = {.cls = cls ? cls : "row",
                               .ref = ref ? ref : "without a reference",
                               .uuid = "",
                               .field = "",
                               .what = text};

    if (fields)
        g_variant_lookup(fields, "uuid", "&s", &what.uuid);
    return fault(loading, &what, error);
}

static bool
meta_load(struct loading *loading, sqlite3_stmt *statement, GError **error)
{
    sqlite3_int64 generation = sqlite3_column_int64(statement, 0);

    if (sqlite3_column_type(statement, 0) != SQLITE_INTEGER || generation < 0 ||
        generation >= DATABASE_GENERATION_MAX)
        return file_fault(loading, "bad generation", error);
    loading->generation = (guint64)generation;
    return true;
}

static bool
sum_differs(sqlite3_stmt *statement, int column, gint64 sum)
{
    return sqlite3_column_type(statement, column) != SQLITE_NULL &&
           sqlite3_column_int64(statement, column) != sum;
}

static bool
row_load(struct loading *loading, sqlite3_stmt *statement, GError **error)
{
    const char *cls = column_text(statement, 0), *ref = column_text(statement, 1);
    sqlite3_int64 created = sqlite3_column_int64(statement, 2);
    sqlite3_int64 modified = sqlite3_column_int64(statement, 3);
    g_autoptr(GBytes) bytes = column_bytes(statement, 4);
    g_autoptr(GVariant) fields = bytes_variant(bytes, "a{sv}");
    g_autoptr(GError) why = NULL;

    if (!cls || !ref || !fields || created < 0 || modified < created)
        return row_fault(loading, cls, ref, fields, "cannot be read", error);
    if (sum_differs(statement, 5,
                    row_sum(cls, ref, created, modified, g_bytes_get_data(bytes, NULL),
                            g_bytes_get_size(bytes))) &&
        !row_fault(loading, cls, ref, fields, "not as it was written (checksum)", error))
        return false;
    if (!model_load_row(loading->model, cls, ref, fields, (guint64)created, (guint64)modified,
                        &why))
        return row_fault(loading, cls, ref, fields, why->message, error);
    if (!loading->tell)
        return true;
    if (loading->generation && (guint64)modified > loading->generation)
        row_fault(loading, cls, ref, fields, "newer than the database", error);
    model_check_row(cls, ref, fields, count_fault, loading);
    return true;
}

static bool
journal_load(struct loading *loading, sqlite3_stmt *statement, GError **error)
{
    const char *key = column_text(statement, 0);
    g_autoptr(GBytes) bytes = column_bytes(statement, 1);
    g_autoptr(GVariant) boxed = bytes_variant(bytes, "v");
    bool whole =
        key && boxed &&
        !sum_differs(statement, 2,
                     journal_sum(key, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes)));

    if (!whole) {
        g_autofree char *detail =
            g_strdup_printf("journal entry %s: not as it was written", key ? key : "without a key");
        return file_fault(loading, detail, error);
    }
    g_autoptr(GVariant) value = g_variant_get_variant(boxed);
    model_load_journal(loading->model, key, value);
    return true;
}

/* What sqlite3 says of its own pages, "ok" alone when all is well. */
static bool
page_fault(struct loading *loading, sqlite3_stmt *statement, GError **error)
{
    const char *text = (const char *)sqlite3_column_text(statement, 0);

    if (g_strcmp0(text, "ok") == 0)
        return true;
    g_autofree char *clean = text_clean(text ? text : "cannot be checked", -1);
    return file_fault(loading, clean, error);
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

static bool
meta_query(struct loading *loading, GError **error)
{
    guint n = 0;

    return query(loading, DATABASE_GENERATION_QUERY, meta_load, &n, error) &&
           (n == 1 || file_fault(loading, "no generation", error));
}

static bool
rows_query(struct loading *loading, GError **error)
{
    guint n;

    /* In order of creation: ids only grow. */
    return query(loading, "SELECT class, ref, created, modified, fields, sum FROM row ORDER BY id",
                 row_load, &n, error);
}

static bool
journal_query(struct loading *loading, GError **error)
{
    guint n;

    return query(loading, "SELECT key, value, sum FROM journal", journal_load, &n, error);
}

static bool
pages_query(struct loading *loading, GError **error)
{
    guint n;

    return query(loading, "PRAGMA integrity_check(" PAGE_FAULTS_MAX ")", page_fault, &n, error);
}

bool
database_load(struct database *database, struct model *model, GError **error)
{
    struct loading loading = {.database = database, .model = model};
    g_autoptr(GError) why = NULL;

    if (!meta_query(&loading, error) || !rows_query(&loading, error) ||
        !journal_query(&loading, error))
        return false;
    guint64 start = ((loading.generation >> DATABASE_EPOCH_BITS) + 1) << DATABASE_EPOCH_BITS;
    if (!FAULT_POINT("store.load.epoch", error) || !generation_write(database, start, error) ||
        !FAULT_POINT("store.load.done", error))
        return false;
    return model_load_done(model, start, &why) || database_damaged(database, why->message, error);
}

guint
database_check(struct database *database, struct model *model, model_fault_fn tell, void *data)
{
    static bool (*const queries[])(struct loading *, GError **) = {pages_query, meta_query,
                                                                   rows_query, journal_query};
    struct loading loading = {.database = database, .model = model, .tell = tell, .data = data};

    for (gsize i = 0; i < G_N_ELEMENTS(queries); i++) {
        g_autoptr(GError) error = NULL;
        if (!queries[i](&loading, &error))
            file_fault(&loading, error->message, NULL);
    }
    /* It fails with the first of what the model is asked for next. */
    (void)model_load_done(model, loading.generation, NULL);
    return loading.n_faults + model_check(model, tell, data);
}
