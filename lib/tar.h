/* Headers of members of a tar, in the form of POSIX (ustar) that XVAs have.  Any thread. */
#ifndef XAPID_LIB_TAR_H
#define XAPID_LIB_TAR_H

#include <glib.h>
#include <stdbool.h>

#define TAR_BLOCK                                                                                  \
    512 /* a header; what a member has is followed by zeros up to a multiple of it                 \
         */
#define TAR_NAME_MAX 100
#define TAR_END_BLOCKS 2 /* of zeros, at the end */

/* Of a file of that length, which fits into 11 octal digits; name: at most TAR_NAME_MAX bytes. */
void tar_header_write(guint8 *header, const char *name, gint64 length);
struct tar_member {
    char name[TAR_NAME_MAX + 1];
    gint64 length;
    bool end; /* it is no member, but the end */
};
/* What a header that somebody else wrote says; NULL, or what is wrong with it (a literal).  Only of
 * files, with names that need no second header. */
const char *tar_header_read(const guint8 *header, struct tar_member *ret_member);
/* The zeros behind it. */
gsize tar_padding(gint64 length);

#endif
