/* A question to the hypervisor for which many callers may wait: it is with a worker once at a time,
 * and who comes meanwhile waits for the next answer.  Main loop only. */
#ifndef XAPID_DOMAINS_QUESTION_H
#define XAPID_DOMAINS_QUESTION_H

#include <gio/gio.h>

#include "xapid/domains/pool.h"

struct question;

/* value: makes of the parts what is answered, behind a descriptor; NULL: the only part is answered,
 * as it is.  Keeps the verb, borrowed. */
struct question *question_new(const char *verb, GVariant *(*value)(GPtrArray *parts));
void question_free(struct question *question);
/* From now on it is asked; what came before has waited. */
void question_open(struct question *question, struct pool *pool);
/* Answers the invocation (taken) once it can.  uuid: the domain that is meant; "": all, or the
 * question is about no domain.  It is asked about one when all who wait mean that, else about all.
 */
void question_add(struct question *question, GDBusMethodInvocation *invocation, const char *uuid);

#endif
