/* Runs a tool: by its whole path, with an argument vector, an empty environment, no shell. */
#ifndef XAPID_STORAGE_TOOL_H
#define XAPID_STORAGE_TOOL_H

#include <glib.h>
#include <stdbool.h>

#define QEMU_IMG "/usr/bin/qemu-img"

/* folder: a descriptor that the tool may use too, as /proc/self/fd/FOLDER; argv ends with NULL.
 * The tool dies with its caller.  False with its last words in *ret_words (the caller's). */
bool tool_run(int folder, const char *const *argv, char **ret_words);

#endif
