/* Values that may not fit a D-Bus message: serialised in a memfd that goes with it and can no
 * longer change.  The argument in the interface is of type h. */
#ifndef XAPID_LIB_BULK_H
#define XAPID_LIB_BULK_H

#include <gio/gio.h>
#include <gio/gunixfdlist.h>

#define BULK_MAX (64 * 1024 * 1024) /* bytes of a value */

/* Value is sunk.  Returns the handle that stands for it in the message (floating), which *ret_fds
 * goes with; NULL with INTERNAL_ERROR. */
GVariant *bulk_pack(GVariant *value, GUnixFDList **ret_fds, GError **error);
/* The value behind a handle, a full reference to a mapping of the memfd.  Nothing is taken for
 * granted: INTERNAL_ERROR unless the descriptor is there, is sealed against every change, is not
 * beyond BULK_MAX and holds a normal value of `type`. */
GVariant *bulk_unpack(GVariant *handle, GUnixFDList *fds, const char *type, GError **error);

#endif
