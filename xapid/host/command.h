/* Runs a program of the system's to its end, without a shell.  Main loop only. */
#ifndef XAPID_HOST_COMMAND_H
#define XAPID_HOST_COMMAND_H

#include <gio/gio.h>
#include <stdbool.h>

#define SYSTEMCTL "/usr/bin/systemctl"

/* error: NULL when the command ended well; borrowed. */
typedef void (*command_done_fn)(const GError *error, void *data);
/* command: NULL terminated, borrowed.  `done` is called later. False with an error: it could not be
 * started. */
bool command_run(const char *const *command, command_done_fn done, void *data, GError **error);

#endif
