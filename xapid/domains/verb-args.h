/* The verbs of Start and the arguments that each takes, checked as lib/peer/org.xapid.Domains1.xml
 * says.  Pure functions, any thread. */
#ifndef XAPID_DOMAINS_VERB_ARGS_H
#define XAPID_DOMAINS_VERB_ARGS_H

#include <glib.h>
#include <stdbool.h>

/* That a verb is known, and its uuid and arguments hold. */
bool verb_check(const char *verb, const char *uuid, GVariant *args, GError **error);
/* Seconds that a worker has for it before it is killed; also of the verbs that are no operation. */
int verb_timeout_s(const char *verb);

/* shutdown: how "poweroff" or "reboot", timeout in seconds. */
bool shutdown_args_parse(GVariant *args, bool *ret_reboot, int *ret_timeout, GError **error);

#endif
