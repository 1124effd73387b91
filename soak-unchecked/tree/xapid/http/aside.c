#include "config.h"

#include "xapid/http/aside.h"

struct aside {
    GThreadPool *threads;
    GAsyncQueue *ended; /* jobs on their way back */
    GSource *source;
    gint closing;
    void (*work)(void *job);
    void (*done)(void *job);
};

static void
run(gpointer job, gpointer data)
{
    struct aside *aside = data;

    if (!g_atomic_int_get(&aside->closing))
        aside->work(job);
    g_async_queue_push(aside->ended, job);
    g_source_set_ready_time(aside->source, 0);
}

static gboolean
finish(gpointer data)
{
    struct aside *aside = data;
    gpointer job;

    g_source_set_ready_time(aside->source, -1);
    while ((job = g_async_queue_try_pop(aside->ended)))
        aside->done(job);
    return G_SOURCE_CONTINUE;
}

static gboolean
dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    (void)source;
    return callback(data);
}

static GSourceFuncs source_functions = {.dispatch = dispatch};

struct aside *
aside_new(void (*work)(void *job), void (*done)(void *job))
{
    struct aside *aside = g_new0(struct aside, 1);

    aside->work = work;
    aside->done = done;
    aside->ended = g_async_queue_new();
    aside->source = g_source_new(&source_functions, sizeof(GSource));
    g_source_set_callback(aside->source, finish, aside, NULL);
    g_source_attach(aside->source, g_main_context_get_thread_default());
    aside->threads = g_thread_pool_new(run, aside, ASIDE_THREADS, FALSE, NULL);
    return aside;
}

void
aside_push(struct aside *aside, void *job)
{
    g_thread_pool_push(aside->threads, job, NULL);
}

void
aside_free(struct aside *aside)
{
    gpointer job;

    if (!aside)
        return;
    g_atomic_int_set(&aside->closing, 1);
    g_thread_pool_free(aside->threads, FALSE, TRUE);
    g_source_destroy(aside->source);
    g_source_unref(aside->source);
    while ((job = g_async_queue_try_pop(aside->ended)))
        aside->done(job);
    g_async_queue_unref(aside->ended);
    g_free(aside);
}
