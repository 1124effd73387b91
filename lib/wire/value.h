/* Untyped values as they come off the wire, before the data model has given them a type.
 *
 * Both codecs parse into this form; rpc_value_convert () turns a value into the GVariant of an
 * XenAPI type.  Representation of an untyped value, itself a GVariant (wrapped in nothing):
 *
 *   ()   null / nil            b    boolean             x    JSON integer, <int>, <i4>, <i8>
 *   d    JSON number, <double> s    text (also untagged, and <dateTime.iso8601>)
 *   av   array                 a{sv} object / struct (a repeated key: the last one counts)
 */
#ifndef XAPID_LIB_VALUE_H
#define XAPID_LIB_VALUE_H

#include <glib.h>
#include <stdbool.h>

#include "lib/datamodel/datamodel.h"

enum rpc_dialect {
    RPC_XML,
    RPC_JSON1,
    RPC_JSON2,
};

struct rpc_request {
    enum rpc_dialect dialect;
    char *method;
    GVariant *params; /* av of untyped values */
    GVariant *id;     /* JSON: x or s; NULL for XML-RPC */
};

/* Frees the contents; the struct may be cleared again. */
void rpc_request_clear(struct rpc_request *request);
/* The GVariant of `type` from an untyped value.  Lenient as XAPI is: integers and floats also as
 * text, dates in both forms, booleans in JSON and <boolean> only, null as the empty value of void,
 * missing record members as the model's default, sets of references default to empty, extra members
 * ignored.  `what` names the parameter or field in the error: INVALID_VALUE [what, text].
 * A full reference, or NULL. */
GVariant *rpc_value_convert(const struct dm_type *type, GVariant *untyped, const char *what,
                            GError **error);

/* "20261122T23:36:28Z" (always UTC, whole seconds) <-> microseconds since 1970.  Reading takes the
 * hyphenated and RFC 3339 forms too; no zone means UTC. */
char *datetime_format(gint64 usec);
bool datetime_parse(const char *text, gint64 *ret_usec);

#endif
