/* How xapid's programs talk: D-Bus peer to peer over socketpairs that xapid-launch makes.
 *
 * xapid-launch starts each program with descriptor CONTROL_FD, a SOCK_SEQPACKET socket on which it
 * sends one descriptor a message, named by the message's text:
 *
 *     "listen https"  "listen http"  "listen unix"    listening sockets (to xapid)
 *     "peer domains"  "peer host"                     one end of a socketpair (to xapid)
 *     "peer xapid"                                    the other end (to xapid-domains, xapid-host)
 *
 * A name may come more than once: with several listen addresses xapid gets several "listen http".
 * When a program is restarted, the program at the other side gets a new "peer" and drops the old
 * one.  A program writes "ready" once it serves.  When the control socket hangs up, xapid-launch is
 * gone and the program ends (guests and their QEMUs go on).
 *
 * Main loop only. */
#ifndef XAPID_LIB_PEER_H
#define XAPID_LIB_PEER_H

#include <gio/gio.h>
#include <stdbool.h>

#define CONTROL_FD 3
#define PEER_MESSAGE_MAX (1024 * 1024) /* bytes of one D-Bus message; larger ones are refused */
#define PEER_CALL_TIMEOUT_MS 10000     /* of a method call: calls only start things */

/* The text of a control message, with its NUL. */
#define CONTROL_NAME_MAX 32

struct control;

/* `name` is the text of the message; the callback takes `fd`. */
typedef void (*control_fd_fn)(const char *name, int fd, void *data);

/* Attaches to CONTROL_FD on the default main context.  gone () is called once when xapid-launch has
 * gone.  NULL with an error when there is no such descriptor.  Neither callback may free the
 * control, except gone (). */
struct control *control_new(control_fd_fn received, void (*gone)(void *data), void *data,
                            GError **error);
/* The same over any SOCK_SEQPACKET descriptor (taken, also on error), for tests. */
struct control *control_new_for_fd(int fd, control_fd_fn received, void (*gone)(void *data),
                                   void *data, GError **error);
void control_free(struct control *control);
void control_ready(struct control *control);

/* A D-Bus connection over `fd` (taken), which is one end of a socketpair.  The side with server =
 * true authenticates: xapid-domains and xapid-host are servers, xapid is their client.
 * Asynchronous; finish returns a full reference.  Both sides refuse a socketpair that neither root
 * nor their own uid made; since only xapid-launch hands the ends out, holding one is what lets
 * xapid, another user, in.
 *
 * No message is handled before `ready` has returned: objects that it exports and signals that it
 * connects miss nothing.  A connection that went says so by GDBusConnection::closed.  A message
 * beyond PEER_MESSAGE_MAX is refused by its receiver: a call is answered LIMITS_EXCEEDED, a reply
 * becomes that error, a signal is dropped.
 *
 * latest: NULL, or where the caller keeps what is under way, NULL at first.  Connecting takes a
 * moment, and of two peers the one that came last is the true one: an earlier one fails with
 * G_IO_ERROR_CANCELLED, even if it is there. */
void peer_connect(int fd, bool server, GCancellable **latest, GAsyncReadyCallback ready,
                  gpointer data);
/* What is under way fails with G_IO_ERROR_CANCELLED. */
void peer_connect_cancel(GCancellable **latest);
GDBusConnection *peer_connect_finish(GAsyncResult *result, GError **error);

#endif
