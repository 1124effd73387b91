/* Device models that their toolstack lost: a QEMU that was just starting, still as root, when the
 * worker that started it died.  libxl knows neither its pid yet nor can end it by its user, and its
 * mappings keep the domain dying for ever. */
#include "config.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "xapid/domains/libxl-internal.h"

#define MODEL_PROGRAM "qemu-system-" /* in the names of device models */

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

void
libxl_end_device_models(struct backend_ctx *ctx, int domid)
{
    g_autofree char *text = g_strdup_printf("%d", domid);
    g_autoptr(GDir) proc = NULL;
    const char *pid;

    if (libxl_domain_info(ctx->ctx, NULL, (uint32_t)domid))
        return; /* it has gone, so nobody holds it */
    proc = g_dir_open("/proc", 0, NULL);
    while (proc && (pid = g_dir_read_name(proc)))
        if (g_ascii_isdigit(*pid) && is_device_model(pid) && serves(pid, text)) {
            log_warning("ending the device model %s of domain %d, which was destroyed", pid, domid);
            kill((pid_t)atoi(pid), SIGKILL);
        }
}
