/* The console of the simulated hypervisor, DIR/dmesg, and those of its guests, all of which a test
 * may put there; see sim-world.h. */
#include "config.h"

#include "xapid/domains/sim-console.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/error.h"

#define CONSOLE_FILE "dmesg"
#define CONSOLE_FIRST "(XEN) Xen version 4.17.0-simulated\n"

static bool
failed(GError **error)
{
    api_error_set(error, "INTERNAL_ERROR", "simulator", CONSOLE_FILE, g_strerror(errno), NULL);
    return false;
}

/* Of a file, which is closed. */
static bool
read_all(int fd, GByteArray *ret_text, GError **error)
{
    guint8 buffer[4096];
    ssize_t n;

    while ((n = read(fd, buffer, sizeof buffer)) > 0)
        g_byte_array_append(ret_text, buffer, (guint)n);
    bool ok = n == 0 || failed(error);
    close(fd);
    return ok;
}

bool
sim_console(struct backend_ctx *ctx, bool clear, GByteArray *ret_text, GError **error)
{
    static const char first[] = CONSOLE_FIRST;
    int dir = world_dir(sim_world(ctx));
    int fd = openat(dir, CONSOLE_FILE, O_RDONLY | O_CLOEXEC);

    if (fd < 0 && errno != ENOENT)
        return failed(error);
    if (fd < 0)
        g_byte_array_append(ret_text, (const guint8 *)first, sizeof first - 1);
    else if (!read_all(fd, ret_text, error))
        return false;
    if (!clear)
        return true;
    fd = openat(dir, CONSOLE_FILE, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return failed(error);
    close(fd);
    return true;
}

bool
sim_consoles(struct backend_ctx *ctx, const struct domain_info *info,
             struct guest_consoles *ret_consoles, GError **error)
{
    int dir = world_dir(sim_world(ctx));
    g_autofree char *screen = g_strdup_printf("screen-%s", info->uuid);
    g_autofree char *text = g_strdup_printf("text-%s", info->uuid);
    g_autofree char *link = g_strdup_printf("/proc/self/fd/%d", dir);
    g_autofree char *path = g_file_read_link(link, error);
    char file[PATH_MAX];

    if (!path)
        return false;
    ssize_t n = readlinkat(dir, text, file, sizeof file);
    ret_consoles->text = g_strndup(file, (gsize)MAX(n, 0));
    ret_consoles->screen =
        faccessat(dir, screen, F_OK, 0) == 0 ? g_build_filename(path, screen, NULL) : g_strdup("");
    return true;
}
