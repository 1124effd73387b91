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
    bool converted;   /* params have the types of the message, up to the first that does not fit */
    GError *unfit;    /* what is wrong with that one */
};

/* Frees the contents; the struct may be cleared again. */
void rpc_request_clear(struct rpc_request *request);
/* The GVariant of `type` from an untyped value.  Lenient as XAPI is: integers and floats also as
 * text, enums in any case, an empty reference is REF_NULL, dates in both forms, null as void.
 * Booleans are JSON's and <boolean> only.
 *
 * A record holds the members that were given and understood: one that is null, or an empty text
 * where a date, number or enum belongs, counts as not given, and so does a read-only one that
 * cannot be understood; members that the class does not have are ignored.  Whoever makes a row of
 * it adds the defaults (dm_field_default ()) and asks for what is `required`.
 *
 * `what` names the parameter or field in the error: INVALID_VALUE [what, text].  A full reference,
 * or NULL. */
GVariant *rpc_value_convert(const struct dm_type *type, GVariant *untyped, const char *what,
                            GError **error);

/* Appends a record as replies of the dialect have it; both of JSON have the same.  values: one for
 * each field of the class in its order, borrowed; NULL leaves the member out, internal fields
 * always are. */
void rpc_record_encode(GString *out, enum rpc_dialect dialect, const struct dm_class *cls,
                       GVariant *const *values);

/* The reply of get_all_records in pieces, in the request's dialect, so that it need not exist as a
 * whole: begin, any number of records (first: true for the first one), end. */
void rpc_records_begin(GString *out, const struct rpc_request *request);
void rpc_records_add(GString *out, const struct rpc_request *request, bool first, const char *ref,
                     const GString *record);
void rpc_records_end(GString *out, const struct rpc_request *request);

/* The same for events.  record: that of the row; NULL: it is gone, and there is no snapshot.  A
 * batch, with counts ("valid_ref_counts", a{si}) and token, is the reply of event.from; token NULL:
 * the array alone, that of event.next. */
struct rpc_event {
    const char *id;
    const char *operation;
    const char *ref;
    const struct dm_class *cls;
    const GString *record;
};
void rpc_events_begin(GString *out, const struct rpc_request *request, bool batch);
void rpc_events_add(GString *out, const struct rpc_request *request, bool first,
                    const struct rpc_event *event);
void rpc_events_end(GString *out, const struct rpc_request *request, GVariant *counts,
                    const char *token);

/* "20261122T23:36:28Z" (always UTC, whole seconds, years 0000 to 9999) <-> microseconds since 1970.
 * Reading takes the hyphenated and RFC 3339 forms too, with fraction and offset; no zone means UTC.
 */
char *datetime_format(gint64 usec);
void datetime_append(GString *out, gint64 usec);
bool datetime_parse(const char *text, gint64 *ret_usec);

#endif
