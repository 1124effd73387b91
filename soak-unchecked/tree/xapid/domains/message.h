/* Messages between the parent and its worker and events processes: one serialised GVariant a
 * packet of a SOCK_SEQPACKET socket.
 *
 *   request  (tsssa{sv})   id, verb, uuid, op_id, args          parent → worker
 *   reply    (tbasa{sv})   id, last, error (empty: success), result; a long list comes in several
 *   abort    (t)           id of the request                    parent → worker's abort thread
 *   event    (s)           uuid that needs a look, "" = all     events process → parent,
 *                                                               parent → guests process
 *   keys     (sia(ayay))   uuid, domid (-1: it is gone), what its guest wrote: path and value
 *                                                               guests process → xs-guestd
 *   record   (sia{sv})     uuid, domid, what that means (lib/guest-record.h)    xs-guestd → parent
 * The first reply of a worker has id 0: it is ready, or says why not.  The first event ("") says
 * the same of the events process. */
#ifndef XAPID_DOMAINS_MESSAGE_H
#define XAPID_DOMAINS_MESSAGE_H

#include <glib.h>
#include <stdbool.h>

#define MESSAGE_MAX (160 * 1024) /* bytes; what a socket buffer takes */
#define MESSAGE_LIST_DOMAINS 128 /* domains in one reply */
#define MESSAGE_TEXT_MAX 65536   /* bytes of text in one reply */

#define MESSAGE_REQUEST "(tsssa{sv})"
#define MESSAGE_REPLY "(tbasa{sv})"
#define MESSAGE_ABORT "(t)"
#define MESSAGE_EVENT "(s)"
#define MESSAGE_GUEST_KEYS "(sia(ayay))"
#define MESSAGE_GUEST_RECORD "(sia{sv})"

/* Blocks while the socket is full (unless it is non-blocking).  `message` may be floating. */
bool message_send(int fd, GVariant *message, GError **error);
/* Blocks.  NULL without an error: the other side has gone.  A packet that is not a normal value of
 * `type` is an error. */
GVariant *message_receive(int fd, const char *type, GError **error);

/* The `error` field of a reply: empty for NULL. */
GVariant *message_error(const GError *error);

#endif
