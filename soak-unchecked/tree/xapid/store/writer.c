/* The writer thread; see writer.h. */
#include "config.h"

#include "xapid/store/writer.h"

#include "lib/error.h"
#include "xapid/store/backup.h"

struct writer {
    GThread *thread;
    GMainContext *context;
    writer_report_fn report;
    void *data;

    /* Of the thread alone. */
    struct database *database;
    struct backup *copying; /* the backup under way */

    GMutex lock; /* for all below */
    GCond wake;
    GQueue waiting; /* struct model_changes */
    GQueue backups; /* struct backup */
    GQueue reports; /* struct writer_report */
    bool probe, stop;
    bool failed;        /* nothing is taken until a probe succeeded */
    GSource *reporting; /* scheduled on the context */
};

static gboolean
reports_deliver(void *data)
{
    struct writer *writer = data;

    for (;;) {
        g_mutex_lock(&writer->lock);
        struct writer_report *report = g_queue_pop_head(&writer->reports);
        /* What was handed over before the main loop knew of the failure failed with it. */
        GQueue dropped = G_QUEUE_INIT;
        if (report && report->kind == WRITER_FAILED) {
            dropped = writer->waiting;
            g_queue_init(&writer->waiting);
        }
        if (!report && writer->reporting) {
            g_source_unref(writer->reporting);
            writer->reporting = NULL;
        }
        g_mutex_unlock(&writer->lock);
        g_queue_clear_full(&dropped, (GDestroyNotify)model_changes_free);
        if (!report)
            return G_SOURCE_REMOVE;
        writer->report(report, writer->data);
        g_clear_error(&report->error);
        g_free(report);
    }
}

/* On the thread, with the lock held.  Takes the error. */
static void
report_push(struct writer *writer, enum writer_report_kind kind, guint64 generation, GError *error)
{
    struct writer_report *report = g_new(struct writer_report, 1);

    *report = (struct writer_report){.kind = kind, .generation = generation, .error = error};
    g_queue_push_tail(&writer->reports, report);
    if (writer->reporting)
        return;
    writer->reporting = g_idle_source_new();
    g_source_set_priority(writer->reporting, G_PRIORITY_DEFAULT);
    g_source_set_callback(writer->reporting, reports_deliver, writer, NULL);
    g_source_attach(writer->reporting, writer->context);
}

/* These run on the thread with the lock held, and let go of it while they work. */

static void
batch_commit(struct writer *writer)
{
    g_autoptr(GPtrArray) batch = g_ptr_array_new_with_free_func((GDestroyNotify)model_changes_free);
    GError *error = NULL;

    while (writer->waiting.length && batch->len < WRITER_BATCH_MAX)
        g_ptr_array_add(batch, g_queue_pop_head(&writer->waiting));
    guint64 first = ((const struct model_changes *)batch->pdata[0])->generation;
    guint64 last = ((const struct model_changes *)batch->pdata[batch->len - 1])->generation;
    g_mutex_unlock(&writer->lock);
    bool ok = database_write(writer->database, batch, &error);
    g_mutex_lock(&writer->lock);
    writer->failed = !ok;
    report_push(writer, ok ? WRITER_COMMITTED : WRITER_FAILED, ok ? last : first, error);
}

static void
probe_try(struct writer *writer)
{
    GError *error = NULL;

    g_mutex_unlock(&writer->lock);
    bool ok = database_probe(writer->database, &error);
    g_mutex_lock(&writer->lock);
    writer->probe = false;
    if (ok)
        writer->failed = false;
    report_push(writer, WRITER_PROBED, 0, error);
}

static void
backup_go_on(struct writer *writer)
{
    if (!writer->copying)
        writer->copying = g_queue_pop_head(&writer->backups);
    g_mutex_unlock(&writer->lock);
    if (backup_step(writer->copying, database_handle(writer->database), WRITER_BACKUP_PAGES))
        g_clear_pointer(&writer->copying, backup_free);
    g_mutex_lock(&writer->lock);
}

static void *
writer_run(void *data)
{
    struct writer *writer = data;

    g_mutex_lock(&writer->lock);
    for (;;) {
        if (!writer->failed && writer->waiting.length)
            batch_commit(writer);
        else if (writer->probe)
            probe_try(writer);
        else if (writer->copying || writer->backups.length)
            backup_go_on(writer);
        else if (writer->stop)
            break;
        else
            g_cond_wait(&writer->wake, &writer->lock);
    }
    g_mutex_unlock(&writer->lock);
    return NULL;
}

struct writer *
writer_new(struct database *database, GMainContext *context, writer_report_fn report, void *data)
{
    struct writer *writer = g_new0(struct writer, 1);

    writer->database = database;
    writer->context = g_main_context_ref(context);
    writer->report = report;
    writer->data = data;
    g_mutex_init(&writer->lock);
    g_cond_init(&writer->wake);
    g_queue_init(&writer->waiting);
    g_queue_init(&writer->backups);
    g_queue_init(&writer->reports);
    writer->thread = g_thread_new("store", writer_run, writer);
    return writer;
}

static void
hand_over(struct writer *writer, GQueue *queue, void *item)
{
    g_mutex_lock(&writer->lock);
    g_queue_push_tail(queue, item);
    g_cond_signal(&writer->wake);
    g_mutex_unlock(&writer->lock);
}

void
writer_commit(struct writer *writer, struct model_changes *changes)
{
    hand_over(writer, &writer->waiting, changes);
}

void
writer_probe(struct writer *writer)
{
    g_mutex_lock(&writer->lock);
    writer->probe = true;
    g_cond_signal(&writer->wake);
    g_mutex_unlock(&writer->lock);
}

void
writer_backup(struct writer *writer, const char *path, GTask *task)
{
    hand_over(writer, &writer->backups, backup_new(path, task));
}

void
writer_finish(struct writer *writer)
{
    g_mutex_lock(&writer->lock);
    writer->stop = true;
    g_cond_signal(&writer->wake);
    g_mutex_unlock(&writer->lock);
    g_thread_join(writer->thread);
    if (writer->reporting)
        g_source_destroy(writer->reporting);
    reports_deliver(writer);
}

void
writer_free(struct writer *writer)
{
    database_close(writer->database);
    g_queue_clear_full(&writer->waiting, (GDestroyNotify)model_changes_free);
    g_main_context_unref(writer->context);
    g_mutex_clear(&writer->lock);
    g_cond_clear(&writer->wake);
    g_free(writer);
}
