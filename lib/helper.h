/* Helpers: programs of ours that others of ours start, and that lie beside these. */
#ifndef XAPID_LIB_HELPER_H
#define XAPID_LIB_HELPER_H

#include <stdbool.h>

/* The path of one; the caller's. */
char *helper_path(const char *program);
/* How one begins that takes no arguments and then confines itself: it logs, and has what the C
 * library would look for in files later.  False: it is to end with that status, for it has said its
 * --version, or was given arguments. */
bool helper_begin(const char *program, int argc, char **argv, int *ret_status);

#endif
