/* Feeds bytes to a websocket as a client would, and checks that it makes the same stream of them
 * however they are cut, and never more than there was. */
#include "config.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "xapid/http/websocket.h"

#define BUFFER_BYTES 512

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct client {
    const uint8_t *bytes;
    size_t left, piece;
    bool waits; /* every other read finds nothing */
};

static void
require(bool holds)
{
    if (!holds)
        abort();
}

static gssize
client_recv(void *data, void *buffer, gsize size)
{
    struct client *client = data;
    gsize n = MIN(MIN(size, client->piece), client->left);

    client->waits = !client->waits;
    if (client->waits) {
        errno = EAGAIN;
        return -1;
    }
    memcpy(buffer, client->bytes, n);
    client->bytes += n;
    client->left -= n;
    return (gssize)n;
}

static gssize
client_send(void *data, const void *bytes, gsize length)
{
    (void)data;
    (void)bytes;
    return (gssize)length;
}

static const struct websocket_io io = {client_recv, client_send};

static GByteArray *
read_all(const uint8_t *data, size_t size, size_t piece)
{
    struct client client = {.bytes = data, .left = size, .piece = piece};
    struct websocket *websocket = websocket_new(&io, &client);
    GByteArray *stream = g_byte_array_new();
    guint8 buffer[BUFFER_BYTES];
    gssize n;

    while ((n = websocket_recv(websocket, buffer, sizeof buffer)) != 0) {
        require(n > 0 || errno == EAGAIN || errno == EINTR);
        if (n > 0)
            g_byte_array_append(stream, buffer, (guint)n);
        if (websocket_wants_to_send(websocket))
            require(websocket_flush(websocket));
    }
    require(stream->len <= size);
    websocket_send(websocket, "reply", 5);
    websocket_bye(websocket);
    websocket_free(websocket);
    return stream;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GByteArray) whole = read_all(data, size, SIZE_MAX);
    g_autoptr(GByteArray) cut = read_all(data, size, 3);

    require(whole->len == cut->len && (!cut->len || memcmp(whole->data, cut->data, cut->len) == 0));
    return 0;
}
