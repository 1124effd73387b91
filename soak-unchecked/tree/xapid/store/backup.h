/* A copy of the database into a new file, a few pages at a time.  Used by writer.c, on its thread.
 */
#ifndef XAPID_STORE_BACKUP_H
#define XAPID_STORE_BACKUP_H

#include <gio/gio.h>
#include <sqlite3.h>
#include <stdbool.h>

struct backup;

/* Any thread.  Takes the task, which returns true or the error when the copy is complete. */
struct backup *backup_new(const char *path, GTask *task);
/* Copies up to `pages` pages; true when it is over, well or not.  What `source` commits between two
 * steps is in the copy.  Until it is complete the file has another name. */
bool backup_step(struct backup *backup, sqlite3 *source, int pages);
void backup_free(struct backup *backup);

#endif
