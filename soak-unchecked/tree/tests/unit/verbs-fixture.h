/* The verbs over a simulated host of their own, for tests. */
#ifndef TESTS_UNIT_VERBS_FIXTURE_H
#define TESTS_UNIT_VERBS_FIXTURE_H

#include <stdatomic.h>

#include "xapid/domains/sim-world.h"
#include "xapid/domains/verbs.h"

#define UUID "aaaaaaaa-0000-4000-8000-000000000001"
#define OTHER "aaaaaaaa-0000-4000-8000-000000000002"

struct verbs_fixture {
    char *dir;
    struct verbs verbs;
    struct world *world;
    atomic_bool aborted;
};

/* For g_test_add. */
void verbs_set_up(struct verbs_fixture *f, gconstpointer data);
void verbs_tear_down(struct verbs_fixture *f, gconstpointer data);

/* The arguments of create for a small guest; a full reference. */
GVariant *verbs_guest(void);
/* args_text NULL: the small guest for create and restore, else none.  NULL on success, else the
 * error as text. */
char *verbs_run_text(struct verbs_fixture *f, const char *verb, const char *uuid, const char *op_id,
                     const char *args_text);
void verbs_assert_runs(struct verbs_fixture *f, const char *verb, const char *uuid,
                       const char *op_id);
/* -1: there is none that is not dying. */
int verbs_domid_of(struct verbs_fixture *f, const char *uuid);

#endif
