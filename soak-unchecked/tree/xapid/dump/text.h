/* The bytes of a dump before XML is made of them. */
#ifndef XAPID_DUMP_TEXT_H
#define XAPID_DUMP_TEXT_H

#include <glib.h>
#include <stdbool.h>

/* Refuses what no dump has and XML parsers choke on: bytes that are no text, doctypes, comments,
 * further declarations, tags with endless attributes.  NULL, or what is wrong, in *ret_line. */
const char *dump_text_check(const char *text, gsize length, guint *ret_line);
/* The line on which the n-th start tag (counted from 1) begins; 0: there is none. */
guint dump_text_line(const char *text, gsize length, guint n);

#endif
