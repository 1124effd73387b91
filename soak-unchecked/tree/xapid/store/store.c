/* The store as the model and the daemon see it: hands change sets to the writer thread and its
 * reports back to the main loop; after a failure, probes until writing works again. */
#include "config.h"

#include "xapid/store/store.h"

#include <gio/gio.h>

#include "lib/error.h"
#include "lib/log.h"
#include "xapid/store/replace.h"
#include "xapid/store/writer.h"

#define PROBE_INTERVAL_S 2

struct store {
    struct model *model;
    struct writer *writer;
    GSource *probing;
    bool closing;
    GMainContext *context;
};

static gboolean
probe(void *data)
{
    writer_probe(((struct store *)data)->writer);
    return G_SOURCE_CONTINUE;
}

static void
probing_stop(struct store *store)
{
    if (!store->probing)
        return;
    g_source_destroy(store->probing);
    g_clear_pointer(&store->probing, g_source_unref);
}

static void
probing_start(struct store *store)
{
    if (store->probing)
        return;
    store->probing = g_timeout_source_new_seconds(PROBE_INTERVAL_S);
    g_source_set_callback(store->probing, probe, store, NULL);
    g_source_attach(store->probing, store->context);
}

static void
on_report(const struct writer_report *report, void *data)
{
    struct store *store = data;

    switch (report->kind) {
    case WRITER_COMMITTED:
        model_committed(store->model, report->generation, NULL);
        break;
    case WRITER_FAILED:
        log_error("%s; changes are refused until it can be written again", report->error->message);
        if (!store->closing)
            probing_start(store);
        model_committed(store->model, report->generation, report->error);
        break;
    case WRITER_PROBED:
        if (report->error) {
            log_debug("probe: %s", report->error->message);
            break;
        }
        if (store->closing || !store->probing)
            break;
        log_warning("the database can be written again");
        probing_stop(store);
        model_set_writable(store->model);
        break;
    }
}

static void
on_commit(struct model_changes *changes, void *data)
{
    writer_commit(((struct store *)data)->writer, changes);
}

struct store *
store_open(const char *path, struct model *model, GError **error)
{
    g_autofree char *aside = NULL;

    if (!database_take_restored(path, &aside, error))
        return NULL;
    if (aside)
        log_warning("the database was restored; the one before is %s", aside);
    struct database *database = database_open(path, error);
    if (!database)
        return NULL;
    if (!database_load(database, model, error)) {
        database_close(database);
        return NULL;
    }
    struct store *store = g_new0(struct store, 1);
    struct model_store interface = {.name = "sqlite", .commit = on_commit, .data = store};
    store->model = model;
    store->context = g_main_context_ref_thread_default();
    store->writer = writer_new(database, store->context, on_report, store);
    model_set_store(model, &interface);
    return store;
}

void
store_close(struct store *store)
{
    if (!store)
        return;
    /* First, so that nobody who hears the last reports begins anew. */
    store->closing = true;
    model_set_store(store->model, NULL);
    writer_finish(store->writer);
    probing_stop(store);
    writer_free(store->writer);
    g_main_context_unref(store->context);
    g_free(store);
}

void
store_backup_async(struct store *store, const char *path, GAsyncReadyCallback done, gpointer data)
{
    GTask *task = g_task_new(NULL, NULL, done, data);

    g_task_set_source_tag(task, store_backup_async);
    writer_backup(store->writer, path, task);
}

bool
store_backup_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}
