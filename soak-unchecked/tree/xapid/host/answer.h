/* What a storage driver answered, made into values of known types: a driver may be anybody's
 * program. Pure, any thread. */
#ifndef XAPID_HOST_ANSWER_H
#define XAPID_HOST_ANSWER_H

#include <glib.h>

/* text: what the driver wrote.  The a{sv} of those members of its result that
 * docs/storage-driver.md names, each of the type that it says; others are left out.  NULL with the
 * error that the driver tells, or SR_BACKEND_FAILURE when it tells nothing that can be understood.
 */
GVariant *answer_parse(const char *text, gsize length, GError **error);

#endif
