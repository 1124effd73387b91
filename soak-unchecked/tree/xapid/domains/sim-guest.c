#include "config.h"

#include "xapid/domains/sim-guest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/error.h"

#define VALUE_MAX (2 * 1024 * 1024) /* xenstored has 4 KiB; simulated guests may be worse */

/* Of the one context that a process has. */
static struct {
    int socket;
    GHashTable *watched; /* domids */
} guests = {.socket = -1};

/* DIR may be a long path: reached through our descriptor of it. */
static struct sockaddr_un
address(struct world *world)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    g_snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/guests",
               world_dir(world));
    return address;
}

static void
guests_open(struct world *world)
{
    struct sockaddr_un at = address(world);

    if (guests.socket >= 0)
        return;
    guests.watched = g_hash_table_new(g_direct_hash, g_direct_equal);
    unlinkat(world_dir(world), "guests", 0);
    guests.socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (guests.socket < 0 || bind(guests.socket, (struct sockaddr *)&at, sizeof at) < 0)
        g_error("simulator: DIR/guests: %s", g_strerror(errno));
}

static int
guest_fd(struct backend_ctx *ctx)
{
    guests_open(sim_world(ctx));
    return guests.socket;
}

static bool
guest_watch(struct backend_ctx *ctx, int domid)
{
    guests_open(sim_world(ctx));
    g_hash_table_add(guests.watched, GINT_TO_POINTER(domid));
    return true;
}

static void
guest_unwatch(struct backend_ctx *ctx, int domid)
{
    (void)ctx;
    g_hash_table_remove(guests.watched, GINT_TO_POINTER(domid));
}

static bool
guest_drain(struct backend_ctx *ctx, void (*wrote)(int domid, void *data), void *data,
            GError **error)
{
    char text[16];
    ssize_t n;

    (void)ctx;
    (void)error;
    while ((n = recv(guests.socket, text, sizeof text - 1, 0)) >= 0) {
        text[n] = '\0';
        if (g_hash_table_contains(guests.watched, GINT_TO_POINTER(atoi(text))))
            wrote(atoi(text), data);
    }
    return true;
}

static int
guest_open(struct world *world, int domid, const char *path, int flags)
{
    g_autofree char *whole = g_strdup_printf("xenstore/%d/%s", domid, path);

    return openat(world_dir(world), whole, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static char **
guest_directory(struct backend_ctx *ctx, int domid, const char *path, unsigned *ret_n)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    int fd = guest_open(sim_world(ctx), domid, path, O_RDONLY | O_DIRECTORY);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    size_t size = 0;

    if (!dir)
        return NULL;
    while ((entry = readdir(dir)))
        if (!g_str_equal(entry->d_name, ".") && !g_str_equal(entry->d_name, "..")) {
            g_ptr_array_add(names, g_strdup(entry->d_name));
            size += strlen(entry->d_name) + 1;
        }
    closedir(dir);
    char **block = malloc(names->len * sizeof(char *) + size + 1);
    char *at = (char *)(block + names->len);
    for (guint i = 0; i < names->len; i++) {
        block[i] = at;
        at = g_stpcpy(at, names->pdata[i]) + 1;
    }
    *ret_n = names->len;
    return block;
}

static void *
guest_read(struct backend_ctx *ctx, int domid, const char *path, unsigned *ret_size)
{
    int fd = guest_open(sim_world(ctx), domid, path, O_RDONLY);
    char *value = NULL;
    struct stat st;

    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= VALUE_MAX) {
        ssize_t n;

        value = malloc((size_t)st.st_size + 1);
        n = read(fd, value, (size_t)st.st_size);
        *ret_size = (unsigned)MAX(n, 0);
    }
    if (fd >= 0)
        close(fd);
    return value;
}

bool
sim_guest_write(struct world *world, int domid, const char *path, const char *value)
{
    g_autofree char *root = g_strdup_printf("xenstore/%d", domid);
    g_auto(GStrv) parts = g_strsplit(path, "/", -1);
    g_autoptr(GString) at = g_string_new(root);
    struct sockaddr_un to = address(world);
    char text[16];
    bool ok;

    if (strstr(path, "..") || g_strv_length(parts) == 0)
        return false;
    mkdirat(world_dir(world), "xenstore", 0700);
    mkdirat(world_dir(world), root, 0700);
    for (char **part = parts; part[1]; part++) {
        g_string_append_printf(at, "/%s", *part);
        mkdirat(world_dir(world), at->str, 0700);
    }
    int fd = guest_open(world, domid, path, O_WRONLY | O_CREAT | O_TRUNC);
    ok = fd >= 0 && write(fd, value, strlen(value)) == (ssize_t)strlen(value);
    if (fd >= 0)
        close(fd);
    int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int length = g_snprintf(text, sizeof text, "%d", domid);
    if (sock < 0)
        return false;
    /* With nobody there, nobody has to be told. */
    (void)!sendto(sock, text, (size_t)length, MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof to);
    close(sock);
    return ok;
}

const struct guest_store sim_guest_store = {
    .watch = guest_watch,
    .unwatch = guest_unwatch,
    .fd = guest_fd,
    .drain = guest_drain,
    .directory = guest_directory,
    .read = guest_read,
};
