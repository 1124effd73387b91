/* What tests of a VM's plans and of its domain's configuration stand on: a model with a host and a
 * halted VM that could be started.  One thread. */
#ifndef TESTS_UNIT_PLAN_BED_H
#define TESTS_UNIT_PLAN_BED_H

#include "lib/error.h"
#include "tests/unit/fake-store.h"
#include "xapid/vm/vm.h"

struct bed {
    struct model *model;
    struct fake_store store;
    struct vm_world world;
    char *vm, *host; /* references; the bed's */
};

struct bed_test {
    const char *name;
    void (*run)(struct bed *bed, const void *data);
};

/* Runs each, as /SUITE/ and its name, with a bed of its own. */
int bed_run_tests(int argc, char **argv, const char *suite, const struct bed_test *tests,
                  gsize n_tests);
/* A field of the VM. */
void bed_set_text(struct bed *bed, const char *field, const char *value);
/* "operation: step step", "(interrupts)" behind it, "" for none; the caller's.  Frees the plan. */
char *plan_text(struct plan *plan);

#define assert_plan(plan, expected)                                                                \
    do {                                                                                           \
        g_autofree char *text_here = plan_text(plan);                                              \
        g_assert_cmpstr(text_here, ==, expected);                                                  \
    } while (0)

#define assert_refused(call, code)                                                                 \
    do {                                                                                           \
        g_autoptr(GError) error = NULL;                                                            \
        g_assert_null(call);                                                                       \
        g_assert_nonnull(error);                                                                   \
        g_assert_cmpstr(api_error_code(error), ==, code);                                          \
    } while (0)

#endif
