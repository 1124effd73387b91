/* Rows of every class that is kept, with random values and references, for round trips. */
#ifndef XAPID_TESTS_RANDOM_ROWS_H
#define XAPID_TESTS_RANDOM_ROWS_H

#include "xapid/model/model.h"

/* Creates `each` rows of every class that `wanted` takes (NULL: all that are kept) and sets every
 * field of them that is kept.  References are to rows of these classes, or null. */
void random_rows(struct model *model, GRand *random, guint each,
                 bool (*wanted)(const struct dm_class *cls));
/* Both models have the same rows of the kept classes, alike in all that is kept. */
void assert_same_rows(const struct model *a, const struct model *b);

#endif
