/* The objects: every row of every XenAPI class that lives in the database, in memory.
 *
 * A row is one immutable GVariant, replaced as a whole by a transaction; a field that has its
 * default takes no room in it.  Derived fields (the far side of a relation) are computed from an
 * index when read.
 *
 * Two generations.  A transaction is applied in memory at once (`head`) and is durable later, when
 * the store has it on disk; nothing that shows generation G may leave the daemon before
 * model_durable () >= G: replies and events wait with model_when_durable ().  When the store fails,
 * everything after the durable generation is undone, newest first, and the callbacks of those who
 * waited get the error.
 *
 * Owned by the main loop; no call blocks.  Knows neither Xen nor HTTP nor SQLite. */
#ifndef XAPID_MODEL_H
#define XAPID_MODEL_H

#include <glib.h>
#include <stdbool.h>

#include "lib/datamodel/datamodel.h"

struct model;
struct txn;

/* What the model hands to the store, in commit order.  Strings and variants are owned by the
 * change set. */
struct model_row_change {
    const struct dm_class *cls;
    char *ref;
    GVariant *row;   /* the new row's durable fields: a{sv}, only those that differ from their
                      * default; NULL: the row is gone */
    guint64 created; /* generation */
    guint64 modified;
};
struct model_journal_change {
    char *key;
    GVariant *value; /* NULL: the entry is gone */
};
struct model_changes {
    guint64 generation;
    GArray *rows;    /* of struct model_row_change */
    GArray *journal; /* of struct model_journal_change */
};
void model_changes_free(struct model_changes *changes);

/* The store below the model.  commit () takes the change set; later, on the main loop and in order,
 * the store reports by model_committed () what is on disk: each change set, or the last of several
 * at once, or the first that failed. */
struct model_store {
    const char *name;
    void (*commit)(struct model_changes *changes, void *data);
    void *data;
};

struct model *model_new(void);
void model_free(struct model *model);
/* Once; a model without a store (in tests) holds everything for durable at once.  NULL: the store
 * is gone, from now on the model is read-only. */
void model_set_store(struct model *model, const struct model_store *store);

/* Loading, before model_set_store: rows as the store kept them (tolerant: an unknown field is
 * dropped, a missing or ill-typed one takes its default, rows of classes that are volatile now and
 * references to them are dropped; an unknown class is an error), then the
 * generation to go on from.  model_load_done () checks every invariant and names the object that
 * breaks one. */
bool model_load_row(struct model *model, const char *cls, const char *ref, GVariant *fields,
                    guint64 created, guint64 modified, GError **error);
void model_load_journal(struct model *model, const char *key, GVariant *value);
bool model_load_done(struct model *model, guint64 generation, GError **error);

/* From the store: everything up to `generation` is on disk; or, with an error, it and all that
 * follows failed: undone before this returns, and the model is read-only (INTERNAL_ERROR from
 * model_begin) until model_set_writable ().  Generations that failed are not used again.  Reports
 * on what is undone already are passed over. */
void model_committed(struct model *model, guint64 generation, const GError *error);
void model_set_writable(struct model *model);
bool model_is_writable(const struct model *model);

/* --- reading.  GVariants returned are full references; NULL: no such row. --- */

/* The class of a live row. */
const struct dm_class *model_class(const struct model *model, const char *ref);
bool model_has(const struct model *model, const struct dm_class *cls, const char *ref);
/* A field, derived ones computed. The row must exist. */
GVariant *model_get(const struct model *model, const char *ref, const struct dm_field *field);
/* Shorthands by name for code that knows the class; asserts on an unknown field or wrong type.
 * The row must exist.  String results are the caller's. */
char *model_get_string(const struct model *model, const char *ref, const char *field);
gint64 model_get_int(const struct model *model, const char *ref, const char *field);
bool model_get_bool(const struct model *model, const char *ref, const char *field);
/* The value of `key` in a map<string,string> field, or NULL.  The caller's. */
char *model_get_map_value(const struct model *model, const char *ref, const char *field,
                          const char *key);
/* The whole record as a{sv}: every field that is not internal_only, derived ones computed. */
GVariant *model_record(const struct model *model, const char *ref);

/* A row as it is at one moment, to be read later: shares the row with the model for as long
 * as it does not change, and has of the derived fields those that are not empty. */
struct model_snapshot {
    const struct dm_class *cls;
    GVariant *row;
    char *derived; /* NULL: all are empty */
    gsize derived_size;
};
/* The row must exist. */
void model_snapshot_take(const struct model *model, const char *ref,
                         struct model_snapshot *ret_snapshot);
/* May be called again. */
void model_snapshot_clear(struct model_snapshot *snapshot);
/* The values of all fields of the class by index: full references, NULL for internal ones. */
void model_snapshot_values(const struct model_snapshot *snapshot, GVariant **ret_values);
/* Bytes that it holds, shared or not. */
gsize model_snapshot_size(const struct model_snapshot *snapshot);

/* A durable field of it as a restart would find it.  A full reference. */
GVariant *model_snapshot_kept(const struct model_snapshot *snapshot, const struct dm_field *field);

/* ref of a uuid, NULL when there is none; borrowed until the row goes. */
const char *model_by_uuid(const struct model *model, const struct dm_class *cls, const char *uuid);
/* refs (char *, borrowed until the rows go) by label; of a class; referring to `ref` through
 * `field`. In order of creation. The caller frees the array. */
GPtrArray *model_by_name_label(const struct model *model, const struct dm_class *cls,
                               const char *label);
GPtrArray *model_all(const struct model *model, const struct dm_class *cls);
GPtrArray *model_referrers(const struct model *model, const char *ref,
                           const struct dm_field *field);
guint model_count(const struct model *model, const struct dm_class *cls);
/* Generation of creation and of the last change that its record shows (the far side of a relation
 * changes with the near side). */
guint64 model_created(const struct model *model, const char *ref);
guint64 model_modified(const struct model *model, const char *ref);

/* --- writing --- */

/* A transaction sees its own writes and nobody else's; one at a time. NULL with an error when the
 * model is read-only. */
struct txn *model_begin(struct model *model, GError **error);
/* The same for changes of volatile fields and classes alone (operations, progress, metrics): begins
 * on a read-only model too.  A commit that would change what the store keeps fails. */
struct txn *model_begin_volatile(struct model *model);
/* The same for what need not outlive the process: the store is told nothing.  No row that it keeps
 * may come to refer to a row that begins so. */
struct txn *model_begin_unsaved(struct model *model);
/* A new row.  ref NULL: made from a new random uuid ("OpaqueRef:" + uuid), and the uuid field, when
 * the class has one and it is not given, is a new random uuid.  fields a{sv}: by field name; those
 * left out take their defaults.  Returns the ref, borrowed until the transaction ends, or NULL with
 * an error: FIELD_TYPE_ERROR, an unknown field (INTERNAL_ERROR), a uuid or ref in use
 * (DB_UNIQUENESS_CONSTRAINT_VIOLATION [class, field, value]). */
const char *txn_create(struct txn *txn, const struct dm_class *cls, const char *ref,
                       GVariant *fields, GError **error);
/* Sinks a floating value.  HANDLE_INVALID [class, ref] when the row is not there, FIELD_TYPE_ERROR
 * for a wrong type; derived fields are refused.  "" in a reference field means REF_NULL. */
bool txn_set(struct txn *txn, const char *ref, const struct dm_field *field, GVariant *value,
             GError **error);
/* By name, for code that knows the class and has looked at the row in this turn of the loop: a
 * wrong name or type or a missing row is a programming error (aborts). */
void txn_set_value(struct txn *txn, const char *ref, const char *field, GVariant *value);
void txn_set_string(struct txn *txn, const char *ref, const char *field, const char *value);
/* Adds, replaces or (value NULL) removes one key of a map<string,string>. */
void txn_set_map_value(struct txn *txn, const char *ref, const char *field, const char *key,
                       const char *value);
bool txn_destroy(struct txn *txn, const char *ref, GError **error);
/* Marks a row as changed without changing it (event.inject). */
bool txn_touch(struct txn *txn, const char *ref, GError **error);
/* Journal entries of ops, kept in the same store transaction (value NULL removes). Any string key.
 */
void txn_journal(struct txn *txn, const char *key, GVariant *value);
/* The model as it is without the transaction. */
const struct model *txn_model(const struct txn *txn);
/* Whether the transaction sees a row (of the class, unless cls is NULL). */
bool txn_has(const struct txn *txn, const struct dm_class *cls, const char *ref);
/* Reads within the transaction, derived fields too.  The row must exist. */
GVariant *txn_get(struct txn *txn, const char *ref, const struct dm_field *field);

/* Checks the invariants and applies the whole.  Returns the generation, or 0 with an error and
 * nothing applied.  Frees txn either way.  A transaction that changes nothing returns the present
 * head; a value set to what it was is no change.
 *
 * Stored references to rows that it destroys are let go in the same transaction, whoever holds
 * them: null in a ref field, left out of sets and maps.  Every other reference that it stores must
 * be to a row of the field's class: HANDLE_INVALID [class, ref].  snapshot_of, parent and
 * subtask_of form no cycle (INTERNAL_ERROR), uuids are unique in their class
 * (DB_UNIQUENESS_CONSTRAINT_VIOLATION).  Far sides of relations that change count as modified. */
guint64 txn_commit(struct txn *txn, GError **error);
void txn_abort(struct txn *txn);

/* --- generations, waiting, events --- */

guint64 model_head(const struct model *model);
guint64 model_durable(const struct model *model);
/* Calls done (NULL, data) when `generation` is durable (at once, before returning, when it is
 * already), or done (error, data) when it failed. */
void model_when_durable(struct model *model, guint64 generation,
                        void (*done)(const GError *error, void *data), void *data);

/* What changed in a class after a token, for event.from: rows in the order of their last change,
 * then deletions in theirs, by changes that are durable.  Each row once.  A row may have changed
 * again meanwhile: a record of it leaves the daemon only when model_modified () of it is durable.
 * since 0: every row as an add, and no deletions.  Tombstones are kept for the last 4,096 deletions
 * of each class and not over a restart; when `since` is older than what is kept, *ret_lost (may be
 * NULL) is true.  `each` must not write. */
enum model_change_kind { MODEL_ADD, MODEL_MOD, MODEL_DEL };
typedef void (*model_change_fn)(enum model_change_kind kind, const struct dm_class *cls,
                                const char *ref, guint64 generation, void *data);
void model_changes_since(const struct model *model, const struct dm_class *cls, guint64 since,
                         model_change_fn each, void *data, bool *ret_lost);
/* Generation of the newest durable change (or deletion) in a class: a cheap "is there anything". */
guint64 model_class_changed(const struct model *model, const struct dm_class *cls);

/* Observers run after each commit that became durable, on the main loop, once a turn at most. */
guint model_observe(struct model *model, void (*changed)(void *data), void *data);
void model_unobserve(struct model *model, guint id);

/* Journal entries in memory: key -> GVariant (borrowed table). */
GHashTable *model_journal(const struct model *model);

/* What makes an empty store one that has the rows of the classes that are `wanted`, and the
 * journal: all of it as new in `generation`.  The caller frees. */
struct model_changes *model_everything(const struct model *model, guint64 generation,
                                       bool (*wanted)(const struct dm_class *cls));

/* What is wrong with a row; "" for what is not known or does not apply.  Borrowed for the call. */
struct model_fault {
    const char *cls, *ref, *uuid, *field;
    const char *what;
};
typedef void (*model_fault_fn)(const struct model_fault *fault, void *data);
/* In words (caller frees). */
char *model_fault_text(const struct model_fault *fault);

/* Checks every invariant over the whole, tells each violation; their number. */
guint model_check(const struct model *model, model_fault_fn tell, void *data);
/* NULL, or the first violation in words (caller frees). */
char *model_fsck(const struct model *model);
/* What model_load_row () would refuse or pass over in a stored row; their number. */
guint model_check_row(const char *cls, const char *ref, GVariant *fields, model_fault_fn tell,
                      void *data);

#endif
