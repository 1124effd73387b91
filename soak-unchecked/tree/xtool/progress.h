/* The line on the terminal of a call that takes its time: what is done, a bar, percent, seconds. It
 * stands on stderr from PROGRESS_AFTER_MS on, is drawn again in place, and is wiped when the answer
 * is there.  How far it is the server is asked meanwhile, over a connection of its own. */
#ifndef XAPID_XTOOL_PROGRESS_H
#define XAPID_XTOOL_PROGRESS_H

#include <libsoup/soup.h>
#include <stdbool.h>

#include "lib/datamodel/datamodel.h"

#define PROGRESS_AFTER_MS 1000  /* and again after as long */
#define PROGRESS_UNKNOWN (-1.0) /* a fraction */
#define PROGRESS_WIDTH 80       /* of a terminal that does not tell */
#define PROGRESS_TASKS_MAX 8    /* of the session's, that are looked at to find the call's */
#define PROGRESS_REPLY_MAX (64UL * 1024) /* bytes of an answer about a task */

struct progress;

/* The HTTP request of a call whose only parameter, after the session, is `self`; NULL: there can be
 * none now. */
typedef SoupMessage *(*progress_request_fn)(void *data, const struct dm_message *message,
                                            GVariant *self);

/* http and data are borrowed, and outlive it.  session: whose tasks tell how far a call is; NULL:
 * nothing does. */
struct progress *progress_new(SoupSession *http, GVariant *session, progress_request_fn request,
                              void *data);
/* NULL is fine. */
void progress_free(struct progress *progress);
/* The calls from now on are for this one of so many objects; of several the line says which. */
void progress_part(struct progress *progress, unsigned part, unsigned parts);

/* As soup_session_send (), with the line.  name: of the message that is called.  Turns the default
 * main loop. */
GInputStream *progress_send(struct progress *progress, SoupMessage *request, const char *name,
                            GCancellable *interrupt, GError **error);

/* Draws that line for what the caller knows himself (`name`, since `began`, of the monotonic
 * clock), and wipes it. */
void progress_draw(const char *name, double fraction, gint64 began);
void progress_wipe(void);

/* The line, of at most `width` columns and without anything that a terminal would obey; the
 * caller's.  fraction: 0..1, or PROGRESS_UNKNOWN. */
char *progress_line(const char *name, double fraction, unsigned seconds, unsigned width);

#endif
