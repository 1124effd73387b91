/* The client's side of an interface that has Start, Done, Abort, Forget and Operations, as
 * org.xapid.Domains1 describes them, and of questions beside them.
 *
 * Survives the other side: what was started is started again, with the same op_id, on each new
 * connection (a repeat is a no-op there), and a question that has no answer is asked again; so a
 * caller sees exactly one end.  Main loop only. */
#ifndef XAPID_LIB_PEER_CLIENT_H
#define XAPID_LIB_PEER_CLIENT_H

#include <gio/gio.h>
#include <stdbool.h>

struct peer_client;

/* error is borrowed, an API_ERROR, or NULL for success; result is borrowed, NULL on error. */
typedef void (*peer_done_fn)(const GError *error, GVariant *result, void *data);

/* Without a connection. */
struct peer_client *peer_client_new(const char *object_path, const char *interface);
/* What has no end yet never hears of one. */
void peer_client_free(struct peer_client *client);
/* NULL: the connection was lost.  Everything that has no end yet is sent. */
void peer_client_set_connection(struct peer_client *client, GDBusConnection *connection);
/* Calls `handler` for a signal of the interface, on each connection. */
void peer_client_on_signal(struct peer_client *client, const char *signal,
                           void (*handler)(GVariant *parameters, void *data), void *data);

/* params: all of Start's, whose first is op_id; sunk when floating.  result: a{sv}. */
void peer_client_start(struct peer_client *client, const char *op_id, GVariant *params,
                       peer_done_fn done, void *data);
void peer_client_abort(struct peer_client *client, const char *op_id);
/* params: the method's, sunk when floating; NULL: none.  result: its one answer, a value of `type`,
 * in the message or behind a descriptor (lib/peer/bulk.h). */
void peer_client_ask(struct peer_client *client, const char *method, GVariant *params,
                     const char *type, peer_done_fn done, void *data);
/* The same of a question that the peer may need so much longer for. */
void peer_client_ask_long(struct peer_client *client, const char *method, GVariant *params,
                          const char *type, int timeout_ms, peer_done_fn done, void *data);

/* For calls of another form: NULL without a connection; borrowed until it is lost. */
GDBusProxy *peer_client_proxy(const struct peer_client *client);

#endif
