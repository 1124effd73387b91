/* Another database in the place of the one that is there.
 *
 * First it is made under the name PATH.restore, whole and on disk; then, while nobody uses either,
 * it takes the place of the old one, which stays beside it.  A crash in between leaves the old one
 * or the new one, and database_take_restored () at the next start ends what was begun. */
#ifndef XAPID_STORE_REPLACE_H
#define XAPID_STORE_REPLACE_H

#include "xapid/store/database.h"

/* The generation with which the rows of a restored database begin, so that whoever saw one of
 * these generations is told of every row. */
guint64 database_generation_after(guint64 one, guint64 another);
/* Makes PATH.restore of the change set (borrowed), which must be all of a database.  Blocks, any
 * thread. */
bool database_prepare(const char *path, struct model_changes *changes, GError **error);
/* Puts PATH.restore, when it is there, in the place of PATH.  *ret_aside: the name that the old one
 * has now, NULL: there was none, or nothing was to be done (the caller frees).  Blocks; nobody may
 * have the database open. */
bool database_take_restored(const char *path, char **ret_aside, GError **error);
/* What the database at PATH has reached; 0: it cannot be told. */
guint64 database_generation(const char *path);

#endif
