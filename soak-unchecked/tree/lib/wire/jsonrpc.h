/* JSON-RPC 1.0 and 2.0 as the XenAPI speaks it: bytes <-> GVariant, directed by the data model's
 * types; on yajl, which no other file uses.  Pure functions, any thread.  Input is never trusted.
 */
#ifndef XAPID_LIB_JSONRPC_H
#define XAPID_LIB_JSONRPC_H

#include <glib.h>
#include <stdbool.h>

#include "lib/datamodel/datamodel.h"
#include "lib/wire/value.h"

#define JSONRPC_MAX_DEPTH 48 /* an untyped value nests two GVariants a level, of 128 at most */
#define JSONRPC_MAX_VALUES 1000000 /* values in one text; a client reads replies without it */

/* method, params and id as given; version 2 when "jsonrpc" is "2.0", 1 when it is missing.  On
 * error ret_request is still initialised, with the dialect and id as far as they were understood,
 * so that the failure can be answered in the right form; clear it in both cases.  Errors:
 * XMLRPC_UNMARSHAL_FAILURE [expected, received] (the documented code has no JSON sister), or
 * INVALID_VALUE for text that is not UTF-8 or holds characters that XML forbids. */
bool jsonrpc_request_parse(const char *body, size_t length, struct rpc_request *ret_request,
                           GError **error);

/* Whole replies.  Version 2 success has no "error" member; failure has code 1, message, data. */
void jsonrpc_reply_success(GString *out, const struct rpc_request *request,
                           const struct dm_type *type, GVariant *value);
void jsonrpc_reply_failure(GString *out, const struct rpc_request *request, const GError *error);

/* A record from the values of its fields: see rpc_record_encode (). */
void json_record_encode(GString *out, const struct dm_class *cls, GVariant *const *values);
/* An event, and what stands around several: see rpc_events_add (). */
void json_event_encode(GString *out, const struct rpc_event *event);
void json_events_begin(GString *out, bool batch);
void json_events_end(GString *out, GVariant *counts, const char *token);
/* What stands around the result of a successful reply, for replies that are written in pieces. */
void jsonrpc_reply_begin(GString *out, const struct rpc_request *request);
void jsonrpc_reply_end(GString *out, const struct rpc_request *request);
/* A string with its quotes. */
void json_text_append(GString *out, const char *text);

/* A value alone, and any JSON text as an untyped value (see value.h).  Depth and count limited.
 * JSON has no NaN and no infinities: they are written as 0 and as the largest finite numbers. */
void json_value_encode(GString *out, const struct dm_type *type, GVariant *value);
GVariant *json_parse(const char *text, size_t length, GError **error);
/* An untyped value (or any GVariant of s, b, x, d, as, a{ss}, av, a{sv}) as JSON text. */
void json_untyped_encode(GString *out, GVariant *untyped);

/* Client side (xtool, tests), version 2: a request, and the reply's result (of `type`; untyped when
 * NULL) or the server's error. */
void jsonrpc_request_encode(GString *out, gint64 id, const char *method,
                            const struct dm_type *const *types, GVariant *const *params,
                            unsigned n_params);
GVariant *jsonrpc_reply_parse(const struct dm_type *type, const char *body, size_t length,
                              GError **error);

#endif
