/* Device models, as far as libxl leaves them to us.
 *
 * Some their toolstack lost: a QEMU that was just starting, still as root, when the worker that
 * started it died.  libxl knows neither its pid yet nor can end it by its user, and its mappings
 * keep the domain dying for ever.  And libxl leaves the folders that confined ones ran in and the
 * sockets of their screens, and lets them write no further than 256 KiB into any file. */
#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/log.h"
#include "xapid/domains/libxl-internal.h"

#define MODEL_PROGRAM "qemu-system-"           /* in the names of device models */
#define MODEL_ROOT "/var/run/xen/qemu-root-%d" /* as libxl has it */

/* Its arguments, one after the other, each with its NUL; NULL when the process has gone. */
static char *
arguments_of(const char *pid, gsize *ret_length)
{
    g_autofree char *path = g_build_filename("/proc", pid, "cmdline", NULL);
    char *text = NULL;

    return g_file_get_contents(path, &text, ret_length, NULL) ? text : NULL;
}

static bool
is_device_model(const char *pid)
{
    g_autofree char *path = g_build_filename("/proc", pid, "exe", NULL);
    g_autofree char *program = g_file_read_link(path, NULL);
    g_autofree char *name = program ? g_path_get_basename(program) : NULL;

    return name && strstr(name, MODEL_PROGRAM);
}

static bool
serves(const char *pid, const char *domid)
{
    gsize length = 0;
    g_autofree char *text = arguments_of(pid, &length);
    bool next = false;

    for (const char *at = text; at && at < text + length; at += strlen(at) + 1) {
        if (next && g_str_equal(at, domid))
            return true;
        next = g_str_equal(at, "-xen-domid");
    }
    return false;
}

char *
libxl_model_pid(struct backend_ctx *ctx, int domid)
{
    g_autofree char *path = g_strdup_printf(LIBXL_MODEL_PID_KEY, domid);
    g_autofree char *id = g_strdup_printf("%d", domid);
    unsigned length;
    char *text = xs_read(ctx->xs, XBT_NULL, path, &length);
    char *pid = text && is_device_model(text) && serves(text, id) ? g_strdup(text) : NULL;

    free(text);
    return pid;
}

bool
libxl_let_model_write(struct backend_ctx *ctx, int domid, GError **error)
{
    const struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
    g_autofree char *pid = libxl_model_pid(ctx, domid);

    if (pid && prlimit((pid_t)atoi(pid), RLIMIT_FSIZE, &none, NULL) == 0)
        return true;
    api_error_set(error, "INTERNAL_ERROR", "device model", pid ? g_strerror(errno) : "none", NULL);
    return false;
}

/* The root folder of a domain's QEMU, which has nothing but sockets in it. */
static void
remove_root(int domid)
{
    g_autofree char *path = g_strdup_printf(MODEL_ROOT, domid);
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    if (!dir)
        return;
    while ((entry = readdir(dir)))
        if (entry->d_type != DT_DIR)
            unlinkat(fd, entry->d_name, 0);
    closedir(dir);
    if (rmdir(path) < 0)
        log_warning("%s: %s", path, g_strerror(errno));
}

static void
end_lost(int domid)
{
    g_autofree char *text = g_strdup_printf("%d", domid);
    g_autoptr(GDir) proc = g_dir_open("/proc", 0, NULL);
    const char *pid;

    while (proc && (pid = g_dir_read_name(proc)))
        if (g_ascii_isdigit(*pid) && is_device_model(pid) && serves(pid, text)) {
            log_warning("ending the device model %s of domain %d, which was destroyed", pid, domid);
            kill((pid_t)atoi(pid), SIGKILL);
        }
}

char *
libxl_model_screen(struct backend_ctx *ctx, int domid)
{
    char uuid[UUID_LENGTH + 1];
    libxl_dominfo info;
    bool found;

    libxl_dominfo_init(&info);
    found = libxl_domain_info(ctx->ctx, &info, (uint32_t)domid) == 0;
    g_snprintf(uuid, sizeof uuid, LIBXL_UUID_FMT, LIBXL_UUID_BYTES(info.uuid));
    libxl_dominfo_dispose(&info);
    return found ? g_strdup_printf(LIBXL_SCREEN_SOCKET, uuid) : NULL;
}

void
libxl_end_device_models(struct backend_ctx *ctx, int domid, const char *screen)
{
    /* One that has gone is held by nobody. */
    if (libxl_domain_info(ctx->ctx, NULL, (uint32_t)domid) == 0)
        end_lost(domid);
    remove_root(domid);
    if (screen && unlink(screen) < 0 && errno != ENOENT)
        log_warning("%s: %s", screen, g_strerror(errno));
}
