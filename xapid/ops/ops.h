/* What runs plans: one queue per object, a journal that survives a restart, tasks, cancelling.
 *
 * A plan is submitted inside the caller's transaction, so the intent (journal entry, task,
 * current_operations) is one commit; no step runs before that commit is durable.  Steps run in
 * order; each is idempotent, so after a restart the engine runs the plan again from its first step,
 * or from behind the last `once` step that was done.
 * When a step fails, or the operation is cancelled, the steps that were begun are undone newest
 * first.  The end of an operation is one more transaction, in which the finisher writes what became
 * of the object.
 *
 * An operation waits for those before it in its queue, and a step for nobody.  Main loop only. */
#ifndef XAPID_OPS_H
#define XAPID_OPS_H

#include <stdbool.h>

#include "xapid/model/model.h"
#include "xapid/ops/plan.h"

#define OPS_MAX_PENDING 10000 /* operations known at once: TOO_MANY_PENDING_TASKS beyond */
#define OPS_MAX_QUEUED 32     /* behind one object */

struct ops;
struct op; /* one operation, from submission until its end */

struct step_kind {
    const char *name;
    double weight; /* share of the progress bar */
    /* Once the next step has begun, this one must not be run again (it would end what the next one
     * made, or miss what the next one ended): the journal notes that it is done, and a restart goes
     * on behind it. */
    bool once;
    /* Of one that is done `once`: what was done until then stays.  From there on the operation is
     * not cancelled, and a failure undoes only what began later. */
    bool settles;
    /* Begins the effect and returns; ends by op_step_done (), now or later.  Must be idempotent:
     * op_step_id () stays the same over restarts. */
    void (*run)(struct op *op, GVariant *args);
    /* Undoes what run () may have done, whole or half; ends by op_step_done () (an error is logged;
     * unless it is the one that is being undone for, it is tried again, and then the remaining
     * undos go on).  NULL: nothing to undo. */
    void (*undo)(struct op *op, GVariant *args);
    /* Asks a running run () to end early. NULL: it cannot. */
    void (*cancel)(struct op *op);
};

/* What a room brings: the steps it knows, and what becomes of the objects of one class. */
struct ops_room {
    const char *cls;                      /* plans about objects of this class are the room's */
    const struct step_kind *const *kinds; /* NULL terminated; any plan may have them */
    /* An operation is about to end with an error: finds out what really is there, notes it by
     * op_set_result (), and ends by op_step_done ().  NULL: there is nothing to find out. */
    void (*survey)(struct op *op);
    /* Writes, in the operation's last transaction, what became of the object.  error NULL: success.
     * May read op_result ()s, and set "value": the string that the operation's caller gets,
     * or strings ("as") that are its task's result. */
    void (*finish)(struct op *op, struct txn *txn, const GError *error);
    /* Keeps current_operations of the row that shows it in step: adds (and removes) the task. */
    void (*mark)(struct txn *txn, const char *row, const char *operation, const char *task,
                 bool running, void *data);
    /* The queue of an object is empty again.  May be NULL. */
    void (*idle)(const char *object, void *data);
    void *data;
};

/* rooms: an array that ends with cls == NULL, and outlives the engine. */
struct ops *ops_new(struct model *model, const struct ops_room *rooms);
void ops_free(struct ops *ops);
/* The data of the room whose function runs: in a step, of the room that knows the step; else of the
 * object's. */
void *op_room_data(const struct op *op);

/* Puts a plan (taken) into the queue of its object, within `txn` (which the caller then commits; on
 * abort call op_drop).  task: the task's reference, or NULL for work of our own.  Returns the
 * operation, borrowed; NULL with TOO_MANY_PENDING_TASKS. */
struct op *ops_submit(struct ops *ops, struct txn *txn, struct plan *plan, const char *task,
                      GError **error);
/* After txn_commit () succeeded: lets the operation run once `generation` is durable.  done (may be
 * NULL) is called once, when the last transaction is durable, or when the first one failed. */
/* value: a string, NULL when there is none. */
typedef void (*op_done_fn)(const GError *error, const char *value, void *data);
void op_start(struct op *op, guint64 generation, op_done_fn done, void *data);
/* Instead of op_start, when the transaction was not committed. */
void op_drop(struct op *op);

/* All of it: submits plan (taken) within txn (taken), commits that, and lets the operation run.
 * False with an error: nothing was done, and done is not called. */
bool ops_run(struct ops *ops, struct txn *txn, struct plan *plan, const char *task, op_done_fn done,
             void *data, GError **error);

/* At start-up, after loading: takes up every journalled operation again. */
void ops_recover(struct ops *ops);
bool ops_busy(const struct ops *ops, const char *object);
/* Does the row, of a class with current_operations, show no operation?
 * OTHER_OPERATION_IN_PROGRESS [class, row, operation, key]. */
bool ops_none_shown(const struct model *model, const char *row, GError **error);
guint ops_count(const struct ops *ops);
/* Does an operation that has not ended own the task? */
bool ops_has_task(const struct ops *ops, const char *task);
/* TASK_CANCELLED will end it, unless it ends well first.  False: no such running operation. */
bool ops_cancel(struct ops *ops, const char *task);

/* A step of it that settles is done. */
bool op_is_settled(const struct op *op);

/* For steps. */
const char *op_object(const struct op *op);
const char *op_operation(const struct op *op);
const char *op_task(const struct op *op); /* or NULL */
const struct plan *op_plan(const struct op *op);
/* "<operation id>.<step number>": the op_id of effects outside, stable over restarts; undo has
 * another. */
const char *op_step_id(const struct op *op);
void op_step_progress(struct op *op, double fraction);
/* Values that later steps and the finisher read; lost in a restart (steps are run again). */
void op_set_result(struct op *op, const char *key, GVariant *value);
GVariant *op_result(const struct op *op, const char *key); /* borrowed or NULL */
/* Ends the step that runs; error is taken, NULL for success. */
void op_step_done(struct op *op, GError *error);

#endif
