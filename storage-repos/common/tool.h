/* Runs a tool: by its whole path, with an argument vector, an empty environment, no shell. */
#ifndef XAPID_STORAGE_TOOL_H
#define XAPID_STORAGE_TOOL_H

#include <glib.h>
#include <stdbool.h>

/* folder: a descriptor that the tool may use too, as /proc/self/fd/FOLDER; argv ends with NULL.
 * False with the tool's last words in *ret_words (the caller's). */
bool tool_run(int folder, const char *const *argv, char **ret_words);

#endif
