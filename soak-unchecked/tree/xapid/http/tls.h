/* One TLS session over a non-blocking socket, server side, TLS 1.2 and 1.3 only.
 *
 * GnuTLS is driven directly: GIO's TLS holds a thread for every handshake that has not ended, so a
 * few hundred clients that stop in the middle would keep all others out.  One thread at a time may
 * use a session; the main loop lends it to a worker for the steps of the handshake, which compute
 * for milliseconds and never wait. */
#ifndef XAPID_HTTP_TLS_H
#define XAPID_HTTP_TLS_H

#include <gio/gio.h>
#include <stdbool.h>

struct tls_context; /* a certificate, its key and the ticket key; shared by sessions */
struct tls_session;

struct tls_context *tls_context_new(GTlsCertificate *cert, GError **error);
struct tls_context *tls_context_ref(struct tls_context *context);
void tls_context_unref(struct tls_context *context);

struct tls_session *tls_session_new(struct tls_context *context, int fd);
void tls_session_free(struct tls_session *session);

enum tls_step { TLS_DONE, TLS_WANT_READ, TLS_WANT_WRITE, TLS_FAILED };
enum tls_step tls_session_handshake(struct tls_session *session);

/* As recv and send on a non-blocking socket: -1 and errno EAGAIN, or another errno for the end. */
gssize tls_session_recv(struct tls_session *session, void *buffer, gsize size);
gssize tls_session_send(struct tls_session *session, const void *buffer, gsize size);
/* True when recv would return bytes that the socket no longer has. */
bool tls_session_pending(const struct tls_session *session);
/* Says good-bye, without waiting for the peer's. */
void tls_session_bye(struct tls_session *session);

#endif
