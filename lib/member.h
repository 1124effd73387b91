/* The members of an a{sv}, with a value of rest for what is not there or of another type.  Any
 * thread. */
#ifndef XAPID_LIB_MEMBER_H
#define XAPID_LIB_MEMBER_H

#include <glib.h>
#include <stdbool.h>

/* Borrowed; "" when it is not there. */
const char *member_text(GVariant *members, const char *name);
/* false when it is not there. */
bool member_flag(GVariant *members, const char *name);

#endif
