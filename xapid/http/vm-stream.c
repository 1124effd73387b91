#include "config.h"

#include "xapid/http/vm-stream.h"

#include <string.h>

#include "lib/error.h"
#include "lib/tar.h"
#include "xapid/http/admit.h"
#include "xapid/http/moving.h"
#include "xapid/ops/task.h"
#include "xapid/vm/export.h"

#define RECORDS_NAME "ova.xml"
#define RECORDS_MAX (1024 * 1024) /* bytes, of what goes with an export */
#define EXPORT_HEAD                                                                                \
    "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"                                \
    "Content-Disposition: attachment; filename=\"export.xva\"\r\n"

struct vm_streams {
    struct api *api;
    const struct dm_http_action *export, *export_metadata;
};

struct vm_stream {
    struct moving moving; /* first */
    char *vm;             /* a reference */
};

static void
stream_freed(struct moving *moving)
{
    struct vm_stream *stream = (struct vm_stream *)moving;

    g_free(stream->vm);
    g_free(stream);
}

/* ---- what is asked for ---- */

/* By ref or uuid, as clients of XAPI have it. */
static bool
find_vm(struct vm_stream *stream, GError **error)
{
    const char *name = http_request_query(stream->moving.request, "ref") ? "ref" : "uuid";

    return moving_find(&stream->moving, "VM", name, &stream->vm, error);
}

static bool
read_packing(const struct vm_stream *stream, const char **ret_packing, GError **error)
{
    static const struct {
        const char *asked, *packing;
    } known[] = {{"false", "none"}, {"true", "gzip"}, {"gzip", "gzip"}, {"zstd", "zstd"}};
    const char *asked = http_request_query(stream->moving.request, "use_compression");

    for (unsigned i = 0; i < G_N_ELEMENTS(known); i++)
        if (g_str_equal(known[i].asked, asked ? asked : "false")) {
            *ret_packing = known[i].packing;
            return true;
        }
    return moving_invalid(error, "use_compression", asked);
}

static struct vm_records *
records_of(const struct vm_stream *stream, bool snapshots)
{
    const struct api *api = stream->moving.api;
    g_autoptr(GPtrArray) vms = g_ptr_array_new();

    g_ptr_array_add(vms, stream->vm);
    return vm_records_new(api->model, api->host, vms, snapshots);
}

/* ---- a VM with its disks ---- */

/* Its records, as the stream's beginning. */
static bool
take_records(struct vm_stream *stream, const struct vm_records *records, GError **error)
{
    GString *text = vm_records_text(records);

    stream->moving.first = g_string_free_to_bytes(text);
    if (g_bytes_get_size(stream->moving.first) <= RECORDS_MAX)
        return true;
    api_error_set(error, "OPERATION_NOT_ALLOWED", "The records of the VM are too long", NULL);
    return false;
}

static bool
submit(struct vm_stream *stream, const char *packing, const struct caller *caller, GError **error)
{
    struct moving *moving = &stream->moving;
    struct vm_records *records = records_of(stream, /* snapshots= */ false);
    struct txn *txn =
        take_records(stream, records, error) ? model_begin(moving->api->model, error) : NULL;
    bool ok = txn && moving_take_task(moving, txn, caller, "Export of VM", error);

    if (ok)
        ok = moving_submit(moving, txn,
                           vm_plan_export(stream->vm, records, moving->transfer.handle, packing),
                           error);
    else if (txn)
        txn_abort(txn);
    vm_records_free(records);
    return ok;
}

static void
export_admitted(struct http_request *request, const struct caller *caller, void *data)
{
    struct vm_streams *streams = data;
    struct vm_stream *stream = g_new0(struct vm_stream, 1);
    struct moving *moving = &stream->moving;
    const char *packing = NULL;
    GError *error = NULL;
    bool keep_state;

    moving_init(moving, streams->api, request, /* import= */ false, stream_freed);
    moving->head = g_strdup(EXPORT_HEAD);
    if (!moving_is_at(moving, streams->export->path, &error) || !moving_has_room(moving, &error) ||
        !moving_find_task(moving, caller, &error) || !find_vm(stream, &error) ||
        !read_packing(stream, &packing, &error) ||
        !moving_read_flag(&stream->moving, "preserve_power_state", false, &keep_state, &error) ||
        !vm_may_export(streams->api->storage, stream->vm, &error) ||
        !submit(stream, packing, caller, &error))
        moving_refuse(moving, error);
}

/* ---- its records alone ---- */

static GBytes *
tar_of_records(const struct vm_records *records)
{
    g_autoptr(GString) text = vm_records_text(records);
    GByteArray *tar = g_byte_array_new();
    guint8 block[TAR_BLOCK];

    tar_header_write(block, RECORDS_NAME, (gint64)text->len);
    g_byte_array_append(tar, block, sizeof block);
    g_byte_array_append(tar, (const guint8 *)text->str, (guint)text->len);
    memset(block, 0, sizeof block);
    g_byte_array_append(tar, block, (guint)tar_padding((gint64)text->len));
    for (unsigned i = 0; i < TAR_END_BLOCKS; i++)
        g_byte_array_append(tar, block, sizeof block);
    return g_byte_array_free_to_bytes(tar);
}

struct answer {
    struct http_request *request;
    GBytes *body;
};

/* What it shows is on disk, or will never be. */
static void
send_answer(const GError *error, void *data)
{
    g_autofree struct answer *answer = data;

    if (error) {
        http_reply_error(answer->request, 500, "the database cannot be written\n");
    } else {
        http_reply_header(answer->request, "Content-Disposition",
                          "attachment; filename=\"export.xva\"");
        http_reply(answer->request, 200, "application/octet-stream", answer->body);
    }
    g_bytes_unref(answer->body);
}

/* The client's. */
static bool
end_task(const struct vm_stream *stream, GError **error)
{
    struct txn *txn = stream->moving.task ? model_begin(stream->moving.api->model, error) : NULL;

    if (!txn)
        return !stream->moving.task;
    task_succeed_string(txn, stream->moving.task, NULL);
    return txn_commit(txn, error) != 0;
}

static void
export_metadata_admitted(struct http_request *request, const struct caller *caller, void *data)
{
    struct vm_streams *streams = data;
    struct api *api = streams->api;
    struct vm_stream *stream = g_new0(struct vm_stream, 1);
    GError *error = NULL;
    bool snapshots, all;

    moving_init(&stream->moving, api, request, /* import= */ false, stream_freed);
    if (moving_find_task(&stream->moving, caller, &error) &&
        moving_read_flag(&stream->moving, "all", false, &all, &error) && all)
        api_error_set(&error, "NOT_IMPLEMENTED", "all", NULL);
    if (error || !find_vm(stream, &error) ||
        !moving_read_flag(&stream->moving, "export_snapshots", true, &snapshots, &error) ||
        !vm_is_ours(api->model, stream->vm, &error) || !end_task(stream, &error)) {
        moving_refuse(&stream->moving, error);
        return;
    }
    struct vm_records *records = records_of(stream, snapshots);
    struct answer *answer = g_new0(struct answer, 1);
    *answer = (struct answer){request, tar_of_records(records)};
    vm_records_free(records);
    moving_free(&stream->moving);
    model_when_durable(api->model, model_head(api->model), send_answer, answer);
}

/* ---- */

static void
serve_export(struct http_request *request, void *data)
{
    struct vm_streams *streams = data;

    admit(streams->api, request, streams->export, export_admitted, streams);
}

static void
serve_export_metadata(struct http_request *request, void *data)
{
    struct vm_streams *streams = data;

    admit(streams->api, request, streams->export_metadata, export_metadata_admitted, streams);
}

struct vm_streams *
vm_streams_serve(struct http_server *server, struct api *api)
{
    struct vm_streams *streams = g_new0(struct vm_streams, 1);

    streams->api = api;
    streams->export = admit_action("get_export");
    streams->export_metadata = admit_action("get_export_metadata");
    http_server_route_stream(server, streams->export->method, streams->export->path, serve_export,
                             streams);
    http_server_route(server, streams->export_metadata->method, streams->export_metadata->path,
                      serve_export_metadata, streams);
    return streams;
}

void
vm_streams_free(struct vm_streams *streams)
{
    g_free(streams);
}
