/* A file that a command writes: it is there under its name when it is whole, and not before. */
#ifndef XAPID_XTOOL_OUTPUT_H
#define XAPID_XTOOL_OUTPUT_H

#include <glib.h>
#include <stdbool.h>

#define OUTPUT_STANDARD "-" /* as a file: standard input or output */

struct output {
    const char *path; /* borrowed */
    char *partial;    /* NULL: standard output */
    int fd;
};

/* One that is there is not written over. */
bool output_open(struct output *output, const char *path, GError **error);
/* ok: it is whole.  Closes it. */
bool output_close(struct output *output, bool ok, GError **error);
/* errno as a message about a file; false. */
bool output_failed(const char *path, GError **error);

#endif
