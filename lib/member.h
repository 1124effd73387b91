/* The members of an a{sv}, or texts of an a{ss}, with a value of rest for what is not there or of
 * another type.  Any thread. */
#ifndef XAPID_LIB_MEMBER_H
#define XAPID_LIB_MEMBER_H

#include <glib.h>
#include <stdbool.h>

/* Borrowed; "" when it is not there. */
const char *member_text(GVariant *members, const char *name);
/* 0 when it is not there. */
gint64 member_int(GVariant *members, const char *name);
/* false when it is not there. */
bool member_flag(GVariant *members, const char *name);
/* A list (av, as JSON has it) of texts: the caller's; NULL when it is not there.  False when it
 * holds anything else. */
bool member_texts(GVariant *members, const char *name, char ***ret_texts);

#endif
