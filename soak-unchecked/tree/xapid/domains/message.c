/* Packets between the processes of xapid-domains; see message.h. */
#include "config.h"

#include "xapid/domains/message.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/error.h"

static bool
failed(GError **error, const char *what)
{
    api_error_set(error, "INTERNAL_ERROR", "xapid-domains", what, NULL);
    return false;
}

bool
message_send(int fd, GVariant *message, GError **error)
{
    g_autoptr(GVariant) owned = g_variant_ref_sink(message);
    gsize size = g_variant_get_size(owned);
    ssize_t n;

    if (size > MESSAGE_MAX)
        return failed(error, "a message is too large");
    do
        n = send(fd, g_variant_get_data(owned), size, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return failed(error, g_strerror(errno));
    return true;
}

GVariant *
message_receive(int fd, const char *type, GError **error)
{
    char buffer[MESSAGE_MAX];
    struct iovec iov = {.iov_base = buffer, .iov_len = sizeof buffer};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    ssize_t n;

    do
        n = recvmsg(fd, &msg, 0);
    while (n < 0 && errno == EINTR);
    if (n == 0 || (n < 0 && errno == ECONNRESET))
        return NULL;
    if (n < 0) {
        failed(error, g_strerror(errno));
        return NULL;
    }
    if (msg.msg_flags & MSG_TRUNC) {
        failed(error, "a message is too large");
        return NULL;
    }
    g_autoptr(GBytes) bytes = g_bytes_new(buffer, (gsize)n);
    g_autoptr(GVariant) message =
        g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE(type), bytes, FALSE));
    if (!g_variant_is_normal_form(message)) {
        failed(error, "a message is malformed");
        return NULL;
    }
    return g_steal_pointer(&message);
}

GVariant *
message_error(const GError *error)
{
    return error ? api_error_to_variant(error) : g_variant_new("as", NULL);
}
