/* What tests of the operation engine stand on: a model, a store that completes when it is told to,
 * and a room of fake steps, a to d, that a test holds, fails and counts.  One thread. */
#ifndef OPS_BED_H
#define OPS_BED_H

#include <stdbool.h>

#include "tests/unit/fake-store.h"
#include "xapid/ops/ops.h"
#include "xapid/ops/task.h"

struct bed {
    struct model *model;
    struct fake_store store;
    struct ops *ops;
    GString *log;     /* "a" ran, "a~" was undone, "a!" was asked to end, "?" surveyed */
    const char *fail; /* letters of the steps that fail */
    bool fails_alike; /* with one message, whatever the step */
    const char *hold; /* that stay until bed_release() */
    struct op *held;
    char *vm;
    struct ops_room rooms[2];
    int ended;
    GError *error; /* of the last end */
};

struct bed_test {
    const char *name;
    void (*run)(struct bed *bed, const void *data);
};

/* Makes a test of each, /ops/ and its name, with a bed of its own. */
void bed_add_tests(const struct bed_test *tests, size_t count);

/* The process is killed and started again: what the store has not completed is lost. */
void bed_crash(struct bed *bed);

/* Runs the main loop until nothing is left to do at once. */
void bed_turn(void);

/* Submits a plan of those steps; *ret_task (may be NULL) takes its task's reference. */
struct op *bed_submit(struct bed *bed, const char *steps, bool interrupts, char **ret_task);

/* Ends the step that is held, with `error` (may be NULL; taken). */
void bed_release(struct bed *bed, GError *error);

/* Waits until so many operations have ended, for the tries of an undo. */
void bed_wait(struct bed *bed, int ended);

void assert_task(struct bed *bed, const char *task, const char *status);
void assert_log(struct bed *bed, const char *expected);
void assert_all_ended(struct bed *bed);

#endif
