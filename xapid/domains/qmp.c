#include "config.h"

#include "xapid/domains/qmp.h"

#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <string.h>

#include "lib/error.h"

#define READ_SIZE 65536 /* bytes at once */

struct qmp {
    GSocket *socket;
    GString *ahead; /* of the next message */
};

static void *
failed(GError **error, const char *why)
{
    api_error_set(error, "INTERNAL_ERROR", "QEMU's monitor", why, NULL);
    return NULL;
}

/* Without its line end: the caller's. */
static char *
read_line(struct qmp *monitor, GError **error)
{
    g_autoptr(GError) cause = NULL;
    char *end;

    while (!(end = memchr(monitor->ahead->str, '\n', monitor->ahead->len))) {
        char bytes[READ_SIZE];
        gssize n = g_socket_receive(monitor->socket, bytes, sizeof bytes, NULL, &cause);
        if (n <= 0)
            return failed(error, cause ? cause->message : "it hung up");
        if (monitor->ahead->len + (gsize)n > QMP_MESSAGE_MAX)
            return failed(error, "a message without an end");
        g_string_append_len(monitor->ahead, bytes, n);
    }
    char *line = g_strndup(monitor->ahead->str, (gsize)(end - monitor->ahead->str));
    g_string_erase(monitor->ahead, 0, end - monitor->ahead->str + 1);
    return line;
}

static yajl_val
get(yajl_val message, const char *outer, const char *inner, yajl_type type)
{
    const char *path[] = {outer, inner, NULL};

    return yajl_tree_get(message, path, type);
}

/* The next one that is not about something that happened. */
static yajl_val
read_message(struct qmp *monitor, GError **error)
{
    for (unsigned i = 0; i < QMP_EVENTS_MAX; i++) {
        g_autofree char *line = read_line(monitor, error);
        yajl_val message = line ? yajl_tree_parse(line, NULL, 0) : NULL;
        if (!line)
            return NULL;
        if (!YAJL_IS_OBJECT(message)) {
            yajl_tree_free(message);
            return failed(error, "not a message");
        }
        if (!get(message, "event", NULL, yajl_t_any))
            return message;
        yajl_tree_free(message);
    }
    return failed(error, "events alone");
}

static bool
send_all(struct qmp *monitor, const char *text, GError **error)
{
    g_autoptr(GError) cause = NULL;

    for (gsize sent = 0, length = strlen(text); sent < length;) {
        gssize n = g_socket_send(monitor->socket, text + sent, length - sent, NULL, &cause);
        if (n < 0) {
            failed(error, cause->message);
            return false;
        }
        sent += (gsize)n;
    }
    return true;
}

yajl_val
qmp_run(struct qmp *monitor, const char *command, const char *arguments, GError **error)
{
    g_autofree char *text = g_strdup_printf("{\"execute\":\"%s\",\"arguments\":%s}\n", command,
                                            arguments ? arguments : "{}");
    yajl_val answer = send_all(monitor, text, error) ? read_message(monitor, error) : NULL;

    if (!answer || get(answer, "return", NULL, yajl_t_any))
        return answer;
    const char *why = YAJL_GET_STRING(get(answer, "error", "desc", yajl_t_string));
    g_autofree char *valid = g_utf8_make_valid(why ? why : "not an answer", -1);
    g_autofree char *said = g_strdup_printf("%s: %s", command, valid);
    yajl_tree_free(answer);
    return failed(error, said);
}

/* It greets, and wants to be asked for nothing more than it is. */
static bool
begin(struct qmp *monitor, const char *path, GError **error)
{
    g_autoptr(GSocketAddress) address = g_unix_socket_address_new(path);
    g_autoptr(GError) cause = NULL;

    monitor->socket =
        g_socket_new(G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, &cause);
    if (monitor->socket)
        g_socket_set_timeout(monitor->socket, QMP_SECONDS);
    if (!monitor->socket || !g_socket_connect(monitor->socket, address, NULL, &cause)) {
        failed(error, cause->message);
        return false;
    }
    yajl_val greeting = read_message(monitor, error);
    yajl_val ready = greeting ? qmp_run(monitor, "qmp_capabilities", NULL, error) : NULL;
    bool ok = ready != NULL;
    yajl_tree_free(greeting);
    yajl_tree_free(ready);
    return ok;
}

struct qmp *
qmp_open(const char *path, GError **error)
{
    g_autoptr(qmp) opened = g_new0(struct qmp, 1);

    opened->ahead = g_string_new(NULL);
    return begin(opened, path, error) ? g_steal_pointer(&opened) : NULL;
}

void
qmp_close(struct qmp *monitor)
{
    g_clear_object(&monitor->socket);
    g_string_free(monitor->ahead, TRUE);
    g_free(monitor);
}
