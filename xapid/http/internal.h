/* What the files of this room share; nobody else includes it.  Everything belongs to the main loop.
 *
 *   door.c  listeners, epoll, caps, the sweep of time-outs
 *   connection.c  one socket: states, writes, time-outs;  intake.c  what comes in on it
 *   server.c  routes;  request.c  what a handler sees;  reply.c, stream.c  libsoup writes replies
 */
#ifndef XAPID_HTTP_INTERNAL_H
#define XAPID_HTTP_INTERNAL_H

#include <libsoup/soup.h>

#include "xapid/http/head.h"
#include "xapid/http/http.h"
#include "xapid/http/tls.h"

/* Idle connections are watched by one epoll set and not by GSources: GLib walks all of its sources
 * on every turn of the loop, which ten thousand idle clients would make everybody else pay for. */
enum door_kind { DOOR_LISTENER, DOOR_CONNECTION };

enum connection_state {
    CONNECTION_HANDSHAKE,
    CONNECTION_HEAD, /* idle, or a head is incomplete */
    CONNECTION_BODY,
    CONNECTION_BUSY,   /* a handler or its reply is under way */
    CONNECTION_LINGER, /* refused or at its end: what still comes is thrown away */
    CONNECTION_CLOSED, /* freed at the end of the turn */
};

struct reply_stream;

struct connection {
    enum door_kind kind; /* first: epoll events carry a pointer to it */
    enum connection_state state;
    enum http_transport transport;
    int fd;
    guint32 interest; /* epoll events asked for */
    struct http_server *server;
    struct tls_session *tls;
    char *peer;
    char *local;  /* the address that it has come to; NULL for the unix socket */
    char *origin; /* what the cap per address counts; NULL for the unix socket */
    uid_t uid;

    GByteArray *in;  /* bytes read and not used yet, NULL when none */
    gsize scan;      /* see head_find_end */
    GByteArray *out; /* small writes that did not fit the socket, NULL when none */
    struct head *head;
    guint8 *body;
    gsize body_length;
    gsize body_capacity;
    gsize drained;                /* thrown away while lingering, */
    gsize drain_max;              /* of so many bytes */
    struct http_request *request; /* in CONNECTION_BUSY */
    struct reply_stream *reply;   /* waits for the socket to drain */

    gint64 started;     /* µs, monotonic: of the head, the body, the lingering */
    gint64 progress;    /* the last byte in, or out while `blocked` */
    int unsent;         /* bytes in the socket when last looked, while `blocked` */
    bool idle;          /* no byte of a head yet */
    bool first;         /* no request yet */
    bool blocked;       /* the socket is full */
    bool left;          /* the handler has been told that the client is gone */
    bool hung_up;       /* the client sends no more */
    enum tls_step step; /* what the worker found */
    bool in_worker;     /* a handshake step runs; only the worker touches fd and tls */
    bool finish;        /* shut down when `out` is empty */
    bool queued;

    GList link;       /* in server->connections */
    GList ready_link; /* in server->ready while `queued` */
};

struct http_request {
    struct http_server *server;    /* NULL when it is gone */
    struct connection *connection; /* NULL when the client is gone */
    struct head *head;
    GBytes *body;
    gsize body_charge; /* counted in stats.body_bytes */
    enum http_transport transport;
    char *peer;
    char *local;
    char *origin;
    uid_t uid;
    GHashTable *headers; /* name to combined value, filled on demand */
    GHashTable *cookies;
    void (*gone)(void *data);
    void *gone_data;

    bool replied;
    unsigned status;
    char *content_type;
    GArray *reply_headers; /* of struct head_pair */
    GBytes *reply_body;
    http_slice_fn next;
    void *next_data;
    GDestroyNotify next_free;
    bool next_ended;
};

struct route {
    char *method;
    char *path;
    http_handler handler;
    void *data;
    bool stream; /* runs ahead of the body */
    bool whole;  /* of that path alone, and of none that begins so */
};

struct http_server {
    struct http_limits limits;
    struct http_stats stats;
    struct tls_context *tls;
    GPtrArray *routes;
    SoupServer *soup;
    struct http_request *replying; /* whose reply libsoup is asking for right now */

    int epoll_fd;
    int spare_fd; /* given up to refuse a connection when no descriptor is left */
    GSource *epoll_source;
    GSource *kick_source;    /* something is in `ready`, `turns` or `closed` */
    GSource *sweep_source;   /* while there are connections */
    guint most_connections;  /* since memory was given back */
    guint swept_connections; /* at the last sweep */
    GPtrArray *listeners;
    GQueue connections;
    GQueue ready;
    GQueue turns; /* struct reply_stream: long replies that could go on */
    GPtrArray *closed;
    GHashTable *origins; /* origin to number of connections */
    GThreadPool *workers;
    GAsyncQueue *handshakes; /* connections that come back from a worker */
    GHashTable *requests;    /* all that live, to be orphaned with the server */
};

/* door.c */
void door_watch(struct connection *connection, guint32 events);
void door_forget(struct connection *connection);
/* What waits for a turn gets it when the main loop runs again. */
void door_kick(struct http_server *server);
/* The connection's turn comes then. */
void door_queue(struct connection *connection);
/* Lends the session to a worker for one step of the handshake. */
void door_handshake(struct connection *connection);
bool door_open(struct http_server *server, GError **error);
void door_close(struct http_server *server);

/* connection.c */
void connection_start(struct connection *connection);
void connection_event(struct connection *connection, guint32 events);
void connection_handshaken(struct connection *connection);
void connection_sweep(struct connection *connection, gint64 now);
/* Bytes taken, or -1 with EAGAIN (the reply stream is woken later) or another errno. */
gssize connection_write(struct connection *connection, const void *bytes, gsize length);
/* Like it, but keeps what does not fit. */
void connection_send(struct connection *connection, const void *bytes, gsize length);
/* The reply has left, or could not. */
void connection_replied(struct connection *connection, bool complete);
void connection_refuse(struct connection *connection, unsigned status);
void connection_close(struct connection *connection);
void connection_free(struct connection *connection);
/* Gives up fd and tls; the rest is freed at the end of the turn. */
void connection_release(struct connection *connection, struct http_taken *ret_taken);
/* Tells epoll what the connection waits for in its state. */
void connection_interest(struct connection *connection);
/* No more bytes will come. */
void connection_hang_up(struct connection *connection);

/* intake.c: takes what the socket has, as far as the state allows. */
void connection_turn(struct connection *connection);

/* server.c */
void server_dispatch(struct connection *connection);
/* Is the head of a request that runs ahead of its body? */
bool server_streams(const struct http_server *server, const struct head *head);

/* request.c */
struct http_request *request_new(struct connection *connection);
void request_free(struct http_request *request);
/* The client is no longer there: runs the callback, once. */
void request_gone(struct http_request *request);

/* reply.c.  A stream that leaves libsoup's hands (CONNECT, PUT, a websocket) would be given up
 * here, instead of a reply: fd, tls and `in` of the connection are all there is to it. */
const char *reply_reason(unsigned status);
SoupServer *reply_engine_new(struct http_server *server);
void reply_start(struct http_request *request);

/* stream.c: what libsoup writes to.  Owned by libsoup once it is in a GIOStream. */
GOutputStream *reply_stream_new(struct http_request *request);
/* There is room for more: it goes on when its turn comes. */
void reply_stream_wake(struct reply_stream *stream);
/* The turn of the stream that waits longest.  One in a turn of the main loop: however many long
 * replies there are, who asks for something short waits for a piece of one. */
void reply_streams_turn(struct http_server *server);
/* The connection goes away first. */
void reply_stream_orphan(struct reply_stream *stream);
/* All of the reply has been written. */
void reply_stream_complete(struct reply_stream *stream);

#endif
