/* A disk that fails at each of the store's calls to it: what is refused says why, what was
 * acknowledged stays, and with a disk that works again all goes on, in one process or the next.
 * XAPID_SOAK=n: n times as often. */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/error.h"
#include "tests/unit/fake-store.h"
#include "tests/unit/ledger.h"
#include "tests/unit/power-cut.h"
#include "xapid/store/store.h"

#define SOAK 20 /* times as often in make soak */
#define BATCHES 12
#define STEPS_MAX 100 /* tries in one run, all together */
#define PATIENCE 3    /* tries that a lasting failure outlives */
#define CLOSE 5       /* acknowledgements after a refusal, at which the power is cut */
#define CUTS 4        /* states after a power cut of each run */

struct failing {
    unsigned calls;
    int error;
    bool lasting;
    const char *said; /* in each refusal */
    guint least;      /* calls of one run */
};

struct run {
    const struct failing *failing;
    GRand *random;
    struct disk *disk;
    struct ledger *ledger;
    guint patience;
    guint close[CLOSE], n_close; /* operations of the disk's log */
    bool was_refused;
    guint n_calls, n_refused, n_states, n_violations;
};

/* A refusal names the file and the reason, and nobody is told to put a backup in the place of a
 * database that is whole. */
static void
refused(struct run *run, GError *error)
{
    g_test_message("%s", error->message);
    g_assert_nonnull(strstr(error->message, run->disk->path));
    g_assert_null(strstr(error->message, "damaged"));
    g_assert_nonnull(strstr(error->message, run->failing->said));
    g_assert_cmpuint(run->disk->n_failed, >, 0);
    run->n_refused++;
    run->was_refused = true;
    if (run->patience > 0 && --run->patience == 0)
        disk_mend(run->disk);
    g_error_free(error);
}

/* Something was acknowledged: all of it is on the disk, with whatever it stands on. */
static void
acknowledged(struct run *run)
{
    if (run->was_refused && run->n_close < CLOSE)
        run->close[run->n_close++] = run->disk->log->len;
}

/* Until it is open, if the disk lets it be. */
static void
open_again(struct run *run)
{
    GError *error = NULL;

    for (int i = 0; i < STEPS_MAX && !ledger_open(run->ledger, &error); i++) {
        refused(run, error);
        error = NULL;
    }
    g_assert_nonnull(run->ledger->model);
    acknowledged(run);
}

static void
probe_until_good(struct run *run)
{
    GError *error = NULL;

    for (int i = 0; i < STEPS_MAX && !database_probe(run->ledger->database, &error); i++) {
        refused(run, error);
        error = NULL;
    }
    model_set_writable(run->ledger->model);
}

static void
start_anew(struct run *run, bool killed)
{
    if (killed)
        disk_kill(run->disk);
    ledger_close(run->ledger);
    open_again(run);
}

/* Of all the ways on after a refusal. */
static void
go_on(struct run *run)
{
    int dice = g_rand_int_range(run->random, 0, 6);

    g_assert_false(model_is_writable(run->ledger->model));
    if (dice < 2)
        probe_until_good(run);
    else
        start_anew(run, dice > 2);
}

static void
commit(struct run *run, guint n)
{
    GError *error = NULL;

    for (int i = 0; i < STEPS_MAX && !ledger_commit(run->ledger, n, &error); i++) {
        refused(run, error);
        error = NULL;
        go_on(run);
    }
    g_assert_no_error(error);
    acknowledged(run);
}

static void
cut_here(struct run *run, struct power_cut *cut, enum power_cut_kind kind)
{
    g_autoptr(GHashTable) image = power_cut_image(cut, kind);
    guint position = power_cut_position(cut);
    g_autofree char *why = ledger_violation(run->ledger, image, position);

    run->n_states++;
    if (!why)
        return;
    g_test_message("after %u of %u operations: %s", position, run->disk->log->len, why);
    run->n_violations++;
}

/* The power is cut afterwards, or was in between. */
static void
look(struct run *run)
{
    guint length = run->disk->log->len, next_close = 0, next = 0;
    struct power_cut *cut = power_cut_new(run->disk, 0, NULL, run->random);

    while (power_cut_next(cut)) {
        guint position = power_cut_position(cut);
        if (next_close < run->n_close && position == run->close[next_close]) {
            cut_here(run, cut, POWER_CUT_NOTHING);
            while (next_close < run->n_close && run->close[next_close] == position)
                next_close++;
        }
        if (position == length)
            cut_here(run, cut, POWER_CUT_NOTHING);
        if (position < next)
            continue;
        cut_here(run, cut, POWER_CUT_RANDOM);
        next = position + 1 + (guint)g_rand_int_range(run->random, 0, 2 * (gint32)length / CUTS);
    }
    power_cut_free(cut);
}

/* With the `at`th call failing.  False: there are not so many. */
static bool
run_at(struct run *run, guint64 at)
{
    run->was_refused = false;
    run->n_close = 0;
    run->disk = disk_new(run->random);
    run->ledger = ledger_new(run->disk, run->random);
    run->ledger->checkpoint = 15;
    open_again(run);
    commit(run, 3);
    commit(run, 1);
    ledger_close(run->ledger);
    run->patience = run->failing->lasting ? PATIENCE : 0;
    disk_fail(run->disk, run->failing->calls, at, run->failing->error, run->failing->lasting);
    open_again(run);
    for (guint i = 0; i < BATCHES; i++) {
        commit(run, i % 3 == 2 ? 3 : 1);
        if (i == BATCHES / 2)
            start_anew(run, g_rand_boolean(run->random));
    }
    bool failed = run->disk->n_failed > 0;
    disk_mend(run->disk);
    commit(run, 1);
    run->disk->recording = false;
    ledger_close(run->ledger);
    look(run);
    ledger_free(run->ledger);
    disk_free(run->disk);
    return failed;
}

static void
test_every_call(const void *data)
{
    struct run run = {.failing = data, .random = g_rand_new_with_seed((guint32)g_test_rand_int())};
    const char *soak = g_getenv("XAPID_SOAK");
    int times = soak ? MAX(1, atoi(soak)) : 1;

    g_test_message("each call of the store to its disk fails, sample/full: %d/%d times", times,
                   SOAK);
    for (int i = 0; i < times; i++) {
        guint64 at = 1;
        while (run_at(&run, at))
            at++;
        g_assert_cmpuint(at, >, run.failing->least);
        run.n_calls += (guint)at - 1;
    }
    g_test_message("%u calls failed, %u refusals, %u states after a power cut, %u violations",
                   run.n_calls, run.n_refused, run.n_states, run.n_violations);
    g_assert_cmpuint(run.n_refused, >, run.n_calls / 4);
    g_assert_cmpuint(run.n_violations, ==, 0);
    g_rand_free(run.random);
}

/* --- the store, its thread and its probes --- */

static void
assert_label(const struct model *model, const char *vm, const char *expected)
{
    g_autofree char *label = model_get_string(model, vm, "name_label");

    g_assert_cmpstr(label, ==, expected);
}

static void
assert_label_after_power_cut(struct disk *disk, GRand *random, const char *vm, const char *expected)
{
    struct power_cut *cut = power_cut_new(disk, 0, NULL, random);
    g_autoptr(GError) error = NULL;
    struct model *model = model_new();

    while (power_cut_next(cut))
        ;
    g_autoptr(GHashTable) image = power_cut_image(cut, POWER_CUT_NOTHING);
    disk_kill(disk);
    disk->recording = false;
    disk_show(disk, image);
    struct database *database = database_open(disk->path, &error);
    g_assert_no_error(error);
    database_load(database, model, &error);
    g_assert_no_error(error);
    assert_label(model, vm, expected);
    database_close(database);
    model_free(model);
    power_cut_free(cut);
}

static void
test_store(const void *data)
{
    const struct failing *failing = data;
    GRand *random = g_rand_new_with_seed((guint32)g_test_rand_int());
    struct disk *disk = disk_new(random);
    struct model *model = model_new();
    g_autoptr(GError) error = NULL;
    struct store *store = store_open(disk->path, model, &error);

    g_assert_no_error(error);
    g_autofree char *vm = row_create(model, "VM", fields_of("name_label", "before", NULL));
    g_assert_cmpint(await(model, model_head(model)), ==, 1);
    disk_fail(disk, failing->calls, 1, failing->error, failing->lasting);
    guint64 lost = row_set(model, vm, "name_label", g_variant_new_string("lost"));
    row_set(model, vm, "name_label", g_variant_new_string("lost with it"));
    g_assert_cmpint(await(model, lost), ==, -1);
    /* Reads go on, and so does what is kept in memory alone; changes are refused. */
    assert_label(model, vm, "before");
    txn_abort(model_begin_volatile(model));
    g_assert_null(model_begin(model, &error));
    g_test_message("%s", error->message);
    g_assert_nonnull(strstr(error->message, disk->path));
    g_assert_nonnull(strstr(error->message, failing->said));
    disk_mend(disk);
    while (!model_is_writable(model))
        g_main_context_iteration(NULL, TRUE);
    guint64 kept = row_set(model, vm, "name_label", g_variant_new_string("after"));
    g_assert_cmpint(await(model, kept), ==, 1);
    assert_label_after_power_cut(disk, random, vm, "after");
    store_close(store);
    model_free(model);
    disk_free(disk);
    g_rand_free(random);
}

int
main(int argc, char **argv)
{
    static const struct failing once = {DISK_CHANGES, EIO, false, "Input/output error", 100};
    static const struct failing syncs = {DISK_SYNC, EIO, true, "Input/output error", 20};
    static const struct failing read_only = {DISK_CHANGES, EROFS, true, "Read-only file system",
                                             100};
    static const struct failing full = {DISK_WRITE, ENOSPC, true, "full", 80};
    static const struct failing reads = {DISK_READ, EIO, false, "Input/output error", 20};

    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/disk-errors/once", &once, test_every_call);
    g_test_add_data_func("/disk-errors/syncs", &syncs, test_every_call);
    g_test_add_data_func("/disk-errors/read-only", &read_only, test_every_call);
    g_test_add_data_func("/disk-errors/full", &full, test_every_call);
    g_test_add_data_func("/disk-errors/reads", &reads, test_every_call);
    g_test_add_data_func("/disk-errors/store/read-only", &read_only, test_store);
    g_test_add_data_func("/disk-errors/store/syncs", &syncs, test_store);
    return g_test_run();
}
