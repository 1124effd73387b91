/* Short-lived children of xapid-host: the same program again with a mode option, its request on
 * standard input and its answer on standard output.  What PAM or NSS modules do there - hang,
 * crash, leak - ends with the child.  Main loop only. */
#ifndef XAPID_HOST_CHILD_H
#define XAPID_HOST_CHILD_H

#include <gio/gio.h>

#define CHILD_REQUEST_MAX 4096         /* bytes */
#define CHILD_ANSWER_MAX (1024 * 1024) /* bytes; 65536 groups are a quarter of it */
#define CHILD_FIELDS_MAX 4

/* Each NULL terminated; an empty answer or one of another type is a failure. */
struct child_request {
    const char *mode;                         /* "--authenticate" ... */
    const char *fields[CHILD_FIELDS_MAX + 1]; /* no field holds a NUL: they go NUL terminated */
    const char *answer_type;                  /* GVariant type string */
    guint seconds;                            /* then SIGKILL */
};

/* `answer` is borrowed; NULL with an error when the child was killed, died or talked nonsense. */
typedef void (*child_done_fn)(GVariant *answer, const GError *error, gpointer data);

/* Starts a child.  False with an error (and no call of done) when that fails. */
gboolean child_run(const struct child_request *request, child_done_fn done, gpointer data,
                   GError **error);

/* --- in the child --- */

/* Reads the request: at most `n` fields, exactly `n` of them else FALSE.  The fields point into
 * `buffer`, which the caller wipes. */
gboolean child_read(char buffer[CHILD_REQUEST_MAX], const char *fields[], guint n);
/* Standard output for the answer alone: what modules print goes to standard error.  Also makes this
 * process one that dies with its parent, in a session of its own and without core dumps.  Returns
 * the descriptor for child_answer. */
int child_begin(void);
/* Takes a floating answer. */
void child_answer(int fd, GVariant *answer);

#endif
