/* What a storage driver answered, made into values of known types: a driver may be anybody's
 * program. Pure, any thread. */
#ifndef XAPID_HOST_ANSWER_H
#define XAPID_HOST_ANSWER_H

#include <glib.h>

/* untyped: an object as lib/wire/value.h has it.  The a{sv} of those members that
 * docs/storage-driver.md names, each of the type that it says; others are left out.  NULL with
 * SR_BACKEND_FAILURE when one is of another type. */
GVariant *answer_check(GVariant *untyped, GError **error);

#endif
