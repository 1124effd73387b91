/* A store for tests, in memory: commits wait until the test completes or fails them, and what was
 * completed can be loaded into a new model, as after a crash.  Also shorthands for tests. */
#ifndef XAPID_TESTS_FAKE_STORE_H
#define XAPID_TESTS_FAKE_STORE_H

#include "xapid/model/model.h"

struct fake_store {
    struct model *model;
    GQueue waiting;      /* struct model_changes */
    GPtrArray *rows;     /* struct model_row_change, in order of creation */
    GHashTable *journal; /* key -> GVariant */
    guint64 generation;
    bool automatic; /* complete each at once */
};

/* Becomes the store of the model; the model's owner is the caller. */
void fake_store_init(struct fake_store *store, struct model *model);
void fake_store_clear(struct fake_store *store);
/* The oldest `n` commits reach the disk. */
void fake_store_complete(struct fake_store *store, guint n);
/* The oldest commit fails, and so do all that follow; `report_all`: each is reported. */
void fake_store_fail(struct fake_store *store, bool report_all);
/* A new model with what is on disk, and this store below it; what waited is lost. */
struct model *fake_store_reload(struct fake_store *store);

const struct dm_class *cls(const char *name);
const struct dm_field *fld(const char *class_name, const char *field);
/* {name: value} of strings up to NULL, floating. */
GVariant *fields_of(const char *name, ...) G_GNUC_NULL_TERMINATED;
/* One transaction each; they must succeed. */
char *row_create(struct model *model, const char *class_name, GVariant *fields);
guint64 row_set(struct model *model, const char *ref, const char *field, GVariant *value);
guint64 row_destroy(struct model *model, const char *ref);
/* For model_when_durable (): *data, an int, becomes 1 (durable) or -1 (failed). */
void note_durable(const GError *error, void *data);
/* Turns the main loop until the generation is durable (1) or failed (-1). */
int await(struct model *model, guint64 generation);
/* The members of a set<string> or set<ref> joined by ' '. */
char *set_text(const struct model *model, const char *ref, const char *field);
#define assert_set(model, ref, field, expected)                                                    \
    do {                                                                                           \
        g_autofree char *set_text_here = set_text(model, ref, field);                              \
        g_assert_cmpstr(set_text_here, ==, expected);                                              \
    } while (0)
#define assert_sound(model)                                                                        \
    do {                                                                                           \
        g_autofree char *violation_here = model_fsck(model);                                       \
        g_assert_cmpstr(violation_here, ==, NULL);                                                 \
    } while (0)

#endif
