/* A server on loopback in a thread of its own, and a client of raw sockets: for test-http. */
#ifndef XAPID_TESTS_HTTP_FIXTURE_H
#define XAPID_TESTS_HTTP_FIXTURE_H

#include "xapid/http/http.h"

struct fixture {
    GMainContext *context;
    GMainLoop *loop;
    GThread *thread;
    struct http_server *server;
    struct http_limits limits;
    int port;
    int tls_port;
    char *socket_path;
    GPtrArray *parked; /* the server thread's */
    gint gone;
    gint freed;     /* slices */
    gint long_left; /* readers of /long that it has not begun to answer */
    guint pieces,
        pieces_most; /* of /long once all are answered: in this turn of the loop; in any */
};

/* `limits` may be NULL; routes are in http-fixture.c. */
struct fixture *fixture_new(const struct http_limits *limits, GTlsCertificate *cert);
void fixture_free(struct fixture *fixture);
/* Runs in the server's thread and waits for it. */
void fixture_call(struct fixture *fixture, void (*function)(struct fixture *fixture));
void fixture_stats(struct fixture *fixture, struct http_stats *ret_stats);
/* Waits up to 10 s for stats to satisfy it. */
bool fixture_until(struct fixture *fixture, bool (*holds)(const struct http_stats *stats));

int client_connect(int port);
void client_send(int fd, const char *text);
/* One reply with a Content-Length: the whole text, or what came before the end. The caller frees.
 */
char *client_reply(int fd);
/* Everything up to the end of the connection. The caller frees. */
char *client_rest(int fd);
/* Connects, sends, reads to the end. */
char *client_ask(int port, const char *text);

guint count_descriptors(void);
/* 0 under AddressSanitizer, which keeps what has been freed. */
gsize resident_kib(void);

#endif
