/* Runs xapid-host for a test as xapid-launch would, with accounts of the test's own. */
#ifndef XAPID_TESTS_HOST_HARNESS_H
#define XAPID_TESTS_HOST_HARNESS_H

#include "lib/peer/host1.h"

#include <stdbool.h>
#include <sys/types.h>

#define PASSWORD "secret" /* of every account that has one */
#define ANSWERS_MAX 256

struct answer {
    guint64 id;
    char *outcome, *message, *user;
    guint32 uid;
    GVariant *groups;
};

struct host {
    char *dir; /* accounts, PAM services, configuration; new-password: what was set */
    GSubprocess *process;
    int control;
    GDBusConnection *connection;
    PeerHost1 *proxy;
    struct answer answers[ANSWERS_MAX];
    guint n_answers;
    bool connected;
};

/* fault: XAPID_FAULT, or NULL. */
void host_start(struct host *host, const char *fault);
/* The same with this machine's own PAM services instead of libpam-wrapper, which has room for 62
 * processes at once; accounts and passwords are the test's all the same. */
void host_start_unwrapped(struct host *host, const char *fault);
/* Gives it a new peer and drops the old one. */
void host_connect(struct host *host);
void host_stop(struct host *host);

/* Turns the main loop until there are `count` answers, at most `seconds`. */
void host_wait(struct host *host, guint count, guint seconds);
const struct answer *host_answer(struct host *host, guint64 id);
/* One Authenticate; the outcome, borrowed. */
const char *host_authenticate(struct host *host, const char *user, const char *password);
void host_begin(struct host *host, guint64 id, const char *user, const char *password);
/* Turns the main loop for so long. */
void turn(guint milliseconds);

pid_t host_pid(const struct host *host);
/* Its running children; at most `max`. */
guint host_children(const struct host *host, pid_t *ret_pids, guint max);

#endif
