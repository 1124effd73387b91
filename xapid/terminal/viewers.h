/* Those who look at the screen: by RFB (libvncserver), or as text, byte for byte.  One thread. */
#ifndef XAPID_TERMINAL_VIEWERS_H
#define XAPID_TERMINAL_VIEWERS_H

#include <glib.h>
#include <poll.h>
#include <stdbool.h>

#include "xapid/terminal/screen.h"
#include "xapid/terminal/terminal.h"

/* Beyond which one who looks is let go. */
#define VIEWER_TEXT_MAX (256 * 1024) /* bytes of text that he has not taken */
#define VIEWER_STALL_MS 5000         /* in which he takes nothing of the screen */

struct viewers;

/* typed: what came from one who looks at text. */
struct viewers *viewers_new(struct screen *screen,
                            void (*typed)(const char *bytes, gsize length, void *data), void *data);
void viewers_free(struct viewers *viewers);
/* Takes fd; kind as in terminal.h. */
void viewers_add(struct viewers *viewers, char kind, int fd);
guint viewers_count(const struct viewers *viewers);

/* What the guest wrote, for those who look at text. */
void viewers_show(struct viewers *viewers, const void *bytes, gsize length);
/* What has changed, for the others. */
void viewers_draw(struct viewers *viewers);
void viewers_bell(struct viewers *viewers);

/* Fills in what is to be waited for: at most TERMINAL_VIEWERS_MAX. */
guint viewers_wait(const struct viewers *viewers, struct pollfd *fds);
/* Serves whoever can be. */
void viewers_serve(struct viewers *viewers);

#endif
