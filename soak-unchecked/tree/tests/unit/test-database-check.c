/* What a check of the file finds: each kind of fault by name, and any bit that has flipped.
 * XAPID_SOAK=n: n times as many flips. */
#include "config.h"

#include <glib/gstdio.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "tests/unit/fake-store.h"
#include "tests/unit/random-rows.h"
#include "tests/unit/remove-tree.h"
#include "xapid/store/database.h"
#include "xapid/store/store.h"

#define FLIPS 200

struct bed {
    char *directory, *path;
    char *vm, *vdi; /* of the rows with known values */
};

/* A database with what `fill` makes, closed. */
static void
database_make(struct bed *bed, void (*fill)(struct bed *bed, struct model *model))
{
    g_autoptr(GError) error = NULL;
    struct model *model = model_new();
    struct store *store = store_open(bed->path, model, &error);

    g_assert_no_error(error);
    fill(bed, model);
    store_close(store);
    model_free(model);
}

static void
fill_known(struct bed *bed, struct model *model)
{
    g_free(bed->vm);
    g_free(bed->vdi);
    bed->vm = row_create(model, "VM", fields_of("name_label", "one", NULL));
    bed->vdi = row_create(model, "VDI", fields_of("name_label", "disk", NULL));
    g_free(row_create(model, "VBD", fields_of("VM", bed->vm, "VDI", bed->vdi, NULL)));
    struct txn *txn = model_begin(model, NULL);
    txn_journal(txn, "op/1", g_variant_new_string("begun"));
    g_assert_cmpuint(txn_commit(txn, NULL), !=, 0);
}

static void
fill_random(struct bed *bed, struct model *model)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(7);

    (void)bed;
    random_rows(model, random, 2, NULL);
}

static void
bed_setup(struct bed *bed, const void *data)
{
    (void)data;
    bed->directory = g_dir_make_tmp("test-database-check-XXXXXX", NULL);
    bed->path = g_build_filename(bed->directory, "xapid.db", NULL);
}

static void
bed_teardown(struct bed *bed, const void *data)
{
    (void)data;
    remove_tree(bed->directory);
    g_free(bed->directory);
    g_free(bed->path);
    g_free(bed->vm);
    g_free(bed->vdi);
}

static void
append(const struct model_fault *fault, void *data)
{
    g_autofree char *text = model_fault_text(fault);

    g_string_append_printf(data, "%s [%s]\n", text, fault->uuid);
}

/* What the check says; *ret_model (may be NULL) is what could be loaded. */
static char *
check(struct bed *bed, guint *ret_n, struct model **ret_model)
{
    g_autoptr(GError) error = NULL;
    struct database *database = database_open_damaged(bed->path, &error);
    GString *told = g_string_new(NULL);
    struct model *model = model_new();

    if (!database) {
        *ret_n = 1;
        g_string_append(told, error->message);
    } else {
        *ret_n = database_check(database, model, append, told);
    }
    database_close(database);
    if (ret_model)
        *ret_model = model;
    else
        model_free(model);
    return g_string_free(told, FALSE);
}

static void
sql(struct bed *bed, const char *text)
{
    sqlite3 *db;
    char *message = NULL;

    g_assert_cmpint(sqlite3_open(bed->path, &db), ==, SQLITE_OK);
    sqlite3_exec(db, text, NULL, NULL, &message);
    g_assert_cmpstr(message, ==, NULL);
    sqlite3_close(db);
}

static void
test_sound(struct bed *bed, const void *data)
{
    guint n;

    (void)data;
    database_make(bed, fill_random);
    g_autofree char *told = check(bed, &n, NULL);
    g_assert_cmpstr(told, ==, "");
    g_assert_cmpuint(n, ==, 0);
}

/* Each fault is told with the others, and names class, reference, uuid and field. */
static void
test_named(struct bed *bed, const void *data)
{
    static const struct {
        const char *sql, *told;
    } faults[] = {
        {"UPDATE row SET modified = modified + 1 WHERE class = 'VM'", "checksum"},
        {"UPDATE row SET fields = x'ffff', sum = NULL WHERE class = 'VM'", "cannot be read"},
        {"DELETE FROM row WHERE class = 'VM'", ": VM: "},
        {"UPDATE row SET class = 'VDI', sum = NULL WHERE class = 'VM'", ": VM: "},
        {"UPDATE row SET class = 'Spaceship', sum = NULL WHERE class = 'VM'", "unknown class"},
        {"UPDATE row SET class = 'VIF_metrics', sum = NULL WHERE class = 'VDI'",
         "none that is kept"},
        {"UPDATE row SET modified = 1 << 61, sum = NULL WHERE class = 'VM'",
         "newer than the database"},
        {"UPDATE row SET sum = sum + 1 WHERE class = 'VDI'", "VDI OpaqueRef:"},
        {"UPDATE row SET sum = sum + 1", "VBD OpaqueRef:"},
        {"UPDATE journal SET value = x'636263000073'", "journal entry op/1"},
        {"UPDATE journal SET key = 'op/2'", "journal entry op/2"},
        {"UPDATE meta SET value = -1 WHERE key = 'generation'", "bad generation"},
        {"DELETE FROM meta", "no generation"},
    };
    g_autofree char *good = NULL;
    gsize size;
    guint n;

    (void)data;
    database_make(bed, fill_known);
    g_assert_true(g_file_get_contents(bed->path, &good, &size, NULL));
    for (size_t i = 0; i < G_N_ELEMENTS(faults); i++) {
        g_assert_true(g_file_set_contents(bed->path, good, (gssize)size, NULL));
        sql(bed, faults[i].sql);
        g_autofree char *told = check(bed, &n, NULL);
        g_test_message("%s\n%s", faults[i].sql, told);
        g_assert_nonnull(strstr(told, faults[i].told));
        g_assert_cmpuint(n, >, 0);
    }
    /* Two at once. */
    g_assert_true(g_file_set_contents(bed->path, good, (gssize)size, NULL));
    sql(bed, "UPDATE row SET sum = 7 WHERE class IN ('VM', 'VDI')");
    g_autofree char *told = check(bed, &n, NULL);
    g_assert_nonnull(strstr(told, bed->vm));
    g_assert_nonnull(strstr(told, bed->vdi));
    /* What refers to them is not wrong for that. */
    g_assert_cmpuint(n, ==, 2);
}

/* A database of version 1 has no checksums: it is upgraded, and sound. */
static void
test_version_1(struct bed *bed, const void *data)
{
    guint n;

    (void)data;
    database_make(bed, fill_known);
    sql(bed, "ALTER TABLE row DROP COLUMN sum; ALTER TABLE journal DROP COLUMN sum;"
             "PRAGMA user_version = 1");
    g_autofree char *told = check(bed, &n, NULL);
    g_assert_cmpstr(told, ==, "");
    database_make(bed, fill_known);
    g_autofree char *again = check(bed, &n, NULL);
    g_assert_cmpstr(again, ==, "");
}

/* However a bit of the file flips: no crash, and no "sound" for rows that are not those that were
 * written. */
static void
test_flips(struct bed *bed, const void *data)
{
    const char *soak = g_getenv("XAPID_SOAK");
    guint flips = FLIPS * (soak ? (guint)MAX(atoi(soak), 1) : 1), told_faults = 0, n;
    g_autoptr(GRand) random = g_rand_new_with_seed(20261127);
    g_autofree char *good = NULL, *none = NULL;
    struct model *before;
    gsize size;

    (void)data;
    database_make(bed, fill_random);
    none = check(bed, &n, &before);
    g_assert_cmpuint(n, ==, 0);
    g_assert_true(g_file_get_contents(bed->path, &good, &size, NULL));
    for (guint i = 0; i < flips; i++) {
        g_autofree char *bad = g_memdup2(good, size);
        gsize at = (gsize)g_rand_int_range(random, 0, (gint32)size);
        struct model *after;

        bad[at] = (char)(bad[at] ^ 1 << g_rand_int_range(random, 0, 8));
        g_assert_true(g_file_set_contents(bed->path, bad, (gssize)size, NULL));
        g_autofree char *told = check(bed, &n, &after);
        if (n)
            told_faults++;
        else
            assert_same_rows(before, after);
        model_free(after);
    }
    model_free(before);
    g_test_message("%u of %u flips told; the others changed no row", told_faults, flips);
    g_assert_cmpuint(told_faults, >, flips / 4);
}

#define add(name, function)                                                                        \
    g_test_add("/database-check/" name, struct bed, NULL, bed_setup, function, bed_teardown)

int
main(int argc, char **argv)
{
    log_init("test-database-check", LOG_LEVEL_INFO);
    g_test_init(&argc, &argv, NULL);
    add("sound", test_sound);
    add("named", test_named);
    add("version-1", test_version_1);
    add("flips", test_flips);
    return g_test_run();
}
