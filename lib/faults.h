/* Fault points: named places before and after every external effect, where a test can make a
 * program die, fail or wait.
 *
 *     if (!FAULT_POINT ("store.commit.before", error))
 *         goto out;
 *
 * A point registers itself at load time, so that `--fault-points` lists them all, reached or not.
 * They cost one load and a branch when the environment variable XAPID_FAULT is not set.
 *
 * XAPID_FAULT="name=kill[@n]" | "name=error[@n]" | "name=delay:MILLISECONDS[@n]", joined by ','
 * (@n: only the n-th time, counted from 1).  The names are unique in a program.
 * XAPID_FAULT=trace: each point that is passed shows in what strace tells: write(-1, NAME, ...).
 * XAPID_TEST_FAULT_DIR=DIR: each acts once for all processes together, and then DIR/name, a number
 * that they share, is not 0 any more. */
#ifndef XAPID_LIB_FAULTS_H
#define XAPID_LIB_FAULTS_H

#include <glib.h>
#include <stdbool.h>

struct fault_point {
    const char *name;
    const char *file;
    int line;
};

/* False, with INTERNAL_ERROR ["fault", name] in *error, when the point is told to fail. */
#define FAULT_POINT(point_name, error)                                                             \
    __extension__({                                                                                \
        static const struct fault_point fault_point_here                                           \
            __attribute__((section("fault_points"), used, aligned(8))) = {point_name, __FILE__,    \
                                                                          __LINE__};               \
        G_UNLIKELY(faults_armed) ? faults_hit(&fault_point_here, error) : true;                    \
    })

/* `call`, something true when it went well, between two points: NAME.before and NAME.after. */
#define FAULT_AROUND(name, error, call)                                                            \
    (FAULT_POINT(name ".before", error) && (call) && FAULT_POINT(name ".after", error))

extern bool faults_armed;

/* Reads XAPID_FAULT; a malformed one is an error; names of points that this
 * program does not have are for another of our programs. */
bool faults_init(GError **error);
/* An environment, and what in ours is about faults: for a program that is started with one of its
 * own.  The caller's. */
char **faults_environ(const char *const *environment);
bool faults_hit(const struct fault_point *point, GError **error);
/* Prints "name file:line" of every point, sorted; for --fault-points. */
void faults_list(void);

#endif
