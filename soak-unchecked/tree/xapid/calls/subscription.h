/* Which objects a client of event.from or event.register wants to hear of.  Plain values. */
#ifndef XAPID_CALLS_SUBSCRIPTION_H
#define XAPID_CALLS_SUBSCRIPTION_H

#include <glib.h>
#include <stdbool.h>

#include "lib/datamodel/datamodel.h"

struct subscription;

/* Of strings ("as"), each as for subscription_add (); the caller frees.  NULL with
 * EVENT_SUBSCRIPTION_PARSE_FAILURE [text]. */
struct subscription *subscription_parse(GVariant *strings, GError **error);
void subscription_free(struct subscription *subscription);

/* "*", "class" or "class/ref"; a class that we do not have never has events. */
bool subscription_add(struct subscription *subscription, const char *text, GError **error);
/* Takes back what was added by the same text. */
void subscription_remove(struct subscription *subscription, const char *text);

bool subscription_wants(const struct subscription *subscription, const struct dm_class *cls,
                        const char *ref);
/* Some object of the class. */
bool subscription_wants_class(const struct subscription *subscription, const struct dm_class *cls);
/* Of nothing but tasks. */
bool subscription_is_of_tasks(const struct subscription *subscription);

#endif
