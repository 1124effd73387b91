#include "config.h"

#include "xapid/http/database.h"

#include <string.h>

#include "lib/error.h"
#include "lib/log.h"
#include "xapid/calls/rows.h"
#include "xapid/dump/dump.h"
#include "xapid/http/admit.h"
#include "xapid/http/aside.h"
#include "xapid/store/replace.h"

#define DUMP_TYPE "text/xml"
#define SLICE_BYTES (64 * 1024)
#define RESTART_MS 200 /* the answer leaves first */

struct database_service {
    struct api *api;
    char *path;
    struct aside *restores;
    bool restoring; /* one at a time: they write one file */
    bool closing;
    guint restart; /* a source */
};

/* ---- GET ---- */

struct sending {
    struct database_service *service;
    struct http_request *request;
    struct dump *dump;
    gsize held; /* counted in api->rows_held */
};

static void
sending_free(void *data)
{
    struct sending *sending = data;

    sending->service->api->rows_held -= sending->held;
    dump_free(sending->dump);
    g_free(sending);
}

static bool
next_slice(GString *out, void *data)
{
    return dump_next(((struct sending *)data)->dump, out, SLICE_BYTES);
}

static void
send_dump(const GError *error, void *data)
{
    struct sending *sending = data;

    if (!error) {
        http_reply_slices(sending->request, 200, DUMP_TYPE, next_slice, sending, sending_free);
        return;
    }
    http_reply_error(sending->request, 500, "the database cannot be written\n");
    sending_free(sending);
}

static void
dump_admitted(struct http_request *request, const struct caller *caller, void *data)
{
    struct database_service *service = data;
    struct api *api = service->api;
    struct sending *sending = g_new0(struct sending, 1);

    (void)caller;
    sending->service = service;
    sending->request = request;
    sending->dump = dump_new(api->model);
    gsize size = dump_size(sending->dump);
    if (size > ROWS_MAX_HELD - MIN(api->rows_held, ROWS_MAX_HELD)) {
        http_reply_error(request, 503, "too many long replies are under way\n");
        sending_free(sending);
        return;
    }
    sending->held = size;
    api->rows_held += size;
    /* It shows what is in memory, which must be on disk. */
    model_when_durable(api->model, model_head(api->model), send_dump, sending);
}

static void
serve_dump(struct http_request *request, void *data)
{
    struct database_service *service = data;

    admit(service->api, request, admit_action("get_pool_xml_db_sync"), dump_admitted, service);
}

/* ---- PUT ---- */

struct restore {
    struct database_service *service;
    struct http_request *request;
    GBytes *body;
    bool dry_run;
    guint64 head; /* of the model when it came */
    GError *refused, *failed;
};

/* In a thread. */
static void
restore_prepare(void *job)
{
    struct restore *restore = job;
    gsize length;
    const char *text = g_bytes_get_data(restore->body, &length);
    guint64 generation;
    struct model *model = dump_read(text ? text : "", length, &generation, &restore->refused);

    if (model && !restore->dry_run) {
        guint64 first = database_generation_after(generation, restore->head);
        struct model_changes *changes = model_everything(model, first, dump_has_class);
        database_prepare(restore->service->path, changes, &restore->failed);
        model_changes_free(changes);
    }
    model_free(model);
}

static gboolean
restart(void *data)
{
    struct database_service *service = data;

    service->restart = 0;
    service->api->shutdown(service->api->shutdown_data);
    return G_SOURCE_REMOVE;
}

static void
restore_answer(const struct restore *restore)
{
    const GError *error = restore->refused ? restore->refused : restore->failed;
    const char *const *params = error ? api_error_params(error) : NULL;
    g_autofree char *joined = params ? g_strjoinv(": ", (char **)params) : NULL;
    g_autofree char *text = joined ? g_strconcat(joined, "\n", NULL) : NULL;

    if (restore->service->closing)
        http_reply_error(restore->request, 503, NULL);
    else if (error)
        http_reply_error(restore->request, restore->refused ? 400 : 500, text);
    else
        http_reply(restore->request, 200, "text/plain", NULL);
}

static void
restore_prepared(void *job)
{
    struct restore *restore = job;
    struct database_service *service = restore->service;

    restore_answer(restore);
    service->restoring = false;
    if (!service->closing && !restore->dry_run && !restore->refused && !restore->failed) {
        log_warning("the database is about to be restored from a dump");
        service->restoring = true; /* it is the last one */
        service->restart = g_timeout_add(RESTART_MS, restart, service);
    }
    g_clear_error(&restore->refused);
    g_clear_error(&restore->failed);
    g_bytes_unref(restore->body);
    g_free(restore);
}

static void
restore_admitted(struct http_request *request, const struct caller *caller, void *data)
{
    struct database_service *service = data;
    struct api *api = service->api;
    const char *dry_run = http_request_query(request, "dry_run");

    (void)caller;
    if (dry_run && !g_str_equal(dry_run, "true") && !g_str_equal(dry_run, "false")) {
        http_reply_error(request, 400, "dry_run is true or false\n");
        return;
    }
    bool dry = dry_run && g_str_equal(dry_run, "true");
    if (service->restoring || (!dry && ops_count(api->ops))) {
        http_reply_error(request, 409,
                         service->restoring ? "a database is being restored\n"
                                            : "operations are under way: see the tasks\n");
        return;
    }
    struct restore *restore = g_new0(struct restore, 1);
    restore->service = service;
    restore->request = request;
    restore->body = g_bytes_ref(http_request_body(request));
    restore->dry_run = dry;
    restore->head = model_head(api->model);
    service->restoring = true;
    aside_push(service->restores, restore);
}

static void
serve_restore(struct http_request *request, void *data)
{
    struct database_service *service = data;

    admit(service->api, request, admit_action("put_pool_xml_db_sync"), restore_admitted, service);
}

/* ---- */

struct database_service *
database_serve(struct http_server *server, struct api *api, const char *path)
{
    struct database_service *service = g_new0(struct database_service, 1);
    const struct dm_http_action *get = admit_action("get_pool_xml_db_sync");
    const struct dm_http_action *put = admit_action("put_pool_xml_db_sync");

    service->api = api;
    service->path = g_strdup(path);
    service->restores = aside_new(restore_prepare, restore_prepared);
    http_server_route(server, get->method, get->path, serve_dump, service);
    http_server_route(server, put->method, put->path, serve_restore, service);
    return service;
}

void
database_service_free(struct database_service *service)
{
    if (!service)
        return;
    service->closing = true;
    aside_free(service->restores);
    g_clear_handle_id(&service->restart, g_source_remove);
    g_free(service->path);
    g_free(service);
}
