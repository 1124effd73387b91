/* A naive picture of the model for the random test: a list of rows, copied whole for each
 * generation, everything found by looking at all of it. */
#ifndef XAPID_TESTS_PICTURE_H
#define XAPID_TESTS_PICTURE_H

#include "lib/datamodel/datamodel.h"

struct picture_row {
    const struct dm_class *cls;
    char *ref;
    GVariant **fields;
};
/* The state at one generation. */
struct picture {
    guint64 generation;
    GPtrArray *rows; /* struct picture_row, in order of creation */
    GHashTable *journal;
};

struct picture *picture_new(void);
struct picture *picture_copy(const struct picture *from);
void picture_free(void *picture);
struct picture_row *picture_row_new(const struct dm_class *of, const char *ref,
                                    GVariant *const *fields);
struct picture_row *picture_find(const struct picture *picture, const char *ref);
/* Sinks a floating value. */
void picture_set(struct picture_row *row, const struct dm_field *field, GVariant *value);
/* Takes the row out and lets go of every reference to it. */
void picture_destroy(struct picture *picture, struct picture_row *row);
/* Whether it holds to the invariants. */
bool picture_sound(const struct picture *picture);
/* The record that a client sees, a full reference. */
GVariant *picture_record(const struct picture *picture, const struct picture_row *row);
/* What a restart leaves: durable fields of persistent rows. */
void picture_restart(struct picture *picture);

#endif
