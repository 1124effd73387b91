/* Text from outside: the one validator between bytes and the strings that XML and D-Bus allow. */
#ifndef XAPID_LIB_TEXT_H
#define XAPID_LIB_TEXT_H

#include <glib.h>
#include <stdbool.h>

/* True when `length` bytes are UTF-8 made only of characters that XML 1.0 allows (so no NUL).
 * length -1: up to the NUL. */
bool text_is_valid(const char *bytes, gssize length);

/* A copy in which each byte or character that is not valid stands as U+FFFD.  Never NULL. */
char *text_clean(const char *bytes, gssize length);

#endif
