/* Opens guests' consoles for those who look at them; a worker knows where they are.  Main loop. */
#ifndef XAPID_DOMAINS_CONSOLES_H
#define XAPID_DOMAINS_CONSOLES_H

#include <gio/gio.h>

#include "xapid/domains/pool.h"

struct consoles;

/* run_dir: as terminals_new () has it. */
struct consoles *consoles_new(const char *run_dir);
void consoles_free(struct consoles *consoles);
/* From now on they are there; who came before is told to come again. */
void consoles_attend(struct consoles *consoles, struct pool *pool);
/* Answers Console (taken), once it can. */
void consoles_open(struct consoles *consoles, GDBusMethodInvocation *invocation, const char *uuid,
                   const char *kind);

#endif
