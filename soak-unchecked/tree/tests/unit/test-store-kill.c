/* A child commits as fast as it can and tells of each commit that it heard to be durable; the
 * parent kills it at random, or lets it die or fail at each fault point, and looks at what is on
 * disk. XAPID_SOAK=n: n times as many kills. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "tests/unit/fake-store.h"
#include "xapid/store/store.h"

#define KILLS 30
#define SOAK 20      /* times as many in make soak */
#define UNDER_WAY 16 /* commits that the child does not wait for */

/* --- the child --- */

struct child {
    struct model *model;
    struct store *store;
    gint64 next, last;
    int under_way;
    bool failed, backed_up;
};

static void on_durable(const GError *error, void *data);

/* Transaction n makes three rows that belong together, takes away the disk of n - 4, and counts in
 * a field and in the journal. */
static void
child_commit(struct child *child)
{
    struct model *model = child->model;
    g_autoptr(GError) error = NULL;
    gint64 n = child->next++;
    g_autofree char *vm = g_strdup_printf("OpaqueRef:vm-%" G_GINT64_FORMAT, n);
    g_autofree char *vbd = g_strdup_printf("OpaqueRef:vbd-%" G_GINT64_FORMAT, n);
    g_autofree char *vdi = g_strdup_printf("OpaqueRef:vdi-%" G_GINT64_FORMAT, n);
    g_autofree char *old = g_strdup_printf("OpaqueRef:vdi-%" G_GINT64_FORMAT, n - 4);
    g_autofree char *count = g_strdup_printf("%" G_GINT64_FORMAT, n);
    struct txn *txn = model_begin(model, NULL);

    if (!txn) {
        child->failed = true;
        return;
    }
    txn_create(txn, cls("VM"), vm, NULL, NULL);
    txn_create(txn, cls("VDI"), vdi, NULL, NULL);
    txn_create(txn, cls("VBD"), vbd, fields_of("VM", vm, "VDI", vdi, NULL), NULL);
    txn_destroy(txn, old, NULL);
    txn_set_map_value(txn, "OpaqueRef:count", "other_config", "n", count);
    txn_journal(txn, "n", g_variant_new_int64(n));
    guint64 generation = txn_commit(txn, &error);
    if (!generation) {
        fprintf(stderr, "commit %s: %s\n", count, error->message);
        exit(9);
    }
    child->under_way++;
    model_when_durable(model, generation, on_durable, child);
}

static void
on_durable(const GError *error, void *data)
{
    struct child *child = data;

    child->under_way--;
    if (error) {
        child->failed = true;
        return;
    }
    /* One write () a line: a killed child leaves no half of one. */
    g_autofree char *line = g_strdup_printf("%" G_GINT64_FORMAT "\n", ++child->last);
    if (write(STDOUT_FILENO, line, strlen(line)) < 0)
        exit(9);
}

static void
on_backup(GObject *source, GAsyncResult *result, void *data)
{
    (void)source;
    store_backup_finish(result, NULL);
    ((struct child *)data)->backed_up = true;
}

static gint64
journal_count(const struct model *model)
{
    GVariant *n = g_hash_table_lookup(model_journal(model), "n");

    return n ? g_variant_get_int64(n) : 0;
}

/* Up to `limit` commits (0: until killed).  Exit status 0: all well; 3: it did not open; 4: a
 * commit failed, and the memory shows what it should. */
static int
child_main(const char *path, gint64 limit)
{
    struct child child = {.model = model_new()};
    g_autoptr(GError) error = NULL;
    g_autofree char *copy = g_strdup_printf("%s.copy", path);

    if (!faults_init(&error) || !(child.store = store_open(path, child.model, &error))) {
        fprintf(stderr, "%s\n", error->message);
        return 3;
    }
    if (!model_has(child.model, cls("pool"), "OpaqueRef:count")) {
        struct txn *txn = model_begin(child.model, NULL);
        txn_create(txn, cls("pool"), "OpaqueRef:count", NULL, NULL);
        txn_commit(txn, NULL);
    }
    child.last = journal_count(child.model);
    child.next = child.last + 1;
    if (limit)
        store_backup_async(child.store, copy, on_backup, &child);
    gint64 end = limit ? child.last + limit : G_MAXINT64;
    while (!child.failed && (child.last < end || !child.backed_up)) {
        while (!child.failed && child.under_way < UNDER_WAY && child.next <= end)
            child_commit(&child);
        g_main_context_iteration(NULL, TRUE);
    }
    if (child.failed && (journal_count(child.model) != child.last || model_fsck(child.model)))
        return 9;
    store_close(child.store);
    model_free(child.model);
    return child.failed ? 4 : 0;
}

/* --- the parent --- */

struct bed {
    char *directory, *path, *copy;
    gint64 acknowledged; /* the newest that the child told of */
};

static void
bed_setup(struct bed *bed, const void *data)
{
    (void)data;
    bed->directory = g_dir_make_tmp("test-store-XXXXXX", NULL);
    bed->path = g_build_filename(bed->directory, "xapid.db", NULL);
    bed->copy = g_strconcat(bed->path, ".copy", NULL);
}

static void
bed_empty(struct bed *bed)
{
    GDir *dir = g_dir_open(bed->directory, 0, NULL);
    const char *name;

    while ((name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(bed->directory, name, NULL);
        g_unlink(path);
    }
    g_dir_close(dir);
    bed->acknowledged = 0;
}

static void
bed_teardown(struct bed *bed, const void *data)
{
    (void)data;
    bed_empty(bed);
    g_assert_cmpint(g_rmdir(bed->directory), ==, 0);
    g_free(bed->directory);
    g_free(bed->path);
    g_free(bed->copy);
}

static pid_t
child_start(struct bed *bed, const char *limit, const char *fault, int *ret_out)
{
    g_autofree char *program = g_file_read_link("/proc/self/exe", NULL);
    const char *argv[] = {program, "--child", bed->path, limit, NULL};
    g_auto(GStrv) environment = g_environ_setenv(g_get_environ(), "XAPID_FAULT", fault, TRUE);
    g_autoptr(GError) error = NULL;
    GPid pid;

    g_spawn_async_with_pipes(NULL, (char **)argv, environment,
                             G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL,
                             &pid, NULL, ret_out, NULL, &error);
    g_assert_no_error(error);
    return pid;
}

/* What the child told until its end; the newest whole line counts. */
static int
child_end(struct bed *bed, pid_t pid, int out)
{
    char bytes[4096];
    gint64 number = 0;
    ssize_t n;
    int status;

    while ((n = read(out, bytes, sizeof bytes)) > 0 || (n < 0 && errno == EINTR))
        for (ssize_t i = 0; i < n; i++) {
            if (bytes[i] != '\n') {
                number = number * 10 + (bytes[i] - '0');
                continue;
            }
            g_assert_cmpint(number, >, bed->acknowledged);
            bed->acknowledged = number;
            number = 0;
        }
    close(out);
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    return status;
}

/* All that was acknowledged is there, nothing is there by halves. */
static void
assert_whole(const struct model *model, gint64 acknowledged)
{
    gint64 n = journal_count(model);

    assert_sound(model);
    g_assert_cmpint(n, >=, acknowledged);
    g_assert_cmpuint(model_count(model, cls("VM")), ==, n);
    g_assert_cmpuint(model_count(model, cls("VBD")), ==, n);
    g_assert_cmpuint(model_count(model, cls("VDI")), ==, MIN(n, 4));
    for (gint64 i = 1; i <= n; i++) {
        g_autofree char *vm = g_strdup_printf("OpaqueRef:vm-%" G_GINT64_FORMAT, i);
        g_autofree char *vbd = g_strdup_printf("OpaqueRef:vbd-%" G_GINT64_FORMAT, i);
        g_autofree char *vdi = g_strdup_printf("OpaqueRef:vdi-%" G_GINT64_FORMAT, i);
        assert_set(model, vm, "VBDs", vbd);
        g_autofree char *disk = model_get_string(model, vbd, "VDI");
        g_assert_cmpstr(disk, ==, i + 4 > n ? vdi : REF_NULL);
    }
    if (n == 0)
        return;
    g_autofree char *count = model_get_map_value(model, "OpaqueRef:count", "other_config", "n");
    g_assert_cmpint(g_ascii_strtoll(count, NULL, 10), ==, n);
}

static gint64
assert_file_whole(const char *path, gint64 acknowledged)
{
    g_autoptr(GError) error = NULL;
    struct model *model = model_new();
    struct store *store = store_open(path, model, &error);

    g_assert_no_error(error);
    assert_whole(model, acknowledged);
    gint64 n = journal_count(model);
    store_close(store);
    model_free(model);
    return n;
}

static void
test_kill(struct bed *bed, const void *data)
{
    const char *soak = g_getenv("XAPID_SOAK");
    int kills = KILLS * (soak ? MAX(1, atoi(soak)) : 1), idle = 0;
    gint64 total = 0;

    (void)data;
    g_test_message("kills of the store, sample/full: %d/%d", kills, KILLS * SOAK);
    for (int i = 0; i < kills; i++) {
        int out;
        gint64 before = bed->acknowledged;
        pid_t pid = child_start(bed, "0", "", &out);
        /* Some kills hit the opening, the others the committing. */
        struct pollfd told = {.fd = out, .events = POLLIN};
        if (i % 5 == 0)
            g_usleep((gulong)g_test_rand_int_range(1, 40) * 1000);
        else
            g_assert_cmpint(poll(&told, 1, 10000), ==, 1);
        g_usleep((gulong)g_test_rand_int_range(0, 40) * 1000);
        g_assert_cmpint(kill(pid, SIGKILL), ==, 0);
        g_assert_true(WIFSIGNALED(child_end(bed, pid, out)));
        idle += bed->acknowledged == before;
        /* Two of three times the next child finds what this one left. */
        if (i % 3 == 2)
            bed->acknowledged = assert_file_whole(bed->path, bed->acknowledged);
        if (bed->acknowledged > 5000) {
            total += assert_file_whole(bed->path, bed->acknowledged);
            bed_empty(bed);
        }
    }
    total += assert_file_whole(bed->path, bed->acknowledged);
    g_test_message("%d kills, %d of them before a commit; %" G_GINT64_FORMAT " transactions", kills,
                   idle, total);
    g_assert_cmpint(total, >, kills);
}

/* The names of the store's fault points. */
static char **
fault_points(void)
{
    g_autofree char *program = g_file_read_link("/proc/self/exe", NULL);
    const char *argv[] = {program, "--fault-points", NULL};
    g_autofree char *out = NULL;

    g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, &out, NULL,
                               NULL, NULL));
    return g_strsplit(out, "\n", -1);
}

static void
run_fault(struct bed *bed, const char *point, const char *mode, int at)
{
    g_autofree char *fault = g_strdup_printf("%s=%s@%d", point, mode, at);
    int out;
    pid_t pid = child_start(bed, "40", fault, &out);
    int status = child_end(bed, pid, out);

    g_test_message("%s: status 0x%x, %" G_GINT64_FORMAT " acknowledged", fault, (unsigned)status,
                   bed->acknowledged);
    if (g_str_equal(mode, "kill"))
        g_assert_true(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 0);
    else
        g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 9);
    if (at == 1 && !strstr(point, "probe") && !g_str_has_prefix(point, "store.upgrade"))
        g_assert_cmpint(status != 0, ==,
                        g_str_equal(mode, "kill") ||
                            (!strstr(point, "backup") && !strstr(point, "commit.done")));
    assert_file_whole(bed->path, bed->acknowledged);
    if (g_file_test(bed->copy, G_FILE_TEST_EXISTS))
        assert_file_whole(bed->copy, 0);
}

static void
test_fault_points(struct bed *bed, const void *data)
{
    static const char *const modes[] = {"kill", "error"};
    g_auto(GStrv) points = fault_points();
    guint n = 0;

    (void)data;
    for (char **point = points; *point; point++) {
        /* Those of a restore are tests/sim/test-faults.py's. */
        if (!g_str_has_prefix(*point, "store.") || g_str_has_prefix(*point, "store.prepare.") ||
            g_str_has_prefix(*point, "store.restore."))
            continue;
        *strchrnul(*point, ' ') = '\0';
        n++;
        for (size_t i = 0; i < G_N_ELEMENTS(modes); i++) {
            bed_empty(bed);
            run_fault(bed, *point, modes[i], 1);
            if (strstr(*point, "commit"))
                run_fault(bed, *point, modes[i], 7);
        }
    }
    g_assert_cmpuint(n, >=, 10);
}

int
main(int argc, char **argv)
{
    if (argc == 4 && g_str_equal(argv[1], "--child"))
        return child_main(argv[2], g_ascii_strtoll(argv[3], NULL, 10));
    if (argc == 2 && g_str_equal(argv[1], "--fault-points")) {
        faults_list();
        return 0;
    }
    g_test_init(&argc, &argv, NULL);
    if (argc == 4 &&
        g_str_equal(argv[1], "--fault")) { /* one of them, for tests/sim/test-faults.py */
        struct bed bed;

        bed_setup(&bed, NULL);
        run_fault(&bed, argv[2], argv[3], 1);
        bed_teardown(&bed, NULL);
        return 0;
    }
    g_test_add("/store-kill/kill", struct bed, NULL, bed_setup, test_kill, bed_teardown);
    g_test_add("/store-kill/fault-points", struct bed, NULL, bed_setup, test_fault_points,
               bed_teardown);
    return g_test_run();
}
