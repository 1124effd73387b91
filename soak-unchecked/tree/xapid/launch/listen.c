/* Opens the TCP listeners and the unix socket; used by xapid-launch at its start. */
#include "config.h"

#include "xapid/launch/listen.h"

#include <errno.h>
#include <gio/gio.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define RETRY_STEP_US 50000

static void
listeners_add(struct listeners *listeners, int fd, const char *name)
{
    g_assert(listeners->count < LISTENERS_MAX);
    listeners->items[listeners->count++] = (struct listener){.fd = fd, .name = name};
}

/* False with errno. */
static bool
bind_patiently(int fd, const struct sockaddr *address, socklen_t length)
{
    gint64 end = g_get_monotonic_time() + LISTEN_RETRY_SECONDS * G_USEC_PER_SEC;

    for (;;) {
        /* With SO_REUSEADDR a listener that is still open shows in listen (), not in bind (). */
        if (bind(fd, address, length) == 0 && listen(fd, LISTEN_BACKLOG) == 0)
            return true;
        if (errno != EADDRINUSE || g_get_monotonic_time() >= end)
            return false;
        g_usleep(RETRY_STEP_US);
    }
}

static bool
open_tcp(struct listeners *listeners, const char *text, guint port, const char *name,
         GError **error)
{
    g_autoptr(GSocketAddress) address = g_inet_socket_address_new_from_string(text, port);
    GInetAddress *inet = g_inet_socket_address_get_address(G_INET_SOCKET_ADDRESS(address));
    bool v6 = g_inet_address_get_family(inet) == G_SOCKET_FAMILY_IPV6;
    struct sockaddr_storage native;
    const int on = 1;
    int fd, saved;

    fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        (!v6 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0) &&
        g_socket_address_to_native(address, &native, sizeof native, NULL) &&
        bind_patiently(fd, (struct sockaddr *)&native,
                       (socklen_t)g_socket_address_get_native_size(address))) {
        listeners_add(listeners, fd, name);
        return true;
    }
    saved = errno;
    if (fd >= 0)
        close(fd);
    if (v6 && g_inet_address_get_is_any(inet) &&
        (saved == EAFNOSUPPORT || saved == EADDRNOTAVAIL)) {
        log_info("this host has no IPv6: [%s]:%u is left out", text, port);
        return true;
    }
    g_set_error(error, G_IO_ERROR, g_io_error_from_errno(saved), "cannot listen on %s port %u: %s",
                text, port, g_strerror(saved));
    return false;
}

static bool
fail(GError **error, const char *path, const char *what)
{
    g_set_error(error, G_IO_ERROR, G_IO_ERROR_FAILED, "unix socket %s: %s", path, what);
    return false;
}

/* Removes a socket whose listener is gone. */
static bool
remove_stale(const char *path, const struct sockaddr_un *address, GError **error)
{
    struct stat st;
    int fd, r, saved;

    if (lstat(path, &st) < 0)
        return errno == ENOENT || fail(error, path, g_strerror(errno));
    if (!S_ISSOCK(st.st_mode))
        return fail(error, path, "there is something else at this path");
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail(error, path, g_strerror(errno));
    r = connect(fd, (const struct sockaddr *)address, sizeof *address);
    saved = errno;
    close(fd);
    if (r == 0 || saved != ECONNREFUSED) {
        g_set_error(error, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE,
                    "unix socket %s: another program listens on it", path);
        return false;
    }
    if (unlink(path) < 0 && errno != ENOENT)
        return fail(error, path, g_strerror(errno));
    return true;
}

/* In a folder that others can write to, the socket could be swapped. */
static bool
folder_is_safe(const char *path, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);
    struct stat st;

    if (g_mkdir_with_parents(folder, 0755) < 0 || lstat(folder, &st) < 0)
        return fail(error, path, g_strerror(errno));
    if (!S_ISDIR(st.st_mode) || (st.st_uid != 0 && st.st_uid != geteuid()) ||
        (st.st_mode & (S_IWGRP | S_IWOTH)))
        return fail(error, path, "its folder must belong to root and be writable to it alone");
    return true;
}

static bool
open_unix(struct listeners *listeners, const char *path, GError **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    gint64 end = g_get_monotonic_time() + LISTEN_RETRY_SECONDS * G_USEC_PER_SEC;
    struct stat st;
    mode_t mask;
    int fd, r;

    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    if (!folder_is_safe(path, error))
        return false;
    for (;;) {
        g_autoptr(GError) local = NULL;

        if (remove_stale(path, &address, &local))
            break;
        if (!g_error_matches(local, G_IO_ERROR, G_IO_ERROR_ADDRESS_IN_USE) ||
            g_get_monotonic_time() >= end) {
            g_propagate_error(error, g_steal_pointer(&local));
            return false;
        }
        g_usleep(RETRY_STEP_US);
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail(error, path, g_strerror(errno));
    mask = umask(0177);
    r = bind(fd, (struct sockaddr *)&address, sizeof address);
    umask(mask);
    if (r < 0 || listen(fd, LISTEN_BACKLOG) < 0 || lstat(path, &st) < 0) {
        fail(error, path, g_strerror(errno));
        close(fd);
        return false;
    }
    listeners->unix_path = g_strdup(path);
    listeners->unix_dev = st.st_dev;
    listeners->unix_ino = st.st_ino;
    listeners_add(listeners, fd, "listen unix");
    return true;
}

bool
listeners_open(struct listeners *listeners, const struct settings *settings, GError **error)
{
    for (char **address = settings->listen; *address; address++) {
        if (settings->https_port &&
            !open_tcp(listeners, *address, settings->https_port, "listen https", error))
            return false;
        if (settings->http_port &&
            !open_tcp(listeners, *address, settings->http_port, "listen http", error))
            return false;
    }
    return open_unix(listeners, settings->unix_socket, error);
}

void
listeners_clear(struct listeners *listeners)
{
    struct stat st;

    if (listeners->unix_path && lstat(listeners->unix_path, &st) == 0 &&
        st.st_dev == listeners->unix_dev && st.st_ino == listeners->unix_ino)
        unlink(listeners->unix_path);
    for (size_t i = 0; i < listeners->count; i++)
        close(listeners->items[i].fd);
    g_free(listeners->unix_path);
    *listeners = (struct listeners){0};
}
