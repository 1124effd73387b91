/* The connection: a plain socket, whose time-outs are the limit on silence. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "lib/error.h"
#include "xapid/stream/stream.h"

#define SEND_BYTES ((gint64)8 << 20) /* by one call */
#define REPORT_FD STDOUT_FILENO

static const guint8 zeros[PIECE_BYTES];

bool
client_open(struct client *client, const struct job *job, GError **error)
{
    const struct timeval silent = {.tv_sec = job->silent};

    *client = (struct client){.import = job->import, .left = job->length};
    client->total = job->length >= 0 ? job->length : job->disk.size;
    if (setsockopt(CLIENT_FD, SOL_SOCKET, SO_RCVTIMEO, &silent, sizeof silent) == 0 &&
        setsockopt(CLIENT_FD, SOL_SOCKET, SO_SNDTIMEO, &silent, sizeof silent) == 0)
        return true;
    api_error_set(error, "INTERNAL_ERROR", "the connection", strerror(errno), NULL);
    return false;
}

void
client_progress(struct client *client, gint64 moved)
{
    client->moved = moved;
    if (client->total > 0)
        client_tell(client, (double)moved / (double)client->total);
}

void
client_tell(struct client *client, double fraction)
{
    char line[32];
    unsigned now = (unsigned)(CLAMP(fraction, 0.0, 1.0) * 100);

    if (now <= client->told)
        return;
    client->told = now;
    int length = snprintf(line, sizeof line, "progress %u\n", now);
    (void)!write(REPORT_FD, line, (size_t)length); /* nobody waits for it */
}

/* errno tells why a call on the socket failed. */
static bool
broken(const struct client *client, GError **error)
{
    const char *why = errno == EAGAIN || errno == EWOULDBLOCK
                          ? client->import ? "the client sent nothing for too long"
                                           : "the client took nothing for too long"
                          : "the client has gone";

    api_error_set(error, client->import ? "IMPORT_ERROR" : "INTERNAL_ERROR", why, NULL);
    return false;
}

static gssize
receive(struct client *client, void *buffer, gsize length, int flags)
{
    gssize n = 0;

    while (!client->whole_ahead) {
        n = read(AHEAD_FD, buffer, length);
        if (n > 0)
            return n;
        client->whole_ahead = n == 0 || errno != EINTR;
    }
    do
        n = recv(CLIENT_FD, buffer, length, flags);
    while (n < 0 && errno == EINTR);
    return n;
}

static bool
read_up_to(struct client *client, void *buffer, gsize length, int flags, gsize *ret_length,
           GError **error)
{
    if (client->left >= 0)
        length = MIN(length, (gsize)client->left);
    gssize n = length ? receive(client, buffer, length, flags) : 0;
    if (n < 0)
        return broken(client, error);
    if (n == 0 && client->left > 0) {
        api_error_set(error, "IMPORT_ERROR_PREMATURE_EOF", NULL);
        return false;
    }
    if (client->left >= 0)
        client->left -= n;
    client_progress(client, client->moved + n);
    *ret_length = (gsize)n;
    return true;
}

bool
client_read_some(struct client *client, void *buffer, gsize length, gsize *ret_length,
                 GError **error)
{
    return read_up_to(client, buffer, length, 0, ret_length, error);
}

bool
client_read(struct client *client, void *buffer, gsize length, GError **error)
{
    for (gsize done = 0, n; done < length; done += n) {
        if (!read_up_to(client, (guint8 *)buffer + done, length - done, MSG_WAITALL, &n, error))
            return false;
        if (n == 0) {
            api_error_set(error, "IMPORT_ERROR_PREMATURE_EOF", NULL);
            return false;
        }
    }
    return true;
}

bool
client_skip(struct client *client, gint64 length, GError **error)
{
    g_autofree guint8 *buffer = g_malloc(PIECE_BYTES);

    for (gint64 n; length > 0; length -= n) {
        n = MIN(length, PIECE_BYTES);
        if (!client_read(client, buffer, (gsize)n, error))
            return false;
    }
    return true;
}

bool
client_write(struct client *client, const void *bytes, gsize length, GError **error)
{
    for (gsize done = 0; done < length;) {
        gssize n = send(CLIENT_FD, (const guint8 *)bytes + done, length - done, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return broken(client, error);
        done += (gsize)n;
        client_progress(client, client->moved + n);
    }
    return true;
}

static bool
send_zeros(struct client *client, gint64 length, GError **error)
{
    for (gint64 n; length > 0; length -= n) {
        n = MIN(length, PIECE_BYTES);
        if (!client_write(client, zeros, (gsize)n, error))
            return false;
    }
    return true;
}

bool
client_send(struct client *client, int fd, gint64 at, gint64 length, GError **error)
{
    while (fd >= 0 && length > 0) {
        off_t offset = at;
        gssize n = sendfile(CLIENT_FD, fd, &offset, (gsize)MIN(length, SEND_BYTES));

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EIO ? disk_failed(error, "reading") : broken(client, error);
        if (n == 0)
            break; /* beyond its end */
        at += n;
        length -= n;
        client_progress(client, client->moved + n);
    }
    return send_zeros(client, length, error);
}

bool
client_send_disk(struct client *client, struct disk *disk, gint64 offset, gint64 length,
                 GError **error)
{
    gint64 whole = offset + length, end = MIN(whole, disk->size);
    struct extent extent;

    for (; offset < end; offset += extent.length) {
        if (!disk_map(disk, offset, &extent, error))
            return false;
        extent.length = MIN(extent.length, end - offset);
        if (!client_send(client, extent.fd, extent.at, extent.length, error))
            return false;
    }
    return client_send(client, -1, 0, whole - offset, error);
}

void
client_close(bool well)
{
    const struct linger whole = {.l_onoff = 0};

    if (!well)
        return;
    setsockopt(CLIENT_FD, SOL_SOCKET, SO_LINGER, &whole, sizeof whole);
    shutdown(CLIENT_FD, SHUT_WR);
}
