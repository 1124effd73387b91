/* Checks that every argument of a caller goes through: uuids, operation ids, and which keys of
 * which types a map holds.
 *
 * Both the parent and the worker make them, since neither trusts who asks.  Every refusal is
 * INVALID_VALUE [argument, value].  Pure functions, any thread. */
#ifndef XAPID_DOMAINS_ARGUMENT_H
#define XAPID_DOMAINS_ARGUMENT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* A value is cut to what shows which it is.  Both always return false. */
bool argument_refuse(GError **error, const char *argument, const char *value);
bool argument_refuse_int(GError **error, const char *argument, int64_t value);

bool uuid_check(const char *uuid, GError **error);
bool op_id_check(const char *op_id, GError **error);

struct argument_key {
    const char *name, *type; /* GVariant type */
    bool required;
};
/* That an a{sv} holds each of `keys` at most once and of its type, all required ones, and no other:
 * that one is refused as a value of `what`. */
bool argument_keys_check(const char *what, GVariant *args, const struct argument_key *keys,
                         gsize n_keys, GError **error);

#endif
