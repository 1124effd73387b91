/* The file: what is kept over a restart, what is refused and how, full disks, backups. */
#include "config.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/log.h"
#include "tests/unit/fake-store.h"
#include "xapid/store/store.h"

struct bed {
    char *directory, *path;
    struct model *model;
    struct store *store;
};

static void
bed_open(struct bed *bed)
{
    g_autoptr(GError) error = NULL;

    bed->model = model_new();
    bed->store = store_open(bed->path, bed->model, &error);
    g_assert_no_error(error);
    g_assert_nonnull(bed->store);
}

static void
bed_close(struct bed *bed)
{
    store_close(bed->store);
    assert_sound(bed->model);
    model_free(bed->model);
    bed->store = NULL;
    bed->model = NULL;
}

static void
bed_setup(struct bed *bed, const void *data)
{
    (void)data;
    bed->directory = g_dir_make_tmp("test-store-XXXXXX", NULL);
    bed->path = g_build_filename(bed->directory, "xapid.db", NULL);
    bed_open(bed);
}

static void
bed_teardown(struct bed *bed, const void *data)
{
    const char *name;

    (void)data;
    if (bed->model)
        bed_close(bed);
    GDir *dir = g_dir_open(bed->directory, 0, NULL);
    while ((name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(bed->directory, name, NULL);
        g_unlink(path);
    }
    g_dir_close(dir);
    g_assert_cmpint(g_rmdir(bed->directory), ==, 0);
    g_free(bed->directory);
    g_free(bed->path);
}

static void
test_round_trip(struct bed *bed, const void *data)
{
    struct model *model = bed->model;
    g_autofree char *vm = row_create(model, "VM", fields_of("name_label", "one", NULL));
    g_autofree char *vm2 = row_create(model, "VM", fields_of("parent", vm, NULL));
    g_autofree char *vbd = row_create(model, "VBD", fields_of("VM", vm, NULL));
    g_autofree char *gone = row_create(model, "VBD", fields_of("VM", vm, NULL));
    struct stat st;

    (void)data;
    row_set(model, vm, "other_config", g_variant_new_parsed("{'k': 'ü', 'l': ''}"));
    row_set(model, vm, "VCPUs_max", g_variant_new_int64(G_MININT64));
    row_destroy(model, gone);
    struct txn *txn = model_begin(model, NULL);
    txn_journal(txn, "op/1", g_variant_new("(sx)", "start", (gint64)7));
    txn_journal(txn, "op/2", g_variant_new_string("finished"));
    txn_commit(txn, NULL);
    txn = model_begin(model, NULL);
    txn_journal(txn, "op/2", NULL);
    guint64 last = txn_commit(txn, NULL);
    g_assert_cmpint(await(model, last), ==, 1);
    g_autoptr(GVariant) before = model_record(model, vm);
    /* What is only in memory. */
    guint64 volatile_change =
        row_set(model, vm, "allowed_operations", g_variant_new_parsed("['start']"));
    g_assert_cmpint(await(model, volatile_change), ==, 1);
    g_assert_cmpint(g_stat(bed->path, &st), ==, 0);
    g_assert_cmpint(st.st_mode & 0777, ==, 0600);
    g_autofree char *wal = g_strconcat(bed->path, "-wal", NULL);
    g_assert_cmpint(g_stat(wal, &st), ==, 0);
    g_assert_cmpint(st.st_mode & 0777, ==, 0600);
    bed_close(bed);

    bed_open(bed);
    model = bed->model;
    g_autoptr(GVariant) after = model_record(model, vm);
    g_assert_true(g_variant_equal(before, after));
    assert_set(model, vm, "VBDs", vbd);
    assert_set(model, vm, "children", vm2);
    g_assert_false(model_has(model, cls("VBD"), gone));
    g_assert_cmpuint(g_hash_table_size(model_journal(model)), ==, 1);
    g_autofree char *entry =
        g_variant_print(g_hash_table_lookup(model_journal(model), "op/1"), TRUE);
    g_assert_cmpstr(entry, ==, "('start', int64 7)");
    g_autoptr(GPtrArray) all = model_all(model, cls("VM"));
    g_assert_cmpstr(all->pdata[0], ==, vm);
    g_assert_cmpstr(all->pdata[1], ==, vm2);
    /* No generation is used twice, those of volatile changes neither. */
    g_assert_cmpuint(model_head(model), >, volatile_change);
    guint64 first = model_head(model);
    bed_close(bed);
    bed_open(bed);
    g_assert_cmpuint(model_head(bed->model), >, first);
}

/* Opening must fail with a message that names the file and holds `text`. */
static void
assert_refused(struct bed *bed, const char *text)
{
    g_autoptr(GError) error = NULL;
    struct model *model = model_new();

    g_assert_null(store_open(bed->path, model, &error));
    g_assert_nonnull(error);
    g_test_message("%s", error->message);
    g_assert_nonnull(strstr(error->message, bed->path));
    g_assert_nonnull(strstr(error->message, text));
    model_free(model);
}

static void
sql(struct bed *bed, const char *text)
{
    sqlite3 *db;

    g_assert_cmpint(sqlite3_open(bed->path, &db), ==, SQLITE_OK);
    g_assert_cmpint(sqlite3_exec(db, text, NULL, NULL, NULL), ==, SQLITE_OK);
    sqlite3_close(db);
}

static void
test_newer(struct bed *bed, const void *data)
{
    g_autofree char *before = NULL, *after = NULL;
    gsize n_before, n_after;

    (void)data;
    bed_close(bed);
    sql(bed, "PRAGMA user_version = 999");
    g_assert_true(g_file_get_contents(bed->path, &before, &n_before, NULL));
    assert_refused(bed, "newer");
    assert_refused(bed, "999");
    g_assert_true(g_file_get_contents(bed->path, &after, &n_after, NULL));
    g_assert_cmpmem(before, n_before, after, n_after);
}

static void
test_foreign(struct bed *bed, const void *data)
{
    (void)data;
    bed_close(bed);
    sql(bed, "PRAGMA application_id = 7");
    assert_refused(bed, "not a database of xapid");
    g_unlink(bed->path);
    sql(bed, "CREATE TABLE t (a)");
    assert_refused(bed, "not a database of xapid");
    g_unlink(bed->path);
    g_assert_cmpint(g_mkdir(bed->path, 0700), ==, 0);
    assert_refused(bed, "cannot be opened");
    g_rmdir(bed->path);
}

static void
test_damaged(struct bed *bed, const void *data)
{
    g_autofree char *good = NULL, *bad = NULL;
    gsize n;

    (void)data;
    for (int i = 0; i < 50; i++)
        g_free(row_create(bed->model, "VM", fields_of("name_label", "label", NULL)));
    bed_close(bed);
    g_assert_true(g_file_get_contents(bed->path, &good, &n, NULL));

    g_assert_true(
        g_file_set_contents(bed->path, "these are no objects at all, or are they", -1, NULL));
    assert_refused(bed, "damaged");
    g_assert_true(g_file_set_contents(bed->path, good, (gssize)n / 2, NULL));
    assert_refused(bed, "damaged");
    bad = g_memdup2(good, n);
    memset(bad + n - 4096, 0xa5, 4096);
    g_assert_true(g_file_set_contents(bed->path, bad, (gssize)n, NULL));
    assert_refused(bed, "damaged");
    /* And what to do is to put the good one back. */
    g_assert_true(g_file_set_contents(bed->path, good, (gssize)n, NULL));
    bed_open(bed);
    g_assert_cmpuint(model_count(bed->model, cls("VM")), ==, 50);
}

static void
test_bad_rows(struct bed *bed, const void *data)
{
    static const char *const damages[] = {
        "UPDATE row SET sum = NULL, fields = x'ffffffffff'",
        "UPDATE row SET sum = NULL, class = 'Spaceship'",
        "UPDATE row SET sum = NULL, ref = 'OpaqueRef:NULL'",
        "UPDATE row SET sum = NULL, ref = 'a' || char(1)",
        "UPDATE row SET sum = NULL, created = -1",
        "UPDATE meta SET value = 'x' WHERE key = 'generation'",
        "UPDATE meta SET value = 9223372036854775807 WHERE key = 'generation'",
        "DELETE FROM meta",
        "UPDATE row SET modified = modified + 1",
        "INSERT INTO journal (key, value) VALUES ('k', x'00')",
        /* Same uuid twice. */
        "INSERT INTO row SELECT 9, class, 'OpaqueRef:2', created, modified, fields, NULL FROM row",
        /* Its VM is not there: the type of an empty a{sv} is always right. */
        "UPDATE row SET sum = NULL, class = 'VBD', fields = x''",
        "DROP TABLE journal",
    };

    (void)data;
    g_autofree char *vm = row_create(bed->model, "VM", NULL);
    bed_close(bed);
    for (size_t i = 0; i < G_N_ELEMENTS(damages); i++) {
        g_autofree char *good = NULL;
        gsize n;
        g_assert_true(g_file_get_contents(bed->path, &good, &n, NULL));
        g_test_message("%s", damages[i]);
        sql(bed, damages[i]);
        assert_refused(bed, bed->path);
        g_assert_true(g_file_set_contents(bed->path, good, (gssize)n, NULL));
    }
    bed_open(bed);
    g_assert_true(model_has(bed->model, cls("VM"), vm));
}

static void
test_one_user(struct bed *bed, const void *data)
{
    (void)data;
    /* fcntl locks do not exclude within one process: ask from another. */
    g_autofree char *program = g_file_read_link("/proc/self/exe", NULL);
    const char *argv[] = {program, "--open", bed->path, NULL};
    g_autofree char *out = NULL;
    int status;
    g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, &out, NULL,
                               &status, NULL));
    g_assert_true(g_spawn_check_wait_status(status, NULL));
    g_assert_nonnull(strstr(out, "in use by another process"));
}

static void
test_disk_full(struct bed *bed, const void *data)
{
    struct model *model = bed->model;
    g_autofree char *vm = row_create(model, "VM", fields_of("name_label", "kept", NULL));
    struct rlimit before, low;
    g_autofree char *big = g_strnfill(200000, 'x');
    g_autoptr(GError) error = NULL;

    (void)data;
    g_assert_cmpint(await(model, model_head(model)), ==, 1);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    low = before;
    low.rlim_cur = 100000;
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &low), ==, 0);
    guint64 lost = row_set(model, vm, "name_label", g_variant_new_string(big));
    row_set(model, vm, "name_description", g_variant_new_string("after it"));
    g_assert_cmpint(await(model, lost), ==, -1);
    setrlimit(RLIMIT_FSIZE, &before);
    /* Undone, said, and refused until the disk has room again. */
    g_autofree char *label = model_get_string(model, vm, "name_label");
    g_autofree char *description = model_get_string(model, vm, "name_description");
    g_assert_cmpstr(label, ==, "kept");
    g_assert_cmpstr(description, ==, "");
    g_assert_null(model_begin(model, &error));
    g_assert_nonnull(strstr(error->message, bed->path));
    while (!model_is_writable(model))
        g_main_context_iteration(NULL, TRUE);
    guint64 fine = row_set(model, vm, "name_label", g_variant_new_string("again"));
    g_assert_cmpint(await(model, fine), ==, 1);
    bed_close(bed);
    bed_open(bed);
    g_autofree char *again = model_get_string(bed->model, vm, "name_label");
    g_assert_cmpstr(again, ==, "again");
}

static void
on_backup(GObject *source, GAsyncResult *result, void *data)
{
    (void)source;
    *(GAsyncResult **)data = g_object_ref(result);
}

static void
test_backup(struct bed *bed, const void *data)
{
    enum { ROWS = 3000 };
    g_autofree char *copy = g_build_filename(bed->directory, "copy.db", NULL);
    g_autofree char *partial = g_strconcat(copy, ".partial", NULL);
    g_autoptr(GError) error = NULL;
    GAsyncResult *result = NULL;
    guint n = 0;

    (void)data;
    struct txn *txn = model_begin(bed->model, NULL);
    for (int i = 0; i < ROWS; i++)
        txn_create(txn, cls("VM"), NULL, fields_of("name_label", "before", NULL), NULL);
    txn_commit(txn, NULL);
    await(bed->model, model_head(bed->model));
    store_backup_async(bed->store, copy, on_backup, &result);
    /* Commits go on meanwhile. */
    while (!result) {
        g_free(row_create(bed->model, "VDI", NULL));
        n++;
        await(bed->model, model_head(bed->model));
    }
    g_assert_true(store_backup_finish(result, &error));
    g_assert_no_error(error);
    g_clear_object(&result);
    g_assert_false(g_file_test(partial, G_FILE_TEST_EXISTS));
    store_backup_async(bed->store, copy, on_backup, &result);
    while (!result)
        g_main_context_iteration(NULL, TRUE);
    g_assert_false(store_backup_finish(result, &error));
    g_assert_nonnull(strstr(error->message, copy));
    g_clear_error(&error);
    g_clear_object(&result);

    struct model *model = model_new();
    struct store *store = store_open(copy, model, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(model_count(model, cls("VM")), ==, ROWS);
    g_assert_cmpuint(model_count(model, cls("VDI")), <=, n);
    g_test_message("%u commits meanwhile, %u in the copy", n, model_count(model, cls("VDI")));
    store_close(store);
    model_free(model);
}

/* What is handed over is on disk after store_close (), and who waits hears of it. */
static void
test_close(struct bed *bed, const void *data)
{
    int state = 0;
    g_autoptr(GError) error = NULL;

    (void)data;
    for (int i = 0; i < 500; i++)
        g_free(row_create(bed->model, "VM", NULL));
    model_when_durable(bed->model, model_head(bed->model), note_durable, &state);
    store_close(bed->store);
    g_assert_cmpint(state, ==, 1);
    g_assert_null(model_begin(bed->model, &error));
    model_free(bed->model);
    bed_open(bed);
    g_assert_cmpuint(model_count(bed->model, cls("VM")), ==, 500);
}

static int
open_only(const char *path)
{
    g_autoptr(GError) error = NULL;
    struct model *model = model_new();
    struct store *store = store_open(path, model, &error);

    printf("%s\n", store ? "opened" : error->message);
    store_close(store);
    model_free(model);
    return 0;
}

#define add(name, function)                                                                        \
    g_test_add("/store/" name, struct bed, NULL, bed_setup, function, bed_teardown)

int
main(int argc, char **argv)
{
    if (argc == 3 && g_str_equal(argv[1], "--open"))
        return open_only(argv[2]);
    log_init("test-store", LOG_LEVEL_INFO);
    g_test_init(&argc, &argv, NULL);
    add("round-trip", test_round_trip);
    add("newer", test_newer);
    add("foreign", test_foreign);
    add("damaged", test_damaged);
    add("bad-rows", test_bad_rows);
    add("one-user", test_one_user);
    add("disk-full", test_disk_full);
    add("backup", test_backup);
    add("close", test_close);
    return g_test_run();
}
