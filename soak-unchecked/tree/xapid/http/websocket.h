/* The server's side of a websocket (RFC 6455) whose messages are binary, and a stream of bytes to
 * us: what they are cut into means nothing.
 *
 * It does no input or output of its own; the functions behave as recv and send on a socket that
 * does not block, and hold little: what was not sent yet is refused more.  One thread. */
#ifndef XAPID_HTTP_WEBSOCKET_H
#define XAPID_HTTP_WEBSOCKET_H

#include <glib.h>
#include <stdbool.h>

#define WEBSOCKET_PROTOCOL "binary"
#define WEBSOCKET_VERSION "13"

/* What is below it, as recv and send: -1 and errno EAGAIN, or another errno for the end. */
struct websocket_io {
    gssize (*recv)(void *data, void *buffer, gsize size);
    gssize (*send)(void *data, const void *bytes, gsize length);
};

struct websocket;

/* What the server answers to the key of a handshake; NULL when it is no such key. */
char *websocket_accept(const char *key);

struct websocket *websocket_new(const struct websocket_io *io, void *data);
void websocket_free(struct websocket *websocket);

/* 0: the client has ended it, or has said what is not allowed. */
gssize websocket_recv(struct websocket *websocket, void *buffer, gsize size);
/* Takes all or nothing. */
gssize websocket_send(struct websocket *websocket, const void *bytes, gsize length);
/* Sends on what was taken before; false with errno. */
bool websocket_flush(struct websocket *websocket);
bool websocket_wants_to_send(const struct websocket *websocket);
/* Says good-bye, if there is room for it. */
void websocket_bye(struct websocket *websocket);

#endif
