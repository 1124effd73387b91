/* The HTTP door: connections in, requests to handlers, replies out.
 *
 * The door accepts, does TLS, reads heads and bodies within the limits below and refuses everything
 * ambiguous (400, 408, 413, 417, 431, 503, 505, then close) before a handler sees it; libsoup
 * writes the replies.  Chunked request bodies are refused (400).  This header is all that the API
 * sees of HTTP.  One thread, with the main context that was its default at http_server_new; nothing
 * blocks. */
#ifndef XAPID_HTTP_H
#define XAPID_HTTP_H

#include <gio/gio.h>
#include <stdbool.h>

/* Every limit of the door, with its default; see docs/xapid.conf.sample [limits]. */
struct http_limits {
    guint max_connections; /* 20000, in all; beyond: accepted and closed at once (503) */
    guint max_connections_per_address; /* 2000, unix socket excepted */
    guint reserved_connections;        /* 64 of the unix socket, beyond max_connections */
    gsize max_body;                    /* 16 MiB of an RPC body: 413 */
    gsize max_header;                  /* 16 KiB of a request head: 431 */
    guint header_read_seconds;         /* 10, without a byte while a head is incomplete */
    guint header_total_seconds;        /* 60, for a whole head */
    guint body_read_seconds;           /* 30, without a byte while a body is incomplete */
    guint keep_alive_seconds;          /* 300, idle between requests */
    gsize max_bodies_total;            /* 256 MiB of request bodies held at once: 503; and one of
                                          max_body more for the unix socket */
    guint body_min_rate;               /* 4096 bytes a second at least, after body_read_seconds */
    guint reply_write_seconds;         /* 60, in which a client takes no byte of its reply */
};
extern const struct http_limits http_limits_default;

enum http_transport { HTTP_CLEAR, HTTP_TLS, HTTP_UNIX };

struct http_server;
struct http_request; /* one request and its reply; see ownership below */

/* cert: the host's certificate and key, or NULL to serve no TLS. */
struct http_server *http_server_new(const struct http_limits *limits, GTlsCertificate *cert);
void http_server_free(struct http_server *server);
/* Takes a listening socket. */
bool http_server_listen(struct http_server *server, int fd, enum http_transport transport,
                        GError **error);
void http_server_set_certificate(struct http_server *server, GTlsCertificate *cert);

/* Routes: method ("GET", "POST", ..., "CONNECT") and path, matched by the longest prefix of the
 * request's path.  A path that no route of the method matches: 404 (405 when another method has
 * it); a method that has no route at all: 405.  `handler` runs when the whole body is there. It
 * must answer now or later with exactly one of the http_reply functions, which ends its right to
 * use `request`.
 *
 * When the client hangs up first, the request's `gone` callback (if set) runs once, never after the
 * reply, and never within the handler; the handler must still reply, at best at once: a client that
 * closed only its own half reads a reply that follows within 5 s (without a callback: whenever it
 * comes), else it goes nowhere.  http_server_free counts as a hang-up of everybody; requests that
 * are not answered by then live on until they are.
 *
 * CONNECT has no body; its reply is an HTTP/1.0 one and the connection closes after it. HEAD and
 * OPTIONS have the routes that are made for them and no others. */
typedef void (*http_handler)(struct http_request *request, void *data);
void http_server_route(struct http_server *server, const char *method, const char *path,
                       http_handler handler, void *data);
/* The same of this path alone. */
void http_server_route_whole(struct http_server *server, const char *method, const char *path,
                             http_handler handler, void *data);

/* As http_server_route (), for bodies and replies that are no messages: `handler` runs when the
 * head is there, and nothing of the body is read or counted for it.  It replies, and then the
 * connection closes, or takes the connection. */
void http_server_route_stream(struct http_server *server, const char *method, const char *path,
                              http_handler handler, void *data);

/* A connection that the door has no more to do with; whoever has it closes fd, after tls. */
struct http_taken {
    int fd;                  /* not blocking */
    struct tls_session *tls; /* of a connection over TLS, see tls.h; else NULL */
    GBytes *ahead;           /* what has been read of the body */
};
/* Instead of a reply, with `head` sent as its beginning (after "100 Continue" when the client waits
 * for that).  Ends the right to use `request`.  False when the client has gone. */
bool http_request_take(struct http_request *request, const char *head,
                       struct http_taken *ret_taken);

const char *http_request_method(const struct http_request *request);
const char *http_request_path(const struct http_request *request); /* decoded, without query */
/* Each: borrowed until the reply, or NULL.  Of a key or cookie that comes twice the first counts;
 * fields of one name are joined by ", ".  Queries and cookies are percent-decoded. */
const char *http_request_query(const struct http_request *request, const char *key);
const char *http_request_header(const struct http_request *request, const char *name);
const char *http_request_cookie(const struct http_request *request, const char *name);
/* Basic credentials; false when there are none. The caller frees. */
bool http_request_basic_auth(const struct http_request *request, char **ret_user,
                             char **ret_password);
GBytes *http_request_body(const struct http_request *request); /* borrowed */
enum http_transport http_request_transport(const struct http_request *request);
/* "192.0.2.7", "::1", or "unix:uid=0". */
const char *http_request_peer(const struct http_request *request);
/* The address of this machine that it has come to; NULL: a unix socket, or from that very address.
 */
const char *http_request_local(const struct http_request *request);
/* What the cap per address counts as one: an IPv6 client has a /64.  Of a unix socket, the peer. */
const char *http_request_origin(const struct http_request *request);
/* uid of the peer of a unix socket connection (SO_PEERCRED); (uid_t)-1 otherwise. */
uid_t http_request_peer_uid(const struct http_request *request);
void http_request_on_gone(struct http_request *request, void (*gone)(void *data), void *data);

/* Reply headers beyond Content-Type, Content-Length, Date, and Cache-Control, which is "no-cache,
 * no-store" unless it is given. */
void http_reply_header(struct http_request *request, const char *name, const char *value);
/* body may be NULL. content_type is sent exactly as given.  The reply functions may be called
 * inside the handler. */
void http_reply(struct http_request *request, unsigned status, const char *content_type,
                GBytes *body);
/* A short text/plain body: errors of the transport. */
void http_reply_error(struct http_request *request, unsigned status, const char *text);
/* A body produced in slices: next () appends up to about 64 KiB to `out` and returns false at the
 * end. It is called again when the socket has drained, until the end or until the client is gone;
 * then free_data.  HTTP/1.1: chunked; HTTP/1.0: until close.  The first slice is asked for at once.
 */
typedef bool (*http_slice_fn)(GString *out, void *data);
void http_reply_slices(struct http_request *request, unsigned status, const char *content_type,
                       http_slice_fn next, void *data, GDestroyNotify free_data);

/* Live figures, for tests and metrics. */
struct http_stats {
    guint connections;
    guint requests_active; /* a handler has not replied yet */
    guint64 requests;
    guint64 refused;
    gsize body_bytes;
};
void http_server_stats(const struct http_server *server, struct http_stats *ret_stats);

/* certificate.c: loads the PEM at `path` (key and certificate, 0600), or makes a self-signed RSA
 * one with the names and addresses given (start-up; a 3072-bit key takes a second or so). */
GTlsCertificate *certificate_load_or_make(const char *path, const char *hostname,
                                          const char *const *addresses, GError **error);
/* SHA-256 of the certificate's DER, "AB:CD:...". The caller frees. */
char *certificate_fingerprint(GTlsCertificate *cert);

#endif
