/* For tests of xapid-domains: the program itself on a simulated host, as a client has it. */
#ifndef TESTS_UNIT_SERVICE_BED_H
#define TESTS_UNIT_SERVICE_BED_H

#include "tests/sim/domains-client.h"

#define UUID_A "aaaaaaaa-0000-4000-8000-000000000001"
#define UUID_B "aaaaaaaa-0000-4000-8000-000000000002"
#define MEMORY ((gint64)128 << 20) /* bytes of a guest of service_guest_args () */

struct service_bed {
    char *dir; /* the simulated host's; the bed's */
    struct domains_client *client;
    int op; /* the last one's number */
};

/* Adds each test with a bed of its own, and runs them. */
struct service_test {
    const char *name;
    void (*test)(struct service_bed *bed, gconstpointer data);
};
int service_run_tests(int argc, char **argv, const char *suite, const struct service_test *tests,
                      gsize n_tests);

/* fault, timeout (seconds): NULL for none, and for the usual one. */
void service_start(struct service_bed *bed, const char *fault, const char *timeout);
/* Kills it first. */
void service_restart(struct service_bed *bed, const char *fault, const char *timeout);
/* Lines of the simulated host's settings. */
void service_conf(struct service_bed *bed, const char *text);
/* Does what a guest or another toolstack would, with or without xapid-domains. */
void service_tell(struct service_bed *bed, const char *command);
/* The same through DIR/control, as scripts do. */
void service_send(struct service_bed *bed, const char *command);
/* The caller's. */
char *service_next_op(struct service_bed *bed);
GVariant *service_guest_args(void);
/* Runs a verb that must succeed. */
GVariant *service_run(struct service_bed *bed, const char *verb, const char *uuid, GVariant *args);
/* Returns the domid. */
int service_create(struct service_bed *bed, const char *uuid);
/* Runs a verb without arguments that must succeed. */
void service_act(struct service_bed *bed, const char *verb, const char *uuid);
/* Runs a verb that must fail: "CODE [param, param]". */
void service_refused(struct service_bed *bed, const char *verb, const char *uuid, GVariant *args,
                     const char *expected);
void assert_state(struct service_bed *bed, const char *uuid, const char *expected);
void assert_reason(struct service_bed *bed, const char *uuid, const char *expected);

#endif
