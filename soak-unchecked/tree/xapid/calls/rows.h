/* Rows as an answer shows them: records, or events with their snapshots, of one moment.
 *
 * Ten thousand records are a hundred megabytes of text.  An answer holds the rows instead, which
 * cost nearly nothing while the model has them too, and the transport encodes them piece by piece
 * as the client takes them.  Main loop only. */
#ifndef XAPID_CALLS_ROWS_H
#define XAPID_CALLS_ROWS_H

#include "xapid/calls/call.h"

/* Bytes of rows in all answers that have not been taken yet: TOO_BUSY beyond. */
#define ROWS_MAX_HELD (256 * 1024 * 1024)
/* Answers of fewer bytes of rows are not counted: they leave at once. */
#define ROWS_SMALL (64 * 1024)

struct rows;

/* Empty; events: they are events. */
struct rows *rows_new(struct api *api, bool events);
void rows_free(struct rows *rows);
/* A record of a row that exists. */
void rows_add(struct rows *rows, const char *ref);
/* An event; MODEL_DEL: of a row that is gone. */
void rows_add_event(struct rows *rows, enum model_change_kind kind, const struct dm_class *cls,
                    const char *ref, guint64 generation);
guint rows_count(const struct rows *rows);
/* The events become the batch of event.from; counts (a{si}) is sunk. */
void rows_set_batch(struct rows *rows, GVariant *counts, const char *token);

/* Counts what it holds until it is freed; TOO_BUSY beyond ROWS_MAX_HELD. */
bool rows_hold(struct rows *rows, GError **error);
/* Appends the next piece of the successful reply to `request`: about `enough` bytes, a record more
 * at most.  False at the end.  What was encoded is let go. */
bool rows_encode(struct rows *rows, const struct rpc_request *request, GString *out, gsize enough);

/* One record as clients see it, a{sv} in the order of the fields: session.rbac_permissions is
 * computed.  A full reference. */
GVariant *rows_record(struct api *api, const char *ref);

#endif
