/* Runs a tool: by its whole path, with an argument vector, an empty environment, no shell. */
#ifndef XAPID_STORAGE_TOOL_H
#define XAPID_STORAGE_TOOL_H

#include <glib.h>
#include <stdbool.h>

#define QEMU_IMG "/usr/bin/qemu-img"
#define TOOL_SECONDS 100 /* tool_ask: for its whole run */

/* folder: a descriptor that the tool may use too, as /proc/self/fd/FOLDER; -1: none.  argv ends
 * with NULL.  The tool dies with its caller.  False with its last words in *ret_words (the
 * caller's). */
bool tool_run(int folder, const char *const *argv, char **ret_words);
/* The same of a tool that says "(PERCENT/100%)" again and again, as qemu-img -p does; that is
 * passed on as the progress of this driver's call, whose answer has no end before the tool. */
bool tool_run_long(int folder, const char *const *argv, char **ret_words);
/* A tool that must not die in the middle of its work: it has a session of its own, and hears of its
 * caller's death as of an interruption (SIGINT), which ends it where that does no harm.  It hears
 * the same after TOOL_SECONDS; then it is not waited for any more.  What it printed is in
 * *ret_output (the caller's); false with its last words in *ret_words (the caller's). */
bool tool_ask(const char *const *argv, char **ret_output, char **ret_words);

#endif
