/* xapid-db: looks after the database of a xapid that does not run.
 *
 * Each command takes the path of a database, prints what it found, and returns the exit code.  What
 * is only read is read from a private copy, for even opening a database that was left in the middle
 * of something writes to it. */
#ifndef XAPID_DB_DB_H
#define XAPID_DB_DB_H

#include <glib.h>
#include <stdbool.h>

enum db_exit { DB_DONE, DB_FAILED, DB_USAGE };

/* fsck.c: every fault on standard output. */
int db_fsck(const char *path);
/* dump.c: the whole as a dump (xapid/dump/dump.h) on standard output. */
int db_dump(const char *path);
/* restore.c: makes it what the dump on standard input says; dry_run: only checks that it could. */
int db_restore(const char *path, bool dry_run);
/* main.c: says on standard error what went wrong; DB_FAILED. */
int db_failed(const GError *error);

/* copy.c: a database and its write-ahead log in a folder of their own. */
struct copy {
    char *directory, *path;
};
/* Fails when a process has the database open. */
bool copy_make(const char *path, struct copy *ret_copy, GError **error);
/* Removes it; may be called again. */
void copy_clear(struct copy *copy);

#endif
