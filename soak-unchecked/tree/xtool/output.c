#include "config.h"

#include "xtool/output.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "xtool/xtool.h"

bool
output_failed(const char *path, GError **error)
{
    g_set_error(error, FAILED_ERROR, 0, "%s: %s.", path, g_strerror(errno));
    return false;
}

bool
output_open(struct output *output, const char *path, GError **error)
{
    *output = (struct output){.path = path, .fd = -1};
    if (g_str_equal(path, OUTPUT_STANDARD)) {
        output->fd = dup(STDOUT_FILENO);
        return output->fd >= 0 || output_failed(path, error);
    }
    if (access(path, F_OK) == 0) {
        errno = EEXIST;
        return output_failed(path, error);
    }
    output->partial = g_strconcat(path, ".partial", NULL);
    /* There are secrets in it. */
    output->fd = open(output->partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    return output->fd >= 0 || output_failed(output->partial, error);
}

bool
output_close(struct output *output, bool ok, GError **error)
{
    if (output->partial) {
        ok = ok && ((fsync(output->fd) == 0 && g_rename(output->partial, output->path) == 0) ||
                    output_failed(output->path, error));
        if (!ok)
            g_unlink(output->partial);
    }
    if (output->fd >= 0)
        close(output->fd);
    g_free(output->partial);
    return ok;
}
