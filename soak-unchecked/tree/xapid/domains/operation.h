/* The operation table: what xapid asked for, from Start to Forget, and a queue for each domain so
 * that one operation at a time works on it.  A shutdown that waits for its guest holds no worker
 * and lets others work on the domain: a destroy ends it.  Main loop only; dies with the process. */
#ifndef XAPID_DOMAINS_OPERATION_H
#define XAPID_DOMAINS_OPERATION_H

#include <glib.h>
#include <stdbool.h>

#include "xapid/domains/pool.h"

struct operations;

/* error "as" (empty on success), result a{sv}; both borrowed. */
typedef void (*operation_done_fn)(const char *op_id, GVariant *error, GVariant *result, void *data);

struct operations *operations_new(struct pool *pool, operation_done_fn done, void *data);
void operations_free(struct operations *operations);

/* Nothing runs until then: what a predecessor left half done is being removed. */
void operations_open(struct operations *operations);

/* False: the table is full.  All else that is wrong is told as the operation's Done. */
bool operations_start(struct operations *operations, const char *op_id, const char *verb,
                      const char *uuid, GVariant *args, GError **error);
void operations_abort(struct operations *operations, const char *op_id);
void operations_forget(struct operations *operations, const char *op_id);
/* a(ssss), floating. */
GVariant *operations_list(struct operations *operations);
/* A domain changed ("": any): shutdowns that wait for it look. */
void operations_changed(struct operations *operations, const char *uuid);

#endif
