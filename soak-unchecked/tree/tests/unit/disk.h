/* A disk in memory, which sqlite3 takes for the file system: keeps a log of what was done to it,
 * and fails when it is told to.  As the default file system of sqlite3 under Linux does, the first
 * sync of a new journal or write-ahead log syncs the folder, too.
 *
 * One at a time; one thread at a time, but for disk_fail () and disk_mend (). */
#ifndef XAPID_TESTS_DISK_H
#define XAPID_TESTS_DISK_H

#include <glib.h>
#include <stdbool.h>

enum disk_call {
    DISK_OPEN = 1 << 0, /* makes the file when there is none */
    DISK_READ = 1 << 1,
    DISK_WRITE = 1 << 2,
    DISK_TRUNCATE = 1 << 3,
    DISK_SYNC = 1 << 4,
    DISK_SYNC_FOLDER = 1 << 5,
    DISK_DELETE = 1 << 6,
    DISK_CHANGES = DISK_OPEN | DISK_WRITE | DISK_TRUNCATE | DISK_SYNC | DISK_DELETE,
};

/* What changed something, or was to. */
struct disk_op {
    enum disk_call call;
    bool failed;   /* a sync, after which nobody knows what is on the disk */
    guint file;    /* its number: a name that was deleted and made again is another file */
    char *name;    /* of open and delete */
    gint64 offset; /* of a write; of a truncate: the size */
    GBytes *bytes; /* of a write */
};

struct disk {
    char *path;      /* where the store is to make its database */
    GArray *log;     /* struct disk_op */
    bool recording;  /* from the beginning on */
    guint64 n_calls; /* since disk_fail () */
    guint n_failed;  /* of these */
    struct disk_parts *parts;
};

/* Empty, and sqlite3's until it is freed. */
struct disk *disk_new(GRand *random);
void disk_free(struct disk *disk);

/* The `at`th of these calls (a mask) from now on fails, counted from 1, with errno `error`;
 * lasting: so do all that follow until disk_mend ().  A write that fails has written a part of it,
 * and after a failed sync everything is read as it was written.  at 0: counts alone. */
void disk_fail(struct disk *disk, unsigned calls, guint64 at, int error, bool lasting);
void disk_mend(struct disk *disk);
/* Who has the database open has died: until it is opened again nothing is done. */
void disk_kill(struct disk *disk);

/* Name -> GByteArray.  The files as they are read now are replaced by these (borrowed). */
void disk_show(struct disk *disk, GHashTable *files);
/* The names of a log's files by number, for whom replays it: "" a temporary one. */
guint disk_n_files(const struct disk *disk);

#endif
