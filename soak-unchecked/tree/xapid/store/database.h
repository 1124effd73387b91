/* The file: opening, upgrading, reading and writing it.  One thread at a time; every call blocks.
 * Used by store.c and writer.c only. */
#ifndef XAPID_STORE_DATABASE_H
#define XAPID_STORE_DATABASE_H

#include <sqlite3.h>

#include "xapid/model/model.h"

/* Newest layout of the file that this program knows; PRAGMA user_version. */
#define DATABASE_SCHEMA_VERSION 2
/* "XAPD"; PRAGMA application_id. */
#define DATABASE_APPLICATION_ID 0x58415044
/* Generations of one life of the program: a start goes on at the next multiple of 2 to this power,
 * so that generations of volatile changes, which are not on disk, are never used twice. */
#define DATABASE_EPOCH_BITS 40
/* What a probe writes: about a transaction's worth. */
#define DATABASE_PROBE_BYTES 16384
/* The write-ahead log is cut to this after a checkpoint, bytes. */
#define DATABASE_WAL_KEEP (16 << 20)

struct database;

struct database *database_open(const char *path, GError **error);
/* The same for a file whose pages may be damaged: nothing looks at them before they are read. */
struct database *database_open_damaged(const char *path, GError **error);
void database_close(struct database *database);
sqlite3 *database_handle(struct database *database);
/* Everything into the model, up to and with model_load_done (). */
bool database_load(struct database *database, struct model *model, GError **error);
/* Loads into a model that serves nobody: goes on past what is wrong and tells it, then what else
 * is: pages, rows that load but not as they were written, and what model_check () finds.  The
 * number of faults. */
guint database_check(struct database *database, struct model *model, model_fault_fn tell,
                     void *data);
/* All of the change sets (struct model_changes) in one transaction, on disk when this returns true;
 * none of them otherwise. */
bool database_write(struct database *database, const GPtrArray *changes, GError **error);
/* Whether writing works again. */
bool database_probe(struct database *database, GError **error);
/* INTERNAL_ERROR with a sentence that names the file; always false. */
bool database_error(const struct database *database, const char *doing, GError **error);
/* Keeps everybody from opening the database at `path` (exclusive: to look at it, too), which nobody
 * may have open now.  A descriptor, whose end is the lock's; -1 with an error. */
int database_lock(const char *path, bool exclusive, GError **error);
/* fsync of the directory that `path` is in. */
bool directory_sync(const char *path, GError **error);

#endif
