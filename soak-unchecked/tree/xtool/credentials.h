/* User and password of a login: from the arguments, a file, or the terminal. */
#ifndef XAPID_XTOOL_CREDENTIALS_H
#define XAPID_XTOOL_CREDENTIALS_H

#include <glib.h>
#include <stdbool.h>

#include "xtool/args.h"

/* As username=, password= and passwordfile= say; what is missing is asked for on the terminal, by
 * the server's name.  here: over this host's socket, where root needs no password.  The strings are
 * the caller's, who wipes the password. */
bool credentials_find(struct args *args, const char *server, bool here, char **ret_user,
                      char **ret_password, GError **error);

#endif
