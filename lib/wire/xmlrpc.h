/* XML-RPC as the XenAPI speaks it: bytes <-> GVariant, directed by the data model's types.
 *
 * Pure functions on immutable input, callable from any thread.  Input is never trusted: no DTD, no
 * entities beyond XML's five, no network; limits below.  Facts: integers are bare strings both
 * ways, references and enums strings, dates YYYYMMDDTHH:MM:SSZ. */
#ifndef XAPID_LIB_XMLRPC_H
#define XAPID_LIB_XMLRPC_H

#include <glib.h>
#include <stdbool.h>

#include "lib/datamodel/datamodel.h"
#include "lib/wire/value.h"

#define XMLRPC_MAX_DEPTH 64       /* nested elements */
#define XMLRPC_MAX_VALUES 1000000 /* values in one text; a client reads replies without it */

/* A parsed request.  The parameters are untyped until the method is known.  Errors:
 * XMLRPC_UNMARSHAL_FAILURE [expected, received]; INVALID_VALUE when the body is not UTF-8 or holds
 * characters that XML forbids. */
bool xmlrpc_request_parse(const char *body, size_t length, struct rpc_request *ret_request,
                          GError **error);

/* Appends a whole document: Status Success with `value` of `type`.  bare: the value alone, without
 * the struct (system.listMethods). */
void xmlrpc_reply_success(GString *out, const struct dm_type *type, GVariant *value, bool bare);
/* Status Failure with ErrorDescription. */
void xmlrpc_reply_failure(GString *out, const GError *error);

/* One <value>...</value> element: task.result, ova.xml. */
void xmlrpc_value_encode(GString *out, const struct dm_type *type, GVariant *value);
/* The reverse, a full reference; untyped when type is NULL. */
GVariant *xmlrpc_value_decode(const struct dm_type *type, const char *text, size_t length,
                              GError **error);

/* A record from the values of its fields: see rpc_record_encode (). */
void xmlrpc_record_encode(GString *out, const struct dm_class *cls, GVariant *const *values);
/* An event, and what stands around several: see rpc_events_add (). */
void xmlrpc_event_encode(GString *out, const struct rpc_event *event);
void xmlrpc_events_begin(GString *out, bool batch);
void xmlrpc_events_end(GString *out, GVariant *counts, const char *token);
/* What stands around the value of a successful reply, for replies that are written in pieces. */
void xmlrpc_reply_begin(GString *out);
void xmlrpc_reply_end(GString *out);
/* Text with markup escaped and characters that XML forbids left out. */
void xmlrpc_text_append(GString *out, const char *text);

/* Client side (xtool, tests): a request, and the reply's value (of `type`; untyped when NULL) or
 * the server's error. */
void xmlrpc_request_encode(GString *out, const char *method, const struct dm_type *const *types,
                           GVariant *const *params, unsigned n_params);
GVariant *xmlrpc_reply_parse(const struct dm_type *type, const char *body, size_t length,
                             GError **error);

#endif
