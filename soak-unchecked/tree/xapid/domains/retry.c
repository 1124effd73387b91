#include "config.h"

#include "xapid/domains/retry.h"

#include "lib/log.h"

#define ABORT_LOOK_MS 50

/* False when somebody aborted meanwhile. */
static bool
wait_ms(struct verbs *v, int ms)
{
    gint64 end = g_get_monotonic_time() + (gint64)ms * 1000;

    while (!atomic_load(v->aborted) && g_get_monotonic_time() < end)
        g_usleep(ABORT_LOOK_MS * 1000);
    return !atomic_load(v->aborted);
}

bool
retry_again(struct verbs *v, const char *what, bool timed_out, int *left, int pause_ms,
            GError **error)
{
    if (!timed_out || *left == 0)
        return false;
    log_warning("%s, once more in %d ms: %s", what, pause_ms, (*error)->message);
    if (!wait_ms(v, pause_ms))
        return false;
    (*left)--;
    g_clear_error(error);
    return true;
}

static bool
is_there(struct verbs *v, const char *uuid, int domid)
{
    g_autoptr(GPtrArray) domains = NULL;
    g_autoptr(GError) error = NULL;

    if (!v->backend->list(v->ctx, uuid, &domains, &error)) {
        log_info("whether domain %d of %s is gone: %s", domid, uuid, error->message);
        return false;
    }
    for (guint i = 0; i < domains->len; i++)
        if (((struct domain_info *)domains->pdata[i])->domid == domid)
            return true;
    return false;
}

void
retry_wait_gone(struct verbs *v, const char *uuid, int domid)
{
    gint64 end = g_get_monotonic_time() + (gint64)RETRY_DEATH_WAIT_MS * 1000;

    while (is_there(v, uuid, domid)) {
        if (g_get_monotonic_time() >= end) {
            log_warning("domain %d of %s does not come to its end", domid, uuid);
            return;
        }
        g_usleep(RETRY_DEATH_LOOK_MS * 1000);
    }
}
