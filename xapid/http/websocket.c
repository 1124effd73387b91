#include "config.h"

#include "xapid/http/websocket.h"

#include <errno.h>
#include <string.h>
#include <wslay/wslay.h>

#define ACCEPT_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" /* of RFC 6455 */
#define KEY_BYTES 16

/* By wslay and not by libsoup's websockets: those take whatever they are given to send, and do not
 * say how much of it the client has not taken. */
struct websocket {
    wslay_event_context_ptr frames;
    const struct websocket_io *io;
    void *data;
    /* Of the websocket_recv () that runs: */
    guint8 *buffer;
    gsize filled;
    gsize room;     /* bytes that may still be read below, no fewer than a buffer of them holds */
    bool is_data;   /* the frame that comes has bytes of the stream */
    bool ended;     /* nothing more is to be read */
    int send_errno; /* why the last send below failed */
};

char *
websocket_accept(const char *key)
{
    g_autofree char *whole = NULL;
    guint8 digest[20];
    gsize length = 0, size = sizeof digest;

    if (strlen(key) != 24 || key[22] != '=' || key[23] != '=' || strchr(key, '=') != key + 22)
        return NULL;
    g_free(g_base64_decode(key, &length));
    if (length != KEY_BYTES)
        return NULL;
    whole = g_strconcat(key, ACCEPT_GUID, NULL);
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA1);
    g_checksum_update(sum, (const guchar *)whole, -1);
    g_checksum_get_digest(sum, digest, &size);
    return g_base64_encode(digest, size);
}

/* ---- what wslay asks for ---- */

static ssize_t
read_below(wslay_event_context_ptr frames, uint8_t *buffer, size_t size, int flags, void *data)
{
    struct websocket *websocket = data;
    gssize n = -1;

    (void)flags;
    errno = EAGAIN;
    if (websocket->room > 0)
        n = websocket->io->recv(websocket->data, buffer, MIN(size, websocket->room));
    if (n > 0) {
        websocket->room -= (gsize)n;
        return n;
    }
    if (n < 0 && errno == EAGAIN) {
        wslay_event_set_error(frames, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    websocket->ended = true;
    wslay_event_set_error(frames, WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static ssize_t
write_below(wslay_event_context_ptr frames, const uint8_t *bytes, size_t length, int flags,
            void *data)
{
    struct websocket *websocket = data;
    gssize n = websocket->io->send(websocket->data, bytes, length);

    (void)flags;
    if (n >= 0)
        return n;
    websocket->send_errno = errno;
    wslay_event_set_error(frames,
                          errno == EAGAIN ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static void
frame_begins(wslay_event_context_ptr frames, const struct wslay_event_on_frame_recv_start_arg *arg,
             void *data)
{
    struct websocket *websocket = data;

    websocket->is_data = !wslay_is_ctrl_frame(arg->opcode);
    if (arg->opcode == WSLAY_TEXT_FRAME) {
        websocket->is_data = false;
        websocket->ended = true;
        wslay_event_queue_close(frames, WSLAY_CODE_UNSUPPORTED_DATA, NULL, 0);
    }
}

/* No more than was read below, so it fits. */
static void
frame_goes_on(wslay_event_context_ptr frames, const struct wslay_event_on_frame_recv_chunk_arg *arg,
              void *data)
{
    struct websocket *websocket = data;

    (void)frames;
    if (!websocket->is_data || websocket->ended)
        return;
    memcpy(websocket->buffer + websocket->filled, arg->data, arg->data_length);
    websocket->filled += arg->data_length;
}

/* ---- the stream ---- */

struct websocket *
websocket_new(const struct websocket_io *io, void *data)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = read_below,
        .send_callback = write_below,
        .on_frame_recv_start_callback = frame_begins,
        .on_frame_recv_chunk_callback = frame_goes_on,
    };
    struct websocket *websocket = g_new0(struct websocket, 1);

    websocket->io = io;
    websocket->data = data;
    if (wslay_event_context_server_init(&websocket->frames, &callbacks, websocket))
        g_error("out of memory");
    wslay_event_config_set_no_buffering(websocket->frames, 1);
    return websocket;
}

void
websocket_free(struct websocket *websocket)
{
    if (!websocket)
        return;
    wslay_event_context_free(websocket->frames);
    g_free(websocket);
}

gssize
websocket_recv(struct websocket *websocket, void *buffer, gsize size)
{
    /* Answers to pings have left before more of them is read. */
    if (!websocket->ended && !websocket_wants_to_send(websocket)) {
        websocket->buffer = buffer;
        websocket->filled = 0;
        websocket->room = size;
        if (wslay_event_recv(websocket->frames) ||
            wslay_event_get_close_received(websocket->frames) ||
            !wslay_event_get_read_enabled(websocket->frames))
            websocket->ended = true;
        websocket->buffer = NULL;
        if (websocket->filled > 0)
            return (gssize)websocket->filled;
        if (!websocket->ended && websocket->room == 0) {
            errno = EINTR; /* frames without bytes of the stream, and perhaps more of them */
            return -1;
        }
    }
    if (websocket->ended)
        return 0;
    errno = EAGAIN;
    return -1;
}

bool
websocket_wants_to_send(const struct websocket *websocket)
{
    return wslay_event_want_write(websocket->frames);
}

bool
websocket_flush(struct websocket *websocket)
{
    websocket->send_errno = EPROTO;
    if (wslay_event_send(websocket->frames)) {
        errno = websocket->send_errno;
        return false;
    }
    errno = EAGAIN;
    return !websocket_wants_to_send(websocket);
}

gssize
websocket_send(struct websocket *websocket, const void *bytes, gsize length)
{
    const struct wslay_event_msg message = {
        .opcode = WSLAY_BINARY_FRAME, .msg = bytes, .msg_length = length};

    if (websocket_wants_to_send(websocket) && !websocket_flush(websocket))
        return -1;
    if (wslay_event_queue_msg(websocket->frames, &message)) {
        errno = EPIPE; /* it is closing */
        return -1;
    }
    if (!websocket_flush(websocket) && errno != EAGAIN)
        return -1;
    return (gssize)length;
}

void
websocket_bye(struct websocket *websocket)
{
    wslay_event_queue_close(websocket->frames, WSLAY_CODE_NORMAL_CLOSURE, NULL, 0);
    wslay_event_send(websocket->frames);
}
