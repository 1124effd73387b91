/* One program that xapid-launch keeps running: started with a control socket, ended, waited for.
 * Single thread; fork () is safe because xapid-launch never makes another. */
#ifndef XAPID_LAUNCH_PROGRAM_H
#define XAPID_LAUNCH_PROGRAM_H

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#define BACKOFF_FIRST_MS 100
#define BACKOFF_MAX_MS 5000
/* Alive so long: the next restart waits BACKOFF_FIRST_MS again. */
#define BACKOFF_FORGET_SECONDS 30

/* Who an unprivileged program runs as. */
struct user {
    uid_t uid;
    gid_t gid;
    gid_t *groups;
    int n_groups;
};

struct program {
    const char *name; /* of its file, and in messages */
    const char *peer; /* the message that names it to the other side: "peer domains" */
    char **argv;
    const struct user *user; /* NULL: as xapid-launch itself */
    pid_t pid;               /* 0: not running */
    int control;             /* our end; -1: none */
    gint64 started;          /* monotonic µs, as all times here */
    gint64 restart_at;       /* 0: not waiting */
    gint64 kill_at;          /* 0: not being ended */
    guint backoff_ms;
    guint backoff_max_ms;
};

/* Looks `name` up.  root and an unknown name are errors. */
bool user_find(const char *name, struct user *ret_user, GError **error);

/* Starts it with `environment`; the new process has CONTROL_FD, standard error and /dev/null, no
 * other descriptor, and dies with us.  Returns false when there is no process for it: it is due for
 * a restart then. */
bool program_start(struct program *program, char **environment);
/* Sends a descriptor (borrowed) under a name.  A program that takes none any more is killed. */
void program_send(struct program *program, const char *name, int fd);
/* It has ended (wait status `status`): notes when to start it again. */
void program_ended(struct program *program, int status);
/* Asks it to end; SIGKILL after `seconds`. */
void program_stop(struct program *program, guint seconds);

#endif
