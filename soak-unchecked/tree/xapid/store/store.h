/* SQLite under the model: one file, WAL, synchronous=FULL, one writer thread with group commit.
 *
 * Made and used on the main loop; the writer thread is the store's own.  All change sets that wait
 * when the writer is free go into one SQLite transaction (group commit).  When a commit fails (disk
 * full, I/O error), the store tries a probe write every 2 s and calls model_set_writable () once
 * one succeeds. */
#ifndef XAPID_STORE_H
#define XAPID_STORE_H

#include <gio/gio.h>

#include "xapid/model/model.h"

struct store;

/* Puts a restored database (replace.h) in its place, then opens or creates the one at `path` (mode
 * 0600), upgrades an older schema version, refuses a
 * newer one or a damaged file (DB_... error naming it), loads everything into the model (calls
 * model_load_done) and becomes the model's store.  Blocks: start-up only. */
struct store *store_open(const char *path, struct model *model, GError **error);
/* Waits for what is under way, then closes. */
void store_close(struct store *store);

/* A consistent copy of the database into a new file, in a thread; for backups. */
void store_backup_async(struct store *store, const char *path, GAsyncReadyCallback done,
                        gpointer data);
bool store_backup_finish(GAsyncResult *result, GError **error);

#endif
