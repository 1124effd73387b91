/* A database on a disk of tests, under random transactions: what was committed in which order and
 * acknowledged when, and whether what a disk holds later is what it may be.
 *
 * The store's thread is left out, so that a seed tells all that happens: the ledger takes what the
 * model hands over, and writes it in batches, as writer.c does. */
#ifndef XAPID_TESTS_LEDGER_H
#define XAPID_TESTS_LEDGER_H

#include "tests/unit/disk.h"
#include "xapid/store/database.h"

#define LEDGER_NEVER G_MAXUINT

/* What the database held after a transaction, or when it was opened. */
struct ledger_entry {
    guint64 generation;
    char *print;               /* of all rows and the journal */
    guint begun, acknowledged; /* operations of the disk's log; LEDGER_NEVER */
};

struct ledger {
    struct disk *disk;
    GRand *random;
    struct model *model;
    struct database *database;
    GPtrArray *waiting; /* struct model_changes */
    GArray *entries;    /* struct ledger_entry */
    guint number;       /* of transactions */
    int checkpoint;     /* pages in the log until it is copied into the file */
};

struct ledger *ledger_new(struct disk *disk, GRand *random);
void ledger_free(struct ledger *ledger);

/* Opens and loads it.  What it holds must be what it may hold, and is acknowledged now. */
bool ledger_open(struct ledger *ledger, GError **error);
void ledger_close(struct ledger *ledger);
/* A random transaction, applied in memory. */
void ledger_change(struct ledger *ledger);
/* All that waits, in one batch.  False: it was refused, and is undone in memory. */
bool ledger_write(struct ledger *ledger, GError **error);
/* n transactions in one batch. */
bool ledger_commit(struct ledger *ledger, guint n, GError **error);

/* What is wrong when power is cut after `position` operations of the log, and the disk then has
 * these files (borrowed); NULL: nothing.  The caller frees.  The disk must not be recording. */
char *ledger_violation(struct ledger *ledger, GHashTable *image, guint position);

#endif
