/* Runs storage drivers: one process a call, with its call on standard input, the answer on standard
 * output, nothing else inherited, and an end to its time, memory and words.  Main loop only;
 * SIGPIPE must be ignored. */
#ifndef XAPID_HOST_DRIVER_H
#define XAPID_HOST_DRIVER_H

#include <glib.h>
#include <stdbool.h>

#define DRIVER_ANSWER_MAX (64 * 1024 * 1024) /* bytes */
#define DRIVER_SECONDS 300                   /* then SIGKILL, with what it started */
#define DRIVER_COPY_SECONDS (24 * 60 * 60)   /* the same for what is as long as a disk */

struct driver_run;

/* result (a{sv}) and error are borrowed; one of them is NULL. */
typedef void (*driver_done_fn)(GVariant *result, const GError *error, void *data);
/* How far it is, 0..1, as it says itself. */
typedef void (*driver_moved_fn)(double fraction, void *data);

/* A name of letters, digits and dashes that begins with a letter. */
bool driver_name_is_valid(const char *name);
/* Starts it; args a{sv} or NULL; moved may be NULL.  NULL with an error (and no call of done) when
 * there is no such driver: SR_UNKNOWN_DRIVER [name]. */
struct driver_run *driver_run(const char *folder, const char *name, const char *call,
                              GVariant *args, driver_moved_fn moved, driver_done_fn done,
                              void *data, GError **error);
/* Ends it: TASK_CANCELLED, unless it has answered already. */
void driver_run_kill(struct driver_run *run);
/* The names of the folder's programs, sorted; NULL terminated, the caller frees. */
char **driver_list(const char *folder);

#endif
