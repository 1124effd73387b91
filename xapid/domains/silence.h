/* Whether a worker has been silent for WORKER_HANGS_S: libxl or xenstored may hang.  Logs when it
 * is so, and when it is over.  Main loop only. */
#ifndef XAPID_DOMAINS_SILENCE_H
#define XAPID_DOMAINS_SILENCE_H

#include <glib.h>
#include <stdbool.h>

struct silence {
    void (*changed)(void *data); /* `told` did */
    void *data;
    bool told;
    char *work;   /* what the worker is at; NULL: nothing that is watched */
    guint source; /* until it is told */
};

/* It begins with that work (copied), which is then what it may hang at. */
void silence_watch(struct silence *silence, const char *work);
/* It has said something. */
void silence_end(struct silence *silence);
/* Without a word. */
void silence_clear(struct silence *silence);

#endif
