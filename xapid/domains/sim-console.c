/* The console of the simulated hypervisor: DIR/dmesg, which a test may write; see sim-world.h. */
#include "config.h"

#include "xapid/domains/sim-console.h"

#include <errno.h>
#include <fcntl.h>
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
