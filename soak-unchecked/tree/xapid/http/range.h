/* Parts of a body: the header fields Range and Content-Range of RFC 9110, in bytes. */
#ifndef XAPID_HTTP_RANGE_H
#define XAPID_HTTP_RANGE_H

#include <glib.h>
#include <stdbool.h>

enum range { RANGE_NONE, RANGE_PART, RANGE_BEYOND };

/* One part of `size` bytes.  RANGE_NONE: the whole (no field, several parts, or what nobody knows);
 * RANGE_BEYOND: 416. */
enum range range_asked(const char *field, gint64 size, gint64 *ret_offset, gint64 *ret_length);
/* "bytes FIRST-LAST/SIZE", or "*" for SIZE; false when it is anything else. */
bool range_given(const char *field, gint64 *ret_offset, gint64 *ret_length);

#endif
