#include "config.h"

#include "tests/bench/post.h"

#include <err.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PIECE (256 * 1024)
#define SUCCESS "<name>Status</name><value>Success</value>"
#define SUCCESS_WITHIN 200 /* bytes of the body's beginning */

int
post_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        err(1, "%s", path);
    return fd;
}

char *
post_request(const char *body)
{
    return g_strdup_printf("POST / HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\n"
                           "Content-Length: %zu\r\n\r\n%s",
                           strlen(body), body);
}

void
post_send(int fd, const char *request)
{
    gsize length = strlen(request);

    while (length) {
        ssize_t n = send(fd, request, length, MSG_NOSIGNAL);
        if (n < 0)
            err(1, "send");
        request += n;
        length -= (gsize)n;
    }
}

/* What is read of one reply. */
struct reply {
    int fd;
    char *buffer; /* PIECE bytes */
    gsize at, end;
    GString *body; /* or NULL */
    gsize length;  /* of the body until now */
    char begin[SUCCESS_WITHIN + 1];
};

static void
more(struct reply *reply)
{
    if (reply->at == reply->end)
        reply->at = reply->end = 0;
    if (reply->end == PIECE)
        errx(1, "a line of the reply is too long");
    ssize_t n = recv(reply->fd, reply->buffer + reply->end, PIECE - reply->end, 0);
    if (n < 0)
        err(1, "recv");
    if (n == 0)
        errx(1, "the connection ended within a reply");
    reply->end += (gsize)n;
}

/* The line that begins here, without its end; valid until the next is read. */
static char *
line(struct reply *reply)
{
    char *end;

    while (!(end = memmem(reply->buffer + reply->at, reply->end - reply->at, "\r\n", 2)))
        more(reply);
    char *begin = reply->buffer + reply->at;
    *end = '\0';
    reply->at = (gsize)(end - reply->buffer) + 2;
    return begin;
}

static void
take(struct reply *reply, gsize length)
{
    while (length) {
        if (reply->at == reply->end)
            more(reply);
        gsize n = MIN(length, reply->end - reply->at);
        const char *bytes = reply->buffer + reply->at;
        if (reply->length < SUCCESS_WITHIN)
            memcpy(reply->begin + reply->length, bytes, MIN(n, SUCCESS_WITHIN - reply->length));
        if (reply->body)
            g_string_append_len(reply->body, bytes, (gssize)n);
        reply->length += n;
        reply->at += n;
        length -= n;
    }
}

gsize
post_receive(int fd, GString *body)
{
    static __thread char buffer[PIECE];
    struct reply reply = {.fd = fd, .buffer = buffer, .body = body};
    bool chunked = false;
    gsize length = 0;
    const char *field = line(&reply);

    if (!g_str_has_prefix(field, "HTTP/1.1 200 "))
        errx(1, "%s", field);
    while (*(field = line(&reply))) {
        if (g_ascii_strncasecmp(field, "Content-Length: ", 16) == 0)
            length = strtoul(field + 16, NULL, 10);
        else if (g_ascii_strcasecmp(field, "Transfer-Encoding: chunked") == 0)
            chunked = true;
    }
    if (body)
        g_string_truncate(body, 0);
    if (!chunked)
        take(&reply, length);
    while (chunked && (length = strtoul(line(&reply), NULL, 16))) {
        take(&reply, length);
        line(&reply);
    }
    if (chunked)
        line(&reply);
    if (!strstr(reply.begin, SUCCESS))
        errx(1, "a call failed: %s", reply.begin);
    return reply.length;
}
