/* What the files of this room share: an operation and the engine. */
#ifndef XAPID_OPS_INTERNAL_H
#define XAPID_OPS_INTERNAL_H

#include "xapid/ops/ops.h"

enum op_state {
    OP_SUBMITTED, /* the first transaction is not durable yet */
    OP_QUEUED,
    OP_RUNNING,
    OP_UNDOING,
    OP_SURVEYING, /* it failed: what is there now? */
    OP_ENDING,    /* the last transaction is being written */
};

struct op {
    struct ops *ops;
    guint64 order; /* of submission; kept in the journal */
    char *id;
    char *task; /* or NULL */
    struct plan *plan;
    const struct ops_room *room; /* of its object; NULL: the object is gone */
    enum op_state state;
    guint undo_tries; /* of the present step, that failed */
    guint position;   /* the step that runs, or that is being undone */
    guint resume;     /* the step that a restart goes on from */
    char *step_id;
    bool in_step; /* between run () or undo () and op_step_done () */
    bool noting;  /* the journal is being written between two steps */
    bool cancelled;
    GError *error; /* why it is being undone */
    GHashTable *results;
    op_done_fn done;
    void *done_data;
    guint idle; /* source of the next move or retry; 0 none */
};

struct ops {
    struct model *model;
    const struct ops_room *rooms;
    guint64 last_order;
    GHashTable *all;    /* id -> struct op, owned */
    GHashTable *queues; /* object -> GQueue of struct op; the head runs */
};

/* NULL: no room knows it.  ret_room may be NULL. */
const struct step_kind *ops_kind(const struct ops *ops, const char *name,
                                 const struct ops_room **ret_room);
/* Whose objects are of the class; NULL: nobody's. */
const struct ops_room *ops_room_of(const struct ops *ops, const struct dm_class *cls);
/* Appends it to the queue of its object; takes the plan. */
struct op *op_new(struct ops *ops, guint64 order, const char *id, struct plan *plan,
                  const struct ops_room *room, const char *task);
/* For ops_free and the end; it is in no queue then. */
void op_free(void *data);
/* The key under which current_operations shows it. */
const char *op_key(const struct op *op);
/* Shows the operation at its object, or not any more. */
void op_mark(const struct op *op, struct txn *txn, bool running);
const struct step *op_step(const struct op *op, guint position);
const struct step_kind *op_kind(const struct op *op, guint position);
/* How many of its steps stay done, whatever comes. */
guint op_settled(const struct op *op);
/* Takes an operation out of its queue, wakes the next one, and frees it. */
void op_remove(struct op *op);

/* --- advance.c --- */

/* Makes the next move, if it is to make one now. */
void op_advance(struct op *op);

/* --- journal.c --- */

/* The key of its entry; the caller's. */
char *op_journal_key(const struct op *op);
void op_journal(struct op *op, struct txn *txn);
/* The same, with the note that it is to be cancelled. */
void op_journal_cancelled(struct op *op, struct txn *txn);
#endif
