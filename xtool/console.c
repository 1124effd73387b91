#include "config.h"

#include "xtool/console.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "xtool/exit.h"
#include "xtool/server-internal.h"

#define PIECE 4096

struct attended {
    GMainLoop *loop;
    SoupWebsocketConnection *socket; /* NULL: not yet */
    GError *cause;
    bool typing_ended, broken; /* standard output takes no more */
};

/* False: the user leaves. */
static bool
send_typed(const struct attended *attended, const guint8 *bytes, gsize length)
{
    const guint8 *leave = memchr(bytes, CONSOLE_LEAVE, length);
    gsize n = leave ? (gsize)(leave - bytes) : length;

    if (n > 0)
        soup_websocket_connection_send_binary(attended->socket, bytes, n);
    return !leave;
}

static gboolean
typed(int fd, GIOCondition condition, void *data)
{
    struct attended *attended = data;
    guint8 bytes[PIECE];
    ssize_t n = read(fd, bytes, sizeof bytes);

    (void)condition;
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return G_SOURCE_CONTINUE;
    if (n > 0 && send_typed(attended, bytes, (gsize)n))
        return G_SOURCE_CONTINUE;
    attended->typing_ended = true;
    soup_websocket_connection_close(attended->socket, SOUP_WEBSOCKET_CLOSE_NORMAL, NULL);
    return G_SOURCE_REMOVE;
}

static void
shown(SoupWebsocketConnection *socket, int type, GBytes *message, void *data)
{
    struct attended *attended = data;
    gsize length;
    const guint8 *bytes = g_bytes_get_data(message, &length);

    (void)type;
    while (length > 0 && !attended->broken) {
        ssize_t n = write(STDOUT_FILENO, bytes, length);
        if (n > 0) {
            bytes += n;
            length -= (gsize)n;
        }
        attended->broken = n < 0 && errno != EINTR;
    }
    if (attended->broken)
        soup_websocket_connection_close(socket, SOUP_WEBSOCKET_CLOSE_NORMAL, NULL);
}

static void
closed(SoupWebsocketConnection *socket, void *data)
{
    struct attended *attended = data;

    (void)socket;
    g_main_loop_quit(attended->loop);
}

static void
connected(GObject *source, GAsyncResult *result, void *data)
{
    struct attended *attended = data;

    attended->socket =
        soup_session_websocket_connect_finish(SOUP_SESSION(source), result, &attended->cause);
    g_main_loop_quit(attended->loop);
}

static void
attend(struct attended *attended)
{
    struct termios before, raw;
    bool terminal = isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &before) == 0;

    if (terminal) {
        raw = before;
        cfmakeraw(&raw);
        tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    g_signal_connect(attended->socket, "message", G_CALLBACK(shown), attended);
    g_signal_connect(attended->socket, "closed", G_CALLBACK(closed), attended);
    guint source = g_unix_fd_add(STDIN_FILENO, G_IO_IN | G_IO_HUP | G_IO_ERR, typed, attended);
    g_main_loop_run(attended->loop);
    if (!attended->typing_ended)
        g_source_remove(source);
    if (terminal)
        tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

bool
console_attend(struct server *server, const char *path, GError **error)
{
    static char protocol[] = "binary";
    char *protocols[] = {protocol, NULL};
    struct attended attended = {0};
    g_autoptr(SoupMessage) request =
        server_request(server, SOUP_METHOD_GET, path, NULL, NULL, error);

    if (!request)
        return false;
    attended.loop = g_main_loop_new(NULL, FALSE);
    soup_session_websocket_connect_async(server_http(server), request, NULL, protocols,
                                         G_PRIORITY_DEFAULT, server_interrupt(server), connected,
                                         &attended);
    g_main_loop_run(attended.loop);
    unsigned status = soup_message_get_status(request);
    if (attended.socket) {
        attend(&attended);
    } else if (status >= 400) {
        g_set_error(error, REFUSED_ERROR, 0, "The console cannot be opened: HTTP %u (%s).", status,
                    soup_message_get_reason_phrase(request));
        g_error_free(attended.cause);
    } else {
        server_answer(server, request, path, NULL, attended.cause, error);
    }
    bool ok = attended.socket;
    g_clear_object(&attended.socket);
    g_main_loop_unref(attended.loop);
    return ok;
}
