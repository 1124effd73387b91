/* The writer thread: takes all change sets that wait into one SQLite transaction at a time, and
 * copies the database in the pauses.  Functions are called on the main loop; reports arrive there.
 */
#ifndef XAPID_STORE_WRITER_H
#define XAPID_STORE_WRITER_H

#include <gio/gio.h>

#include "xapid/store/database.h"

/* Change sets that one SQLite transaction takes at most. */
#define WRITER_BATCH_MAX 1024
/* Pages of a backup copied between two transactions. */
#define WRITER_BACKUP_PAGES 64

enum writer_report_kind {
    WRITER_COMMITTED, /* everything up to generation is on disk */
    WRITER_FAILED,    /* generation and all that follow are not, and are forgotten */
    WRITER_PROBED,    /* without error: writing works again */
};
struct writer_report {
    enum writer_report_kind kind;
    guint64 generation;
    GError *error;
};
typedef void (*writer_report_fn)(const struct writer_report *report, void *data);

struct writer;

/* Takes the database; from now on only the thread uses it. */
struct writer *writer_new(struct database *database, GMainContext *context, writer_report_fn report,
                          void *data);
/* Takes the changes. After a failure and until a probe succeeded there must be none. */
void writer_commit(struct writer *writer, struct model_changes *changes);
/* Tries a write unless one is being tried. */
void writer_probe(struct writer *writer);
/* Takes the task, which returns a boolean on its own context. */
void writer_backup(struct writer *writer, const char *path, GTask *task);
/* Waits until all that was handed over is done and reported, and ends the thread: blocks. */
void writer_finish(struct writer *writer);
void writer_free(struct writer *writer);

#endif
