/* Whether a server answers while a call is made.  What waits for one that does not may wait in the
 * kernel, or in a tool, so it is not told: the program answers, and ends, with all of it. */
#include "config.h"

#include "storage-repos/shares/share.h"

#include <sys/statvfs.h>

#include "lib/member.h"
#include "storage-repos/common/mount.h"

#define ASK_SECONDS 5 /* between two questions */

struct watch {
    char *path;   /* where the server's folder is mounted, or will be */
    char *silent; /* what is said of a server that does not answer */
    GMutex lock;
    GCond changed;
    gint64 heard; /* g_get_monotonic_time () */
    bool over;
};

/* Two threads have it: one of them may wait for the server when the call ends. */
static void
watch_free(void *data)
{
    struct watch *watch = data;

    g_free(watch->path);
    g_free(watch->silent);
    g_mutex_clear(&watch->lock);
    g_cond_clear(&watch->changed);
}

/* Asks the server itself, whatever the kernel remembers. */
static void *
ask(void *data)
{
    struct watch *watch = data;
    struct statvfs figures;

    g_mutex_lock(&watch->lock);
    while (!watch->over) {
        gint64 next = g_get_monotonic_time() + ASK_SECONDS * G_TIME_SPAN_SECOND;
        g_mutex_unlock(&watch->lock);
        bool answered = mount_is_there(watch->path) && statvfs(watch->path, &figures) == 0;
        g_mutex_lock(&watch->lock);
        if (answered)
            watch->heard = g_get_monotonic_time();
        while (!watch->over && g_cond_wait_until(&watch->changed, &watch->lock, next))
            ;
    }
    g_mutex_unlock(&watch->lock);
    g_atomic_rc_box_release_full(watch, watch_free);
    return NULL;
}

static void *
wait_for_silence(void *data)
{
    struct watch *watch = data;

    g_mutex_lock(&watch->lock);
    while (!watch->over) {
        gint64 end = watch->heard + SHARE_SECONDS * G_TIME_SPAN_SECOND;
        if (!g_cond_wait_until(&watch->changed, &watch->lock, end) && !watch->over &&
            g_get_monotonic_time() >= watch->heard + SHARE_SECONDS * G_TIME_SPAN_SECOND)
            driver_give_up(FAILURE_SR_UNAVAILABLE, watch->silent);
    }
    g_mutex_unlock(&watch->lock);
    g_atomic_rc_box_release_full(watch, watch_free);
    return NULL;
}

static void
begin(struct watch *watch, const char *name, GThreadFunc body)
{
    g_thread_unref(g_thread_new(name, body, g_atomic_rc_box_acquire(watch)));
}

bool
share_make_call(const struct driver_call *call, GVariant *args, GVariantDict *result,
                GError **error)
{
    g_auto(share_t) share = {0};

    if (!share_of(args, &share, error))
        return false;
    if (!share.source)
        return call->run(args, result, error);
    struct watch *watch = g_atomic_rc_box_new0(struct watch);
    watch->path = mount_path(args);
    watch->silent = g_strdup_printf("%s of repository %s has not answered for %d seconds",
                                    share.source, member_text(args, "sr"), SHARE_SECONDS);
    watch->heard = g_get_monotonic_time();
    g_mutex_init(&watch->lock);
    g_cond_init(&watch->changed);
    begin(watch, "ask", ask);
    begin(watch, "silence", wait_for_silence);
    bool ok = call->run(args, result, error);
    g_mutex_lock(&watch->lock);
    watch->over = true;
    g_cond_broadcast(&watch->changed);
    g_mutex_unlock(&watch->lock);
    g_atomic_rc_box_release_full(watch, watch_free);
    return ok;
}
