/* What guests wrote, by a connection to xenstored of our own. */
#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "lib/error.h"
#include "xapid/domains/guest-keys.h"
#include "xapid/domains/libxl-internal.h"

#define PATH_MAX_GUEST (GUEST_KEY_MAX + 64)

static void
path_of(int domid, const char *path, char ret_path[PATH_MAX_GUEST])
{
    g_snprintf(ret_path, PATH_MAX_GUEST, "/local/domain/%d/%s", domid, path);
}

/* The token of each watch is the domid. */
static void
token_of(int domid, char ret_token[16])
{
    g_snprintf(ret_token, 16, "%d", domid);
}

static void
guest_unwatch(struct backend_ctx *ctx, int domid)
{
    char path[PATH_MAX_GUEST], token[16];

    token_of(domid, token);
    for (const char *const *tree = guest_key_trees; *tree; tree++) {
        path_of(domid, *tree, path);
        xs_unwatch(ctx->xs, path, token);
    }
}

static bool
guest_watch(struct backend_ctx *ctx, int domid)
{
    char path[PATH_MAX_GUEST], token[16];

    token_of(domid, token);
    for (const char *const *tree = guest_key_trees; *tree; tree++) {
        path_of(domid, *tree, path);
        if (!xs_watch(ctx->xs, path, token)) {
            guest_unwatch(ctx, domid);
            return false;
        }
    }
    return true;
}

static int
guest_fd(struct backend_ctx *ctx)
{
    return xs_fileno(ctx->xs);
}

static bool
guest_drain(struct backend_ctx *ctx, void (*wrote)(int domid, void *data), void *data,
            GError **error)
{
    char **event;

    errno = 0;
    while ((event = xs_check_watch(ctx->xs))) {
        wrote(atoi(event[XS_WATCH_TOKEN]), data);
        free(event);
    }
    if (errno == EAGAIN)
        return true;
    api_error_set(error, "INTERNAL_ERROR", "xenstore", "the connection is gone", NULL);
    return false;
}

static char **
guest_directory(struct backend_ctx *ctx, int domid, const char *path, unsigned *ret_n)
{
    char whole[PATH_MAX_GUEST];

    path_of(domid, path, whole);
    return xs_directory(ctx->xs, XBT_NULL, whole, ret_n);
}

static void *
guest_read(struct backend_ctx *ctx, int domid, const char *path, unsigned *ret_size)
{
    char whole[PATH_MAX_GUEST];

    path_of(domid, path, whole);
    return xs_read(ctx->xs, XBT_NULL, whole, ret_size);
}

const struct guest_store libxl_guest_store = {
    .watch = guest_watch,
    .unwatch = guest_unwatch,
    .fd = guest_fd,
    .drain = guest_drain,
    .directory = guest_directory,
    .read = guest_read,
};
