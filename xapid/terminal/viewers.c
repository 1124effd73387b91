#include "config.h"

#include "xapid/terminal/viewers.h"

#include <errno.h>
#include <fcntl.h>
#include <rfb/rfb.h>
#include <sys/socket.h>
#include <unistd.h>

#include "xapid/terminal/keys.h"

#define TITLE "text console"
#define PIECE 4096

/* One who looks at text. */
struct reader {
    int fd;
    GByteArray *out; /* what he has not taken */
};

struct viewers {
    struct screen *screen;
    rfbScreenInfoPtr rfb;
    guint n_rfb;
    GPtrArray *readers;
    void (*typed)(const char *bytes, gsize length, void *data);
    void *data;
};

/* ---- RFB ---- */

static void
say_nothing(const char *format, ...)
{
    (void)format;
}

/* The modifiers that he holds down are in clientData. */
static void
pressed(rfbBool down, rfbKeySym symbol, rfbClientPtr client)
{
    struct viewers *viewers = client->screen->screenData;
    VTermModifier modifier = key_modifier(symbol);
    guint held = GPOINTER_TO_UINT(client->clientData);
    gunichar character = key_character(symbol);

    if (modifier != VTERM_MOD_NONE) {
        held = down ? held | modifier : held & ~(guint)modifier;
        client->clientData = GUINT_TO_POINTER(held);
    } else if (down && character) {
        screen_type(viewers->screen, character, held);
    } else if (down) {
        screen_press(viewers->screen, key_function(symbol), held);
    }
}

static void
has_gone(rfbClientPtr client)
{
    struct viewers *viewers = client->screen->screenData;

    viewers->n_rfb--;
}

static rfbScreenInfoPtr
serve_rfb(struct viewers *viewers)
{
    rfbLog = rfbErr = say_nothing;
    rfbScreenInfoPtr rfb = rfbGetScreen(NULL, NULL, SCREEN_WIDTH, SCREEN_HEIGHT, 8, 3, 4);

    if (!rfb)
        g_error("out of memory");
    rfb->desktopName = TITLE;
    rfb->frameBuffer = (char *)screen_pixels(viewers->screen);
    rfb->screenData = viewers;
    rfb->kbdAddEvent = pressed;
    rfb->alwaysShared = TRUE;
    rfb->deferUpdateTime = 0; /* who draws waits */
    rfb->maxClientWait = VIEWER_STALL_MS;
    rfb->permitFileTransfer = FALSE;
    rfb->autoPort = FALSE; /* and no port at all: viewers come as descriptors */
    rfb->port = rfb->ipv6port = -1;
    rfb->httpDir = NULL;
    rfbSetCursor(rfb, NULL);
    rfbInitServer(rfb);
    return rfb;
}

/* ---- text ---- */

static void
reader_free(gpointer data)
{
    struct reader *reader = data;

    close(reader->fd);
    g_byte_array_unref(reader->out);
    g_free(reader);
}

/* False: he has gone. */
static bool
read_typed(struct viewers *viewers, const struct reader *reader)
{
    char bytes[PIECE];
    gssize n = recv(reader->fd, bytes, sizeof bytes, MSG_DONTWAIT);

    if (n > 0)
        viewers->typed(bytes, (gsize)n, viewers->data);
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static bool
write_shown(struct reader *reader)
{
    if (reader->out->len == 0)
        return true;
    gssize n = send(reader->fd, reader->out->data, reader->out->len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0)
        g_byte_array_remove_range(reader->out, 0, (guint)n);
    return n >= 0 || errno == EAGAIN || errno == EINTR;
}

/* ---- all ---- */

void
viewers_add(struct viewers *viewers, char kind, int fd)
{
    if (viewers_count(viewers) >= TERMINAL_VIEWERS_MAX) {
        close(fd);
    } else if (kind == TERMINAL_SCREEN) {
        rfbClientPtr client = rfbNewClient(viewers->rfb, fd);
        if (!client)
            return;
        client->clientGoneHook = has_gone;
        viewers->n_rfb++;
    } else {
        struct reader *reader = g_new0(struct reader, 1);
        reader->fd = fd;
        reader->out = g_byte_array_new();
        g_ptr_array_add(viewers->readers, reader);
    }
}

guint
viewers_count(const struct viewers *viewers)
{
    return viewers->n_rfb + viewers->readers->len;
}

void
viewers_show(struct viewers *viewers, const void *bytes, gsize length)
{
    for (guint i = viewers->readers->len; i > 0; i--) {
        struct reader *reader = viewers->readers->pdata[i - 1];

        if (reader->out->len + length > VIEWER_TEXT_MAX)
            g_ptr_array_remove_index(viewers->readers, i - 1);
        else
            g_byte_array_append(reader->out, bytes, (guint)length);
    }
}

void
viewers_draw(struct viewers *viewers)
{
    int left, top, right, bottom;

    if (screen_draw(viewers->screen, &left, &top, &right, &bottom))
        rfbMarkRectAsModified(viewers->rfb, left, top, right, bottom);
}

void
viewers_bell(struct viewers *viewers)
{
    rfbSendBell(viewers->rfb);
}

guint
viewers_wait(const struct viewers *viewers, struct pollfd *fds)
{
    rfbClientIteratorPtr iterator = rfbGetClientIterator(viewers->rfb);
    rfbClientPtr client;
    guint n = 0;

    while ((client = rfbClientIteratorNext(iterator)) && n < TERMINAL_VIEWERS_MAX)
        fds[n++] = (struct pollfd){.fd = client->sock, .events = POLLIN};
    rfbReleaseClientIterator(iterator);
    for (guint i = 0; i < viewers->readers->len && n < TERMINAL_VIEWERS_MAX; i++) {
        const struct reader *reader = viewers->readers->pdata[i];
        short events = reader->out->len ? POLLIN | POLLOUT : POLLIN;
        fds[n++] = (struct pollfd){.fd = reader->fd, .events = events};
    }
    return n;
}

void
viewers_serve(struct viewers *viewers)
{
    rfbProcessEvents(viewers->rfb, 0);
    for (guint i = viewers->readers->len; i > 0; i--) {
        struct reader *reader = viewers->readers->pdata[i - 1];

        if (!read_typed(viewers, reader) || !write_shown(reader))
            g_ptr_array_remove_index(viewers->readers, i - 1);
    }
}

struct viewers *
viewers_new(struct screen *screen, void (*typed)(const char *bytes, gsize length, void *data),
            void *data)
{
    struct viewers *viewers = g_new0(struct viewers, 1);

    viewers->screen = screen;
    viewers->typed = typed;
    viewers->data = data;
    viewers->readers = g_ptr_array_new_with_free_func(reader_free);
    viewers->rfb = serve_rfb(viewers);
    return viewers;
}

void
viewers_free(struct viewers *viewers)
{
    rfbShutdownServer(viewers->rfb, TRUE);
    rfbScreenCleanup(viewers->rfb);
    g_ptr_array_unref(viewers->readers);
    g_free(viewers);
}
