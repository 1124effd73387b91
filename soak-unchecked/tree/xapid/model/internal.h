/* What the files of the model share: the tables, the rows, the index and the undo log. */
#ifndef XAPID_MODEL_INTERNAL_H
#define XAPID_MODEL_INTERNAL_H

#include "xapid/model/model.h"

/* Deletions that a class remembers for event.from. */
#define MODEL_TOMBSTONES_MAX 4096
/* Failed generation ranges remembered for model_when_durable (); older ones are forgotten. */
#define MODEL_FAILED_MAX 64

struct node;

/* Rows in order of creation: a sorted array, because nearly every addition is at its end. */
struct node_set {
    struct node **items;
    guint n, allocated;
};

/* Those that refer to a row through one field. */
struct relation {
    const struct dm_field *field;
    struct node_set set;
};

/* A live row, or a deleted one that the undo log still holds. */
struct node {
    struct table *table;
    GVariant *row;    /* see row_new () */
    guint64 created;  /* generations */
    guint64 modified; /* the newest change */
    guint64 shown;    /* the newest change that is durable; 0: not even its creation is */
    guint64 seq;      /* order of creation */
    struct node *previous, *next; /* in table's changed list */
    struct relation *relations;
    guint n_relations;
    char ref[];
};

struct label {
    struct node_set set;
    char text[];
};

struct tombstone {
    char *ref;
    guint64 created, deleted; /* generations */
};

/* The rows of a class. */
struct table {
    const struct dm_class *cls;
    struct node_set all;
    GHashTable *uuids;            /* string inside the node's row -> struct node */
    GHashTable *labels;           /* text inside -> struct label; NULL: the class has none */
    struct node *oldest, *newest; /* by `modified` */
    GQueue tombstones;            /* struct tombstone, by `deleted` */
    guint64 lost;                 /* deletions up to here are forgotten */
    guint64 changed;              /* generation of the newest durable change */
    const struct dm_field *uuid, *name_label; /* or NULL */
    const struct dm_field **refs;             /* stored fields that hold references */
    guint n_refs;
    const struct dm_field **trees; /* stored fields that must not form a cycle */
    guint n_trees;
};

/* One row in the undo log.  A touched row has before == after. */
struct delta {
    struct node *node;
    GVariant *before, *after; /* NULL: created, destroyed */
    guint64 modified;         /* before */
};
struct journal_delta {
    char *key;
    GVariant *before, *after; /* NULL: absent */
};
/* A transaction that is applied and not yet durable. */
struct applied {
    guint64 generation;
    bool stored;     /* the store will report it */
    GArray *rows;    /* of struct delta */
    GArray *journal; /* of struct journal_delta */
};

struct failed_range {
    guint64 after, last; /* generations after < g <= last failed */
    GError *error;
};

struct model {
    struct table *tables; /* by class index */
    GHashTable *by_ref;   /* node->ref -> struct node */
    GHashTable *journal;
    guint64 head, durable, next_seq;
    struct model_store store;
    bool loading;
    GError *read_only; /* why; NULL: writable */
    struct txn *txn;   /* the open one */
    GQueue applied;    /* struct applied, oldest first */
    guint64 undone;    /* how often something was undone */
    GArray *failed;    /* of struct failed_range, oldest first */
    GQueue waiters;    /* struct waiter, by generation */
    GPtrArray *observers;
    guint next_observer;
    GMainContext *context;
    GSource *observing; /* scheduled notification */
};

/* One row that a transaction works on. */
struct txn_row {
    const struct table *table;
    struct node *node; /* NULL: new */
    GVariant **fields; /* by index; NULL: as in the node, or the default */
    bool destroyed, touched;
    char ref[];
};
struct txn {
    struct model *model;
    bool volatile_only, unsaved;
    guint64 undone;     /* model->undone when it began */
    GHashTable *by_ref; /* ref -> struct txn_row */
    GPtrArray *rows;    /* struct txn_row, in the order of first use */
    GArray *journal;    /* of struct journal_delta; before is not used */
};

/* index.c: the sorted sets and everything found through them. */
void node_set_add(struct node_set *set, struct node *node);
void node_set_remove(struct node_set *set, const struct node *node);
bool node_set_has(const struct node_set *set, const struct node *node);
GPtrArray *node_set_refs(const struct node_set *set);
/* The set of those that refer to node through field, or NULL. */
const struct node_set *node_referrers(const struct node *node, const struct dm_field *field);
struct table *table_of(const struct model *model, const struct dm_class *cls);
void table_init(struct table *table, const struct dm_class *cls);
void table_clear(struct table *table);
struct node *node_find(const struct model *model, const char *ref);
struct node *node_new(struct model *model, struct table *table, const char *ref);
void node_free(struct node *node);
/* Moves a row from `before` to `after` (NULL: not there) in every index but that of references, and
 * sets node->row. */
void node_index(struct model *model, struct node *node, GVariant *before, GVariant *after);
/* Adds or removes the references in those fields of `row` that differ in `unless` (either may be
 * NULL).  References that do not resolve are passed over: remove before any row goes from the other
 * indexes, add when all rows are there. */
void node_index_refs(struct model *model, struct node *node, GVariant *row, GVariant *unless,
                     bool add);
/* Puts the row in its place of the changed list, by node->modified. */
void node_link(struct node *node);
void node_unlink(struct node *node);

/* value.c: references inside values, and rows. */
typedef bool (*ref_fn)(const struct dm_class *cls, const char *ref, void *data);
bool type_has_refs(const struct dm_type *type);
/* Calls each for every reference that is not null, until it returns false; false then. */
bool value_each_ref(const struct dm_type *type, GVariant *value, ref_fn each, void *data);
bool value_refers(const struct dm_type *type, GVariant *value, const char *ref);
/* The value without the references that `gone` tells: null for a single one, left out of sets and
 * maps.  NULL when there is none; else a full reference. */
GVariant *value_scrub(const struct dm_type *type, GVariant *value, ref_fn gone, void *data);
/* The value as a restart finds it, a full reference: rows of volatile classes end with the process
 * that made them. */
GVariant *value_kept(const struct dm_type *type, GVariant *value);
/* A row, a full reference: fields[i], or else base's, or else the default.  One block of memory, in
 * which only what is not default takes room. */
GVariant *row_new(const struct dm_class *cls, GVariant *const *fields, GVariant *base);
/* Whether it could be a row of the class: every value has its field's type. */
bool row_is_sound(const struct dm_class *cls, GVariant *row);
/* A full reference; the default is the shared one of dm_field_default (). */
GVariant *row_field(GVariant *row, const struct dm_field *field);
/* A string field, borrowed for as long as the row is there. */
const char *row_string(GVariant *row, const struct dm_field *field);
/* The durable fields that differ from their default, a{sv}, a full reference. */
GVariant *row_durable(const struct dm_class *cls, GVariant *row);
bool row_durable_differs(const struct dm_class *cls, GVariant *a, GVariant *b);
bool field_is_stored(const struct dm_field *field);

/* commit.c */
void applied_free(struct applied *applied);
/* Takes back what the newest entry of the undo log did. */
void applied_undo(struct model *model, struct applied *applied);

/* durable.c */
void durable_init(struct model *model);
void durable_clear(struct model *model);
/* Takes what was just applied; durable at once when no store has to see it or any before it. */
void durable_push(struct model *model, struct applied *applied);

/* events.c */
void tombstone_add(struct table *table, const struct node *node, guint64 generation);
/* Forgets the deletions of that generation and later. */
void tombstones_undo(struct table *table, guint64 generation);
void tombstone_free(struct tombstone *tombstone);

/* txn.c */
void txn_free(struct txn *txn);
struct txn_row *txn_row_find(const struct txn *txn, const char *ref);
/* The row for change, NULL when there is none. */
struct txn_row *txn_row_get(struct txn *txn, const char *ref);
bool txn_row_exists(const struct txn *txn, const char *ref, const struct table **ret_table);
/* A stored field as the transaction sees it. */
GVariant *txn_row_field(const struct txn_row *row, const struct dm_field *field);
/* Takes a full reference to a value that was checked. */
void txn_row_put(struct txn_row *row, const struct dm_field *field, GVariant *value);

/* check.c: the invariants of a transaction that is about to be applied. */
bool txn_check(struct txn *txn, GError **error);

#endif
