#include "config.h"

#include "xapid/domains/libxl-model-watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <unistd.h>
#include <xenctrl.h>

#include "lib/log.h"

#define TOKEN_PREFIX "model:"
#define CHECK_US (2 * G_USEC_PER_SEC) /* from a model's end to the look at its guest */
#define EVENTS_MAX 16

struct model {
    int domid;
    int pidfd;       /* -1: none is known */
    gint64 check_at; /* monotonic, µs; 0: never */
};

struct model_watch {
    struct backend_ctx *ctx;
    int epoll_fd;
    GHashTable *models; /* domid → struct model */
};

static void
model_free(void *data)
{
    struct model *model = data;

    if (model->pidfd >= 0)
        close(model->pidfd); /* leaves the epoll too */
    g_free(model);
}

struct model_watch *
model_watch_new(struct backend_ctx *ctx)
{
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct model_watch *watch;

    if (epoll_fd < 0)
        return NULL;
    watch = g_new0(struct model_watch, 1);
    watch->ctx = ctx;
    watch->epoll_fd = epoll_fd;
    watch->models = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, model_free);
    return watch;
}

void
model_watch_free(struct model_watch *watch)
{
    if (!watch)
        return;
    g_hash_table_unref(watch->models);
    close(watch->epoll_fd);
    g_free(watch);
}

void
model_watch_add(struct model_watch *watch, int domid)
{
    g_autofree char *path = g_strdup_printf(LIBXL_MODEL_PID_KEY, domid);
    g_autofree char *token = g_strdup_printf(TOKEN_PREFIX "%d", domid);
    struct model *model = g_new0(struct model, 1);

    model->domid = domid;
    model->pidfd = -1;
    g_hash_table_insert(watch->models, GINT_TO_POINTER(domid), model);
    /* Tells at once, and when libxl writes it. */
    if (!xs_watch(watch->ctx->xs, path, token))
        log_warning("xs_watch %s: %s", path, g_strerror(errno));
}

void
model_watch_remove(struct model_watch *watch, int domid)
{
    g_autofree char *path = g_strdup_printf(LIBXL_MODEL_PID_KEY, domid);
    g_autofree char *token = g_strdup_printf(TOKEN_PREFIX "%d", domid);

    if (g_hash_table_remove(watch->models, GINT_TO_POINTER(domid)))
        xs_unwatch(watch->ctx->xs, path, token);
}

static void
check_later(struct model *model)
{
    model->check_at = g_get_monotonic_time() + CHECK_US;
}

static void
follow(struct model_watch *watch, struct model *model, pid_t pid)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)model->domid};

    if (model->pidfd >= 0)
        close(model->pidfd);
    model->pidfd = pidfd_open(pid, 0);
    /* That it has gone already, and that this is another process, the check finds out. */
    check_later(model);
    if (model->pidfd >= 0 && epoll_ctl(watch->epoll_fd, EPOLL_CTL_ADD, model->pidfd, &event) < 0)
        log_warning("watching the device model of domain %d: %s", model->domid, g_strerror(errno));
}

bool
model_watch_heed(struct model_watch *watch, const char *token)
{
    struct model *model;
    char *pid;
    unsigned length;

    if (!g_str_has_prefix(token, TOKEN_PREFIX))
        return false;
    model = g_hash_table_lookup(watch->models, GINT_TO_POINTER(atoi(token + strlen(TOKEN_PREFIX))));
    if (!model)
        return true;
    g_autofree char *path = g_strdup_printf(LIBXL_MODEL_PID_KEY, model->domid);
    pid = xs_read(watch->ctx->xs, XBT_NULL, path, &length);
    if (pid && atoi(pid) > 0)
        follow(watch, model, (pid_t)atoi(pid));
    free(pid);
    return true;
}

/* DOMAIN_DYING when it is not there, is not ours, or is being built. */
static enum domain_state
state_of_ours(struct backend_ctx *ctx, int domid)
{
    g_autoptr(GPtrArray) domains = NULL;
    g_autoptr(GError) error = NULL;

    if (!libxl_backend_list(ctx, NULL, &domains, &error)) {
        log_warning("%s", error->message);
        return DOMAIN_DYING;
    }
    for (guint i = 0; i < domains->len; i++) {
        const struct domain_info *info = domains->pdata[i];
        if (info->domid == domid && info->ours)
            return info->state;
    }
    return DOMAIN_DYING;
}

static void
crash(int domid)
{
    xc_interface *xc = xc_interface_open(NULL, NULL, 0);

    log_warning("the device model of domain %d has ended: its guest crashes", domid);
    if (!xc || xc_domain_shutdown(xc, (uint32_t)domid, SHUTDOWN_crash))
        log_error("domain %d cannot be made to crash: %s", domid, g_strerror(errno));
    if (xc)
        xc_interface_close(xc);
}

static void
check(struct model_watch *watch, struct model *model)
{
    g_autofree char *pid = libxl_model_pid(watch->ctx, model->domid);
    enum domain_state state;

    model->check_at = 0;
    if (pid)
        return;
    state = state_of_ours(watch->ctx, model->domid);
    if (state == DOMAIN_RUNNING)
        crash(model->domid);
    /* Who destroys a guest pauses it and ends its model, in this order, long before it is gone. */
    if (state == DOMAIN_PAUSED)
        check_later(model);
}

static void
take_ends(struct model_watch *watch)
{
    struct epoll_event events[EVENTS_MAX];
    int n = epoll_wait(watch->epoll_fd, events, EVENTS_MAX, 0);

    for (int i = 0; i < n; i++) {
        struct model *model =
            g_hash_table_lookup(watch->models, GINT_TO_POINTER((int)events[i].data.u32));
        close(model->pidfd);
        model->pidfd = -1;
        check_later(model);
    }
}

int
model_watch_fd(const struct model_watch *watch)
{
    return watch->epoll_fd;
}

int
model_watch_timeout(const struct model_watch *watch)
{
    gint64 first = G_MAXINT64;
    GHashTableIter iter;
    void *value;

    g_hash_table_iter_init(&iter, watch->models);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const struct model *model = value;
        if (model->check_at)
            first = MIN(first, model->check_at);
    }
    if (first == G_MAXINT64)
        return -1;
    return (int)(MAX(first - g_get_monotonic_time(), 0) / 1000 + 1);
}

void
model_watch_run(struct model_watch *watch)
{
    gint64 now = g_get_monotonic_time();
    GHashTableIter iter;
    void *value;

    take_ends(watch);
    g_hash_table_iter_init(&iter, watch->models);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        struct model *model = value;
        if (model->check_at && model->check_at <= now)
            check(watch, model);
    }
}
