/* Changes of this host's addresses that are undone by themselves unless they are confirmed.
 *
 * What a change is undone to is written into the journal in the transaction that makes it, so that
 * it is known whatever ends meanwhile.  A change of the management path is confirmed by any call
 * with a session that arrives at the management address once the change was applied, from another
 * machine: whoever can make it can also change things again.  Without one, it is undone when its
 * time is up; so is one that could not be applied.
 *
 * Main loop only. */
#ifndef XAPID_CALLS_SAFE_CHANGE_H
#define XAPID_CALLS_SAFE_CHANGE_H

#include "xapid/calls/call.h"

#define SAFE_CHANGE_RETRY_SECONDS 1 /* of undoing */

struct safe_change;

/* seconds: from the change until it is undone. */
struct safe_change *safe_change_new(struct api *api, guint seconds);
/* At start-up, once the rows are there: goes on with what an earlier process left. */
void safe_change_resume(struct safe_change *change);

/* OTHER_OPERATION_IN_PROGRESS [class, PIF] while there is one. */
bool safe_change_check_none(const struct model *model, GError **error);

/* What is to be undone. */
struct safe_change_before {
    const char *pifs[3]; /* the rows, as they are without the transaction; NULL terminated */
    bool is_guarded;     /* is to be confirmed */
    bool is_taken;       /* the first PIF's interface was the administrator's */
};
/* Writes it into the journal, within the transaction that makes the change. */
void safe_change_record(struct safe_change *change, struct txn *txn,
                        const struct safe_change_before *before);
/* That transaction is durable: the time runs. */
void safe_change_begin(struct safe_change *change);
/* It could not be applied, or is to be undone for another reason: now. */
void safe_change_undo(struct safe_change *change);

/* A number that is another one for each change, and for each beginning to undo one. */
guint safe_change_number(const struct safe_change *change);
/* The addresses of the rows, as they were when the number was this, are those of the machine. */
void safe_change_applied(struct safe_change *change, guint number);
/* A call with a session has arrived. */
void safe_change_seen(struct safe_change *change, const struct call_origin *origin);

#endif
