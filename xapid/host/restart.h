/* Answers a method that has written a service's file, and has that service read it. */
#ifndef XAPID_HOST_RESTART_H
#define XAPID_HOST_RESTART_H

#include <gio/gio.h>

/* command: a systemctl's, static and NULL terminated; NULL: nobody has to read it.  failed (taken):
 * why the file was not written, which is what is answered.  Main loop only. */
void restart_and_answer(GDBusMethodInvocation *invocation, const char *const *command,
                        GError *failed);

#endif
