/* Task rows: the only place that writes them.  Main loop only. */
#ifndef XAPID_OPS_TASK_H
#define XAPID_OPS_TASK_H

#include "xapid/model/model.h"

struct ops;

#define TASK_FINISHED_SECONDS 3900  /* a finished task is kept this long */
#define TASK_STANDING_SECONDS 86400 /* a client's open task that nothing happens to goes then */
#define TASK_SEEN_SECONDS 5         /* and this long even when there is no room for others */

/* Room for one more among `max`: the oldest of the finished tasks goes within txn;
 * TOO_MANY_PENDING_TASKS when none has been finished for TASK_SEEN_SECONDS. */
bool task_make_room(struct txn *txn, const struct model *model, guint max, GError **error);
/* A pending task within txn.  session may be NULL.  Borrowed until the transaction ends. */
const char *task_create(struct txn *txn, const char *label, const char *description,
                        const char *session, const char *host, GError **error);
/* Ends a task that is still pending or cancelling; a no-op otherwise, or when it was destroyed.
 * result_xml: one <value> element. */
void task_succeed(struct txn *txn, const char *task, const char *result_xml);
/* The same with a string, or (NULL) with nothing. */
void task_succeed_string(struct txn *txn, const char *task, const char *result);
/* The same with several ("as"). */
void task_succeed_strings(struct txn *txn, const char *task, GVariant *results);
/* TASK_CANCELLED makes it cancelled, anything else failure. */
void task_fail(struct txn *txn, const char *task, const GError *error);
/* After a restart: fails an open task of a call of ours that no operation stands behind; a task
 * that a client made (task.create) is the client's to end. */
void task_abandon(struct txn *txn, struct model *model, const char *task);
/* progress 0..1, written only when it moved by a hundredth. */
void task_progress(struct model *model, const char *task, double progress);
/* Shows `cancel` in allowed_operations, or not. */
void task_set_cancellable(struct txn *txn, const char *task, bool cancellable);
/* Removes the finished tasks whose time is over, and open ones without an operation that stand
 * still.  To be called often: that one changed is seen against the last call only. */
void task_collect(struct model *model, const struct ops *ops, gint64 now_usec);

#endif
