/* Power loss at every write: what the store does to its files in many commits is recorded, and
 * whatever a power cut may leave of it is loaded.  XAPID_SOAK=n: n times as many states. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "tests/unit/ledger.h"
#include "tests/unit/power-cut.h"

#define STATES 10000
#define SOAK 10         /* times as many in make soak */
#define STATES_RUN 2500 /* of one recorded run */
#define BATCHES 90
#define TWISTED 300 /* states of a disk or a store that is wrong */

struct bed {
    GRand *random;
    struct disk *disk;
    struct ledger *ledger;
    GHashTable *seen; /* the digests of states */
    guint n_commits, n_violations;
};

static void
sql(struct bed *bed, const char *text)
{
    sqlite3 *db = database_handle(bed->ledger->database);

    g_assert_cmpint(sqlite3_exec(db, text, NULL, NULL, NULL), ==, SQLITE_OK);
}

static void
begin(struct bed *bed, const char *settings)
{
    g_autoptr(GError) error = NULL;

    ledger_open(bed->ledger, &error);
    g_assert_no_error(error);
    /* Smaller than usual, so that the log is cut, too. */
    sql(bed, "PRAGMA journal_size_limit = 50000");
    sql(bed, settings);
}

/* Commits of one transaction and of many, ends and deaths. */
static void
bed_setup(struct bed *bed, const char *settings)
{
    g_autoptr(GError) error = NULL;

    bed->random = g_rand_new_with_seed((guint32)g_test_rand_int());
    bed->disk = disk_new(bed->random);
    bed->ledger = ledger_new(bed->disk, bed->random);
    bed->seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    begin(bed, settings);
    for (guint i = 0; i < BATCHES; i++) {
        bool group = g_rand_int_range(bed->random, 0, 3) == 0;
        guint n = group ? (guint)g_rand_int_range(bed->random, 2, 9) : 1;
        ledger_commit(bed->ledger, n, &error);
        g_assert_no_error(error);
        bed->n_commits += n;
        if (i % 25 == 10) {
            database_probe(bed->ledger->database, &error);
            g_assert_no_error(error);
        }
        if (i % 40 == 20) {
            if (i % 80 == 20)
                disk_kill(bed->disk);
            ledger_close(bed->ledger);
            begin(bed, settings);
        }
    }
    ledger_close(bed->ledger);
    bed->disk->recording = false;
}

static void
bed_teardown(struct bed *bed)
{
    ledger_free(bed->ledger);
    disk_free(bed->disk);
    g_hash_table_unref(bed->seen);
    g_rand_free(bed->random);
}

static int
compare_texts(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Whether it is new. */
static bool
see(struct bed *bed, GHashTable *image)
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA1);
    guint n;
    g_autofree char **names = (char **)g_hash_table_get_keys_as_array(image, &n);

    qsort(names, n, sizeof *names, compare_texts);
    for (guint i = 0; i < n; i++) {
        const GByteArray *bytes = g_hash_table_lookup(image, names[i]);
        g_checksum_update(checksum, (const guchar *)names[i], -1);
        g_checksum_update(checksum, bytes->data, bytes->len);
    }
    return g_hash_table_add(bed->seen, g_strdup(g_checksum_get_string(checksum)));
}

/* Loads one state, unless it was seen. */
static void
look(struct bed *bed, struct power_cut *cut, enum power_cut_kind kind)
{
    g_autoptr(GHashTable) image = power_cut_image(cut, kind);

    if (!see(bed, image))
        return;
    guint position = power_cut_position(cut);
    g_autofree char *why = ledger_violation(bed->ledger, image, position);
    if (!why)
        return;
    if (bed->n_violations++ < 3)
        g_test_message("after %u of %u operations, state of kind %d: %s", position,
                       bed->disk->log->len, kind, why);
}

/* After each operation: all that was written, whole and torn, nothing but what was synced, and a
 * random part; then more random ones until there were so many states. */
static void
replay(struct bed *bed, guint states)
{
    for (int round = 0; g_hash_table_size(bed->seen) < states; round++) {
        guint before = g_hash_table_size(bed->seen);
        struct power_cut *cut = power_cut_new(bed->disk, 0, NULL, bed->random);
        while (power_cut_next(cut) && (round == 0 || g_hash_table_size(bed->seen) < states))
            for (int kind = 0; kind < POWER_CUT_KINDS; kind++)
                if (round == 0 || kind == POWER_CUT_RANDOM || kind == POWER_CUT_TORN)
                    look(bed, cut, kind);
        power_cut_free(cut);
        g_assert_cmpuint(g_hash_table_size(bed->seen), >, before);
    }
}

static void
test_power_loss(void)
{
    const char *soak = g_getenv("XAPID_SOAK");
    guint states = STATES * (guint)(soak ? MAX(1, atoi(soak)) : 1), done = 0, commits = 0, ops = 0;
    guint violations = 0;

    g_test_message("states after a power cut, sample/full: %u/%u", states, STATES * SOAK);
    while (done < states) {
        struct bed bed = {0};
        bed_setup(&bed, "");
        replay(&bed, STATES_RUN);
        done += g_hash_table_size(bed.seen);
        commits += bed.n_commits;
        ops += bed.disk->log->len;
        violations += bed.n_violations;
        bed_teardown(&bed);
    }
    g_test_message("%u states, %u operations, %u transactions, %u violations", done, ops, commits,
                   violations);
    g_assert_cmpuint(violations, ==, 0);
}

/* What the test is for is found. */

static void
assert_violated(struct bed *bed, unsigned ignored, const char *suffix)
{
    struct power_cut *cut = power_cut_new(bed->disk, ignored, suffix, bed->random);

    while (power_cut_next(cut) && g_hash_table_size(bed->seen) < TWISTED)
        look(bed, cut, POWER_CUT_RANDOM);
    power_cut_free(cut);
    g_test_message("%u violations in %u states", bed->n_violations, g_hash_table_size(bed->seen));
    g_assert_cmpuint(bed->n_violations, >, 0);
    bed_teardown(bed);
}

static void
test_without_syncs(void)
{
    struct bed bed = {0};

    bed_setup(&bed, "PRAGMA synchronous = OFF");
    assert_violated(&bed, 0, NULL);
}

static void
test_lying_disk(const void *data)
{
    struct bed bed = {0};

    bed_setup(&bed, "");
    assert_violated(&bed, DISK_SYNC, data);
}

static void
test_lying_folder(void)
{
    struct bed bed = {0};

    bed_setup(&bed, "");
    assert_violated(&bed, DISK_SYNC_FOLDER, NULL);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/power-loss/states", test_power_loss);
    g_test_add_func("/power-loss/finds/without-syncs", test_without_syncs);
    g_test_add_data_func("/power-loss/finds/log-not-synced", "-wal", test_lying_disk);
    g_test_add_data_func("/power-loss/finds/file-not-synced", ".db", test_lying_disk);
    g_test_add_func("/power-loss/finds/folder-not-synced", test_lying_folder);
    return g_test_run();
}
