/* Which domains appeared, went or shut down: xenstored says that some did, and the list which; and
 * which lost their device models (libxl-model-watch.h).
 * A domain is told when it is first seen, when xenstored has it (its name can be read from then
 * on), when it shut down, when it began to die and when it is gone. */
#include "config.h"

#include <errno.h>
#include <libxl_utils.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "lib/error.h"
#include "xapid/domains/libxl-internal.h"
#include "xapid/domains/libxl-model-watch.h"

struct seen {
    char uuid[UUID_LENGTH + 1];
    bool introduced, shutdown, dying;
    unsigned round; /* in which it was last listed */
};

struct watch {
    struct backend_ctx *ctx;
    struct model_watch *models;
    GHashTable *seen; /* domid → struct seen */
    unsigned round;
    void (*changed)(const char *uuid, void *data);
    void *data;
};

static void
look_at(struct watch *w, const libxl_dominfo *dominfo, bool tell)
{
    struct seen now = {.round = w->round, .shutdown = dominfo->shutdown, .dying = dominfo->dying};
    struct seen *before = g_hash_table_lookup(w->seen, GUINT_TO_POINTER(dominfo->domid));

    g_snprintf(now.uuid, sizeof now.uuid, LIBXL_UUID_FMT, LIBXL_UUID_BYTES(dominfo->uuid));
    now.introduced = (before && before->introduced) ||
                     (!dominfo->dying && xs_is_domain_introduced(w->ctx->xs, dominfo->domid));
    if (dominfo->domid != 0 && !before)
        model_watch_add(w->models, (int)dominfo->domid);
    if (tell &&
        (!before || before->introduced != now.introduced || before->shutdown != now.shutdown ||
         before->dying != now.dying || !g_str_equal(before->uuid, now.uuid)))
        w->changed(now.uuid, w->data);
    g_hash_table_insert(w->seen, GUINT_TO_POINTER(dominfo->domid), g_memdup2(&now, sizeof now));
}

static bool
look(struct watch *w, bool tell, GError **error)
{
    libxl_dominfo *list;
    GHashTableIter iter;
    gpointer domid, value;
    int n = 0;

    list = libxl_list_domain(w->ctx->ctx, &n);
    if (!list)
        return libxl_failed(w->ctx, ERROR_FAIL, "libxl_list_domain", error);
    w->round++;
    for (int i = 0; i < n; i++)
        look_at(w, &list[i], tell);
    libxl_dominfo_list_free(list, n);
    g_hash_table_iter_init(&iter, w->seen);
    while (g_hash_table_iter_next(&iter, &domid, &value)) {
        struct seen *seen = value;

        if (seen->round == w->round)
            continue;
        w->changed(seen->uuid, w->data);
        model_watch_remove(w->models, GPOINTER_TO_INT(domid));
        g_hash_table_iter_remove(&iter);
    }
    return true;
}

/* Takes what xenstored tells; *ret_domains: it is of domains.  False when xenstored has gone, which
 * nobody survives. */
static bool
drain(struct watch *w, bool *ret_domains)
{
    char **event;

    *ret_domains = false;
    errno = 0;
    while ((event = xs_check_watch(w->ctx->xs))) {
        if (!model_watch_heed(w->models, event[XS_WATCH_TOKEN]))
            *ret_domains = true;
        free(event);
        errno = 0;
    }
    return errno == EAGAIN;
}

static bool
broken(const char *what, GError **error)
{
    api_error_set(error, "INTERNAL_ERROR", "xenstore", what, g_strerror(errno), NULL);
    return false;
}

static bool
watch_run(struct watch *w, int stop_fd, GError **error)
{
    struct pollfd fds[] = {{.fd = stop_fd, .events = POLLIN},
                           {.events = POLLIN},
                           {.fd = model_watch_fd(w->models), .events = POLLIN}};
    bool domains;

    if (!xs_watch(w->ctx->xs, "@introduceDomain", "introduce") ||
        !xs_watch(w->ctx->xs, "@releaseDomain", "release"))
        return broken("xs_watch", error);
    fds[1].fd = xs_fileno(w->ctx->xs);
    if (!look(w, /* tell= */ false, error))
        return false;
    w->changed("", w->data);
    for (;;) {
        if (poll(fds, G_N_ELEMENTS(fds), model_watch_timeout(w->models)) < 0 && errno != EINTR)
            return broken("poll", error);
        if (fds[0].revents)
            return true;
        model_watch_run(w->models);
        if (!fds[1].revents)
            continue;
        if (!drain(w, &domains))
            return broken("the connection is gone", error);
        if (domains && !look(w, /* tell= */ true, error))
            return false;
    }
}

bool
libxl_backend_watch(struct backend_ctx *ctx, int stop_fd, void (*changed)(const char *uuid, void *),
                    void *data, GError **error)
{
    struct watch w = {.ctx = ctx, .changed = changed, .data = data};
    bool ok;

    w.models = model_watch_new(ctx);
    if (!w.models)
        return broken("epoll", error);
    w.seen = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, g_free);
    ok = watch_run(&w, stop_fd, error);
    g_hash_table_unref(w.seen);
    model_watch_free(w.models);
    return ok;
}
