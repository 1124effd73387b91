/* A worker: a plain blocking loop around one backend context, and a thread that does nothing but
 * abort.  The thread holds `lock` while it aborts, so that an abort meets the request that it was
 * meant for or none. */
#include "config.h"

#include "xapid/domains/worker.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "lib/log.h"
#include "xapid/domains/domains.h"
#include "xapid/domains/image.h"
#include "xapid/domains/mark.h"
#include "xapid/domains/message.h"
#include "xapid/domains/reserve.h"
#include "xapid/domains/verbs.h"

struct worker {
    struct verbs verbs;
    pthread_mutex_t lock; /* guards `current` */
    uint64_t current;     /* request that runs; 0 = none */
    atomic_bool aborted;
};

void
child_prepare(const char *name)
{
    int fds[] = {CHILD_WORK_FD, CHILD_ABORT_FD, CHILD_LOCK_FD};

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, name);
    /* libxl's rules: SIGCHLD is its own; its programs inherit what is not CLOEXEC. */
    signal(SIGCHLD, SIG_DFL);
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < G_N_ELEMENTS(fds); i++)
        fcntl(fds[i], F_SETFD, FD_CLOEXEC);
}

static void *
abort_thread(void *data)
{
    struct worker *w = data;

    for (;;) {
        g_autoptr(GVariant) message = message_receive(CHILD_ABORT_FD, MESSAGE_ABORT, NULL);
        guint64 id;

        if (!message)
            return NULL;
        g_variant_get(message, MESSAGE_ABORT, &id);
        pthread_mutex_lock(&w->lock);
        if (w->current == id) {
            atomic_store(&w->aborted, true);
            w->verbs.backend->abort(w->verbs.ctx);
        }
        pthread_mutex_unlock(&w->lock);
    }
}

static bool
reply(guint64 id, bool last, const GError *failure, GVariant *result, GError **error)
{
    return message_send(CHILD_WORK_FD,
                        g_variant_new("(tb@as@a{sv})", id, last, message_error(failure),
                                      result ? result : g_variant_new("a{sv}", NULL)),
                        error);
}

static bool
send_part(GVariant *part, void *data, GError **error)
{
    const guint64 *id = data;

    return reply(*id, /* last= */ false, NULL, part, error);
}

static void
set_current(struct worker *w, guint64 id)
{
    pthread_mutex_lock(&w->lock);
    w->current = id;
    atomic_store(&w->aborted, false);
    pthread_mutex_unlock(&w->lock);
}

static bool
serve(struct worker *w, GVariant *request, GError **error)
{
    const char *verb, *uuid, *op_id;
    g_autoptr(GVariant) args = NULL;
    g_autoptr(GError) failure = NULL;
    GVariant *result = NULL;
    guint64 id;

    g_variant_get(request, "(t&s&s&s@a{sv})", &id, &verb, &uuid, &op_id, &args);
    set_current(w, id);
    if (!verbs_run(&w->verbs, verb, uuid, op_id, args, send_part, &id, &result, &failure))
        result = NULL;
    set_current(w, 0);
    return reply(id, /* last= */ true, failure, result, error);
}

static bool
worker_open(struct worker *w, const struct child_options *options, GError **error)
{
    pthread_t thread;

    w->verbs.aborted = &w->aborted;
    w->verbs.backend = options->backend;
    w->verbs.disks = options->disks;
    w->verbs.kernels_dir = options->backend_options.kernels_dir;
    w->verbs.marks = marks_open(options->run_dir, error);
    if (w->verbs.marks < 0)
        return false;
    w->verbs.images = images_open(options->state_dir, "images", error);
    if (w->verbs.images < 0)
        return false;
    w->verbs.cores = images_open(options->state_dir, "cores", error);
    if (w->verbs.cores < 0)
        return false;
    struct backend_options backend_options = options->backend_options;
    backend_options.reserves = reserves_open(options->run_dir, error);
    if (backend_options.reserves < 0)
        return false;
    w->verbs.ctx = options->backend->open(&backend_options, error);
    if (!w->verbs.ctx)
        return false;
    if (pthread_create(&thread, NULL, abort_thread, w) != 0) {
        api_error_set(error, "INTERNAL_ERROR", "xapid-domains", "no thread", NULL);
        return false;
    }
    pthread_detach(thread);
    return true;
}

/* After the reply, when nobody waits. */
static bool
worker_renew(struct worker *w, GError **error)
{
    return !w->verbs.backend->renew || w->verbs.backend->renew(w->verbs.ctx, error);
}

int
worker_main(const struct child_options *options)
{
    static struct worker worker = {.lock = PTHREAD_MUTEX_INITIALIZER};
    g_autoptr(GError) error = NULL;
    bool ok = worker_open(&worker, options, &error);

    if (!reply(0, true, error, NULL, NULL) || !ok)
        return EXIT_FAILURE;
    for (;;) {
        g_autoptr(GVariant) request = message_receive(CHILD_WORK_FD, MESSAGE_REQUEST, &error);

        if (!request)
            break;
        if (!serve(&worker, request, &error) || !worker_renew(&worker, &error))
            break;
    }
    if (error)
        log_error("worker: %s", error->message);
    /* No tidy end: the abort thread may be inside the context, and the kernel gives all back. */
    _exit(error ? EXIT_FAILURE : EXIT_SUCCESS);
}
