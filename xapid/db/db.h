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

/* copy.c: a database and its write-ahead log in a folder of their own. */
struct copy {
    char *directory, *path;
};
/* Fails when a process has the database open. */
bool copy_make(const char *path, struct copy *ret_copy, GError **error);
/* Removes it; may be called again. */
void copy_clear(struct copy *copy);

/* lock.c: keeps xapid from starting on the database, which must not be running now; exclusive: and
 * everybody else.  A descriptor; -1 with an error. */
int db_lock(const char *path, bool exclusive, GError **error);

#endif
