/* A dump: the database as XML, in the form of XAPI's.
 *
 *     <database>
 *     <manifest>
 *     <pair key="product" value="xapid"/>
 *     </manifest>
 *     <table name="VM">
 *     <row ref="OpaqueRef:..." __ctime="7" __mtime="9" uuid="..." name_label="one" .../>
 *     </table>
 *     </database>
 *
 * A line a row, with every field that is kept over a restart; values as model/value-text.h has
 * them.  Of the journal, what tells of rows (model/journal.h), as pairs of the manifest.  Not in
 * it: what belongs to the process that runs (sessions, tasks, operations under way) and the fixed
 * roles. */
#ifndef XAPID_DUMP_DUMP_H
#define XAPID_DUMP_DUMP_H

#include "xapid/model/model.h"

#define DUMP_VERSION 1
/* Bytes that are read. */
#define DUMP_MAX (1024 * 1024 * 1024)
/* Every attribute of a row is a field or one of three others. */
#define DUMP_MAX_ATTRIBUTES 256

/* Whether its rows are in a dump. */
bool dump_has_class(const struct dm_class *cls);

struct dump;

/* The rows as they are now, to be written later.  The model's thread; the rest any one thread. */
struct dump *dump_new(const struct model *model);
void dump_free(struct dump *dump);
/* Bytes of rows that it holds, shared or not. */
gsize dump_size(const struct dump *dump);
/* Appends the next piece: about `enough` bytes, a row more at most.  False at the end. */
bool dump_next(struct dump *dump, GString *out, gsize enough);

/* Reads a whole dump (text is borrowed) and checks everything that a start would, and more: nothing
 * is passed over.  Returns a new model with its rows, or NULL with INVALID_VALUE ["dump", a
 * sentence that names the line and the object].  *ret_generation: that of the database it was taken
 * of.  Any thread. */
struct model *dump_read(const char *text, gsize length, guint64 *ret_generation, GError **error);

#endif
