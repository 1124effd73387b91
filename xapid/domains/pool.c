/* Worker and events processes of the parent; see pool.h. */
#include "config.h"

#include "xapid/domains/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "lib/log.h"
#include "xapid/domains/domains.h"
#include "xapid/domains/message.h"
#include "xapid/domains/silence.h"
#include "xapid/domains/verb-args.h"

enum child_role { CHILD_OPERATIONS, CHILD_QUESTIONS, CHILD_EVENTS };
enum child_state { CHILD_DOWN, CHILD_STARTING, CHILD_IDLE, CHILD_BUSY };

struct request {
    guint64 id;
    enum request_kind kind;
    char *verb, *uuid, *op_id;
    GVariant *args;
    GPtrArray *parts;
    request_done_fn done;
    void *data;
    struct child *child; /* that runs it */
};

struct child {
    struct pool *pool;
    enum child_role role;
    enum child_state state;
    GSubprocess *process;
    int fd, abort_fd;
    guint source, timer, respawn;
    struct silence silence;
    guint delay_ms;
    gint64 started_us;
    struct request *request;
};

struct pool {
    struct pool_options options;
    char *program;
    char **flags;
    struct child *children; /* operations, then questions, then events */
    int n_children;
    guint64 last_id;
    GQueue waiting[3]; /* by kind */
    bool ready, failed, closing;
    void (*on_ready)(void *data);
    void (*on_changed)(const char *uuid, void *data);
    void (*on_failed)(const char *why, void *data);
    void *data;
};

static void child_start(struct child *child);
static void dispatch(struct pool *pool);

static void
request_free(struct request *request)
{
    g_free(request->verb);
    g_free(request->uuid);
    g_free(request->op_id);
    g_variant_unref(request->args);
    g_ptr_array_unref(request->parts);
    g_free(request);
}

static void
request_end(struct request *request, bool lost, GVariant *error)
{
    g_autoptr(GVariant) owned = error ? g_variant_ref_sink(error) : NULL;

    request->done(lost, owned, lost ? NULL : request->parts, request->data);
    request_free(request);
}

static gboolean
child_overdue(gpointer data)
{
    struct child *child = data;
    struct request *request = child->request;

    child->timer = 0;
    log_warning("worker %s has not answered%s%s%s%s: killing it",
                g_subprocess_get_identifier(child->process), request ? " " : "",
                request ? request->verb : "", request ? " of " : "", request ? request->uuid : "");
    /* What it was doing is looked at once it has really gone: see child_ended (). */
    g_subprocess_force_exit(child->process);
    return G_SOURCE_REMOVE;
}

static void
child_timer(struct child *child, int seconds)
{
    g_clear_handle_id(&child->timer, g_source_remove);
    if (seconds)
        child->timer = g_timeout_add_seconds((guint)seconds, child_overdue, child);
}

static void
child_watch(struct child *child)
{
    const struct request *request = child->request;
    g_autofree char *work = NULL;

    if (!request)
        work = g_strdup("start of a worker");
    else
        work = g_strconcat(request->verb, *request->uuid ? " of " : "", request->uuid, NULL);
    if (child->role != CHILD_EVENTS && !(request && verb_is_slow(request->verb)))
        silence_watch(&child->silence, work);
}

char **
pool_hanging(const struct pool *pool)
{
    GPtrArray *work = g_ptr_array_new();

    for (int i = 0; i < pool->n_children; i++)
        if (pool->children[i].silence.told)
            g_ptr_array_add(work, g_strdup(pool->children[i].silence.work));
    g_ptr_array_add(work, NULL);
    return (char **)g_ptr_array_free(work, FALSE);
}

static void
child_close(struct child *child)
{
    child_timer(child, 0);
    g_clear_handle_id(&child->source, g_source_remove);
    if (child->fd >= 0)
        close(child->fd);
    if (child->abort_fd >= 0)
        close(child->abort_fd);
    child->fd = child->abort_fd = -1;
}

static gboolean
child_respawn(gpointer data)
{
    struct child *child = data;

    child->respawn = 0;
    child_start(child);
    return G_SOURCE_REMOVE;
}

static void
child_ended(GObject *source, GAsyncResult *result, gpointer data)
{
    struct child *child = data;
    g_autoptr(GSubprocess) process = G_SUBPROCESS(source);
    struct request *request = child->request;

    g_subprocess_wait_finish(process, result, NULL);
    child_close(child);
    g_clear_object(&child->process);
    child->state = CHILD_DOWN;
    child->request = NULL;
    if (child->pool->closing)
        return;
    /* One that hung does so until another one serves in its place. */
    if (!child->silence.told)
        silence_clear(&child->silence);
    log_warning("%s %s", child->role == CHILD_EVENTS ? "the events process" : "a worker",
                g_subprocess_get_if_signaled(process) ? "was killed" : "ended");
    if (g_get_monotonic_time() - child->started_us > 10 * G_USEC_PER_SEC)
        child->delay_ms = RESPAWN_DELAY_MS;
    child->respawn = g_timeout_add(child->delay_ms, child_respawn, child);
    child->delay_ms = MIN(child->delay_ms * 2, RESPAWN_DELAY_MAX_MS);
    if (request)
        request_end(request, /* lost= */ true, NULL);
}

static void
check_ready(struct pool *pool)
{
    for (int i = 0; i < pool->n_children; i++)
        if (pool->children[i].state < CHILD_IDLE)
            return;
    pool->ready = true;
    pool->on_ready(pool->data);
}

/* The first message of a child: it serves, or says why not. */
static void
child_hello(struct child *child, const char *why)
{
    struct pool *pool = child->pool;

    child_timer(child, 0);
    silence_end(&child->silence);
    if (why) {
        log_error("a worker cannot start: %s", why);
        if (!pool->ready && !pool->failed) {
            pool->failed = true;
            pool->on_failed(why, pool->data);
        }
        return; /* it ends by itself */
    }
    child->state = CHILD_IDLE;
    child->delay_ms = RESPAWN_DELAY_MS;
    if (!pool->ready)
        check_ready(pool);
    dispatch(pool);
}

/* False: the child talks nonsense. */
static bool
take_reply(struct child *child, GVariant *message)
{
    g_autoptr(GVariant) error = NULL;
    g_autoptr(GVariant) result = NULL;
    struct request *request = child->request;
    gboolean last;
    guint64 id;

    g_variant_get(message, "(tb@as@a{sv})", &id, &last, &error, &result);
    if (child->state == CHILD_STARTING && id == 0) {
        g_autofree const char **words = g_variant_get_strv(error, NULL);
        g_autofree char *why = words[0] ? g_strjoinv(" ", (char **)words) : NULL;
        child_hello(child, why);
        return true;
    }
    if (!request || request->id != id)
        return false;
    g_ptr_array_add(request->parts, g_steal_pointer(&result));
    if (!last)
        return true;
    child_timer(child, 0);
    silence_end(&child->silence);
    child->request = NULL;
    child->state = CHILD_IDLE;
    request_end(request, /* lost= */ false, error);
    dispatch(child->pool);
    return true;
}

static void
take_event(struct child *child, GVariant *message)
{
    const char *uuid;

    g_variant_get(message, "(&s)", &uuid);
    if (child->state == CHILD_STARTING)
        child_hello(child, NULL);
    child->pool->on_changed(uuid, child->pool->data);
}

static gboolean
child_readable(int fd, GIOCondition condition, gpointer data)
{
    struct child *child = data;
    bool events = child->role == CHILD_EVENTS;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) message =
        message_receive(fd, events ? MESSAGE_EVENT : MESSAGE_REPLY, &error);

    (void)condition;
    if (!message) {
        /* Its end follows; until then nothing more is to be read. */
        child->source = 0;
        g_subprocess_force_exit(child->process);
        return G_SOURCE_REMOVE;
    }
    if (events) {
        take_event(child, message);
    } else if (!take_reply(child, message)) {
        log_error("a worker answers what it was not asked: killing it");
        child->source = 0;
        g_subprocess_force_exit(child->process);
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

static bool
child_spawn(struct child *child, int ends[2], int abort_ends[2], GError **error)
{
    struct pool *pool = child->pool;
    g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_NONE);
    g_autoptr(GPtrArray) argv = g_ptr_array_new();

    g_ptr_array_add(argv, pool->program);
    g_ptr_array_add(argv, child->role == CHILD_EVENTS ? "--events" : "--worker");
    for (char **flag = pool->flags; *flag; flag++)
        g_ptr_array_add(argv, *flag);
    g_ptr_array_add(argv, NULL);
    g_subprocess_launcher_take_fd(launcher, ends[1], CHILD_WORK_FD);
    g_subprocess_launcher_take_fd(launcher, abort_ends[1], CHILD_ABORT_FD);
    g_subprocess_launcher_take_fd(launcher, fcntl(pool->options.lock_fd, F_DUPFD_CLOEXEC, 10),
                                  CHILD_LOCK_FD);
    if (FAULT_POINT("child.start.before", error))
        child->process =
            g_subprocess_launcher_spawnv(launcher, (const char *const *)argv->pdata, error);
    return child->process != NULL;
}

static void
child_start(struct child *child)
{
    g_autoptr(GError) error = NULL;
    int ends[2], abort_ends[2];

    child->started_us = g_get_monotonic_time();
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        goto later;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, abort_ends) < 0) {
        close(ends[0]);
        close(ends[1]);
        goto later;
    }
    child->fd = ends[0];
    child->abort_fd = abort_ends[0];
    fcntl(child->abort_fd, F_SETFL, O_NONBLOCK);
    if (!child_spawn(child, ends, abort_ends, &error)) {
        log_error("cannot start a child: %s", error->message);
        child_close(child);
        goto later;
    }
    child->state = CHILD_STARTING;
    child->source = g_unix_fd_add(child->fd, G_IO_IN | G_IO_HUP | G_IO_ERR, child_readable, child);
    g_subprocess_wait_async(child->process, NULL, child_ended, child);
    /* child_ended () drops this one; `process` is dropped there too. */
    g_object_ref(child->process);
    child_timer(child, TIMEOUT_START_S);
    if (!child->silence.told)
        child_watch(child);
    if (!FAULT_POINT("child.start.after", NULL))
        g_subprocess_force_exit(child->process);
    return;
later:
    child->delay_ms = MIN(child->delay_ms * 2, RESPAWN_DELAY_MAX_MS);
    child->respawn = g_timeout_add(child->delay_ms, child_respawn, child);
}

static void
child_run(struct child *child, struct request *request)
{
    g_autoptr(GError) error = NULL;

    child->request = request;
    child->state = CHILD_BUSY;
    request->child = child;
    child_timer(child, child->pool->options.timeout_s ? child->pool->options.timeout_s
                                                      : verb_timeout_s(request->verb));
    child_watch(child);
    /* It is idle, so its socket is empty and this does not block. */
    if (!message_send(child->fd,
                      g_variant_new("(tsss@a{sv})", request->id, request->verb, request->uuid,
                                    request->op_id, request->args),
                      &error)) {
        log_warning("a worker does not listen: %s", error->message);
        g_subprocess_force_exit(child->process);
    }
}

static void
dispatch(struct pool *pool)
{
    for (int i = 0; i < pool->n_children; i++) {
        struct child *child = &pool->children[i];
        struct request *request = NULL;

        if (child->state != CHILD_IDLE)
            continue;
        if (child->role == CHILD_QUESTIONS) {
            request = g_queue_pop_head(&pool->waiting[REQUEST_QUESTION]);
        } else if (child->role == CHILD_OPERATIONS) {
            request = g_queue_pop_head(&pool->waiting[REQUEST_RECOVERY]);
            if (!request)
                request = g_queue_pop_head(&pool->waiting[REQUEST_OPERATION]);
        }
        if (request)
            child_run(child, request);
    }
}

struct pool *
pool_new(const struct pool_options *options, void (*ready)(void *data),
         void (*changed)(const char *uuid, void *data), void (*hanging)(void *data),
         void (*failed)(const char *why, void *data), void *data)
{
    struct pool *pool = g_new0(struct pool, 1);

    pool->options = *options;
    pool->program = g_strdup(options->program);
    pool->flags = g_strdupv((char **)options->flags);
    pool->on_ready = ready;
    pool->on_changed = changed;
    pool->on_failed = failed;
    pool->data = data;
    for (size_t i = 0; i < G_N_ELEMENTS(pool->waiting); i++)
        g_queue_init(&pool->waiting[i]);
    pool->n_children = options->workers + 2;
    pool->children = g_new0(struct child, pool->n_children);
    for (int i = 0; i < pool->n_children; i++) {
        struct child *child = &pool->children[i];

        child->pool = pool;
        child->role = i < options->workers    ? CHILD_OPERATIONS
                      : i == options->workers ? CHILD_QUESTIONS
                                              : CHILD_EVENTS;
        child->silence = (struct silence){.changed = hanging, .data = data};
        child->fd = child->abort_fd = -1;
        child->delay_ms = RESPAWN_DELAY_MS;
        child_start(child);
    }
    return pool;
}

void
pool_free(struct pool *pool)
{
    if (!pool)
        return;
    pool->closing = true;
    for (int i = 0; i < pool->n_children; i++) {
        struct child *child = &pool->children[i];

        g_clear_handle_id(&child->respawn, g_source_remove);
        silence_clear(&child->silence);
        if (child->process) {
            g_subprocess_force_exit(child->process);
            /* Killed, so this ends; child_ended () must not run after us. */
            while (child->process)
                g_main_context_iteration(NULL, TRUE);
        }
        child_close(child);
        g_clear_pointer(&child->request, request_free);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(pool->waiting); i++)
        g_queue_clear_full(&pool->waiting[i], (GDestroyNotify)request_free);
    g_free(pool->children);
    g_free(pool->program);
    g_strfreev(pool->flags);
    g_free(pool);
}

struct request *
pool_submit(struct pool *pool, enum request_kind kind, const char *verb, const char *uuid,
            const char *op_id, GVariant *args, request_done_fn done, void *data)
{
    struct request *request = g_new0(struct request, 1);

    request->id = ++pool->last_id;
    request->kind = kind;
    request->verb = g_strdup(verb);
    request->uuid = g_strdup(uuid);
    request->op_id = g_strdup(op_id);
    request->args = g_variant_ref_sink(args ? args : g_variant_new("a{sv}", NULL));
    request->parts = g_ptr_array_new_with_free_func((GDestroyNotify)g_variant_unref);
    request->done = done;
    request->data = data;
    g_queue_push_tail(&pool->waiting[kind], request);
    dispatch(pool);
    return request;
}

void
pool_abort(struct pool *pool, struct request *request)
{
    struct child *child = request->child;

    if (!child) {
        g_autoptr(GError) cancelled = api_error_new("TASK_CANCELLED", request->op_id, NULL);
        g_queue_remove(&pool->waiting[request->kind], request);
        request_end(request, /* lost= */ false, api_error_to_variant(cancelled));
        return;
    }
    if (!message_send(child->abort_fd, g_variant_new(MESSAGE_ABORT, request->id), NULL))
        log_warning("a worker does not take an abort");
    child_timer(child, TIMEOUT_ABORT_S);
}
