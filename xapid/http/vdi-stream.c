#include "config.h"

#include "xapid/http/vdi-stream.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/log.h"
#include "xapid/http/admit.h"
#include "xapid/http/range.h"
#include "xapid/http/relay.h"
#include "xapid/ops/task.h"
#include "xapid/stream/vhd.h"

#define VHD_DISK_MAX ((gint64)VHD_SIZE_MAX)
/* What Xen Orchestra says when it does not know the length: its body ends where the connection
 * does. */
#define LENGTH_UNKNOWN ((gint64)1 << 50)

struct vdi_streams {
    struct api *api;
    const struct dm_http_action *import, *export;
};

/* One transfer, from the request to its end. */
struct vdi_stream {
    struct vdi_streams *streams;
    struct http_request *request; /* NULL once it is answered, or the connection was taken */
    struct transfer transfer;
    char *vdi, *task;    /* references */
    char *head;          /* of the answer */
    struct relay *relay; /* of a connection over TLS, once it is taken */
    unsigned status;     /* of a refusal; 0: as the error says */
    bool asks;           /* whether it may, and sends nothing */
};

static void
stream_free(struct vdi_stream *stream)
{
    g_hash_table_remove(stream->streams->api->storage->transfers, stream->transfer.handle);
    g_free(stream->transfer.handle);
    g_free(stream->transfer.since);
    g_free(stream->transfer.since_handle);
    g_free(stream->vdi);
    g_free(stream->task);
    g_free(stream->head);
    g_free(stream);
}

/* ---- refusals ---- */

static unsigned
status_of(const GError *error)
{
    static const struct {
        const char *code;
        unsigned status;
    } known[] = {{"HANDLE_INVALID", 404},
                 {"UUID_INVALID", 404},
                 {"RBAC_PERMISSION_DENIED", 403},
                 {"VDI_IN_USE", 409},
                 {"OTHER_OPERATION_IN_PROGRESS", 409},
                 {"OPERATION_NOT_ALLOWED", 409},
                 {"VDI_TOO_SMALL", 400},
                 {"VDI_TOO_LARGE", 400},
                 {"VDI_READONLY", 400},
                 {"INVALID_VALUE", 400},
                 {"NOT_IMPLEMENTED", 501},
                 {"TOO_BUSY", 503},
                 {"TOO_MANY_PENDING_TASKS", 503}};

    for (unsigned i = 0; i < G_N_ELEMENTS(known); i++)
        if (api_error_is(error, known[i].code))
            return known[i].status;
    return 500;
}

static void
reply_error(struct vdi_stream *stream, const GError *error)
{
    g_autoptr(GVariant) texts = g_variant_ref_sink(api_error_to_variant(error));
    g_autofree const char **words = g_variant_get_strv(texts, NULL);
    g_autofree char *text = g_strjoinv(" ", (char **)words);

    http_reply_error(g_steal_pointer(&stream->request),
                     stream->status ? stream->status : status_of(error), text);
}

/* A client's task tells of what did not begin, too. */
static void
fail_task(struct vdi_stream *stream, const GError *error)
{
    struct api *api = stream->streams->api;
    g_autoptr(GError) failed = NULL;

    if (!stream->task || ops_has_task(api->ops, stream->task))
        return;
    struct txn *txn = model_begin(api->model, &failed);
    if (txn) {
        task_fail(txn, stream->task, error);
        txn_commit(txn, &failed);
    }
    if (failed)
        log_warning("the end of a task: %s", failed->message);
}

/* Takes error. */
static void
refuse(struct vdi_stream *stream, GError *error)
{
    fail_task(stream, error);
    reply_error(stream, error);
    g_error_free(error);
    stream_free(stream);
}

/* ---- what is asked for ---- */

static bool
invalid(GError **error, const char *name, const char *value)
{
    api_error_set(error, "INVALID_VALUE", name, value ? value : "missing", NULL);
    return false;
}

/* A reference or a uuid, as clients send either. */
static bool
find(const struct vdi_stream *stream, const char *class, const char *name, char **ret,
     GError **error)
{
    const struct dm_class *cls = dm_class_find(class, false);
    const struct model *model = stream->streams->api->model;
    const char *text = http_request_query(stream->request, name);
    const char *ref = text && model_has(model, cls, text) ? text : NULL;

    if (!text)
        return invalid(error, name, NULL);
    if (!ref)
        ref = model_by_uuid(model, cls, text);
    if (!ref) {
        api_error_set(error, "HANDLE_INVALID", class, text, NULL);
        return false;
    }
    *ret = g_strdup(ref);
    return true;
}

static bool
find_task(struct vdi_stream *stream, const struct caller *caller, GError **error)
{
    struct api *api = stream->streams->api;

    if (!http_request_query(stream->request, "task_id"))
        return true;
    g_autofree char *task = NULL;
    if (!find(stream, "task", "task_id", &task, error) || !task_may_touch(api, caller, task, error))
        return false;
    g_autofree char *status = model_get_string(api->model, task, "status");
    if (!g_str_equal(status, "pending") || ops_has_task(api->ops, task)) {
        api_error_set(error, "OPERATION_NOT_ALLOWED",
                      "The task is another operation's, or has ended", NULL);
        return false;
    }
    stream->task = g_steal_pointer(&task);
    return true;
}

static bool
read_format(struct vdi_stream *stream, GError **error)
{
    static const char *const known[] = {"raw", "vhd", "qcow2"};
    const char *format = http_request_query(stream->request, "format");
    const char *chunked = http_request_query(stream->request, "chunked");
    unsigned i = 0;

    if (!chunked)
        chunked = http_request_cookie(stream->request, "chunked");
    if (!format)
        format = "raw";
    while (i < G_N_ELEMENTS(known) && !g_str_equal(format, known[i]))
        i++;
    if (i == G_N_ELEMENTS(known) || (chunked && i != 0 && stream->transfer.import)) {
        stream->status = 404; /* as XAPI */
        return invalid(error, "format", format);
    }
    stream->transfer.format = chunked && stream->transfer.import ? "chunks" : known[i];
    return true;
}

/* Only a VHD can say that the rest is in another one. */
static bool
read_base(struct vdi_stream *stream, GError **error)
{
    if (!http_request_query(stream->request, "base"))
        return true;
    if (stream->transfer.import || !g_str_equal(stream->transfer.format, "vhd")) {
        api_error_set(error, "NOT_IMPLEMENTED", "base", NULL);
        return false;
    }
    stream->transfer.since_handle = g_uuid_string_random();
    return find(stream, "VDI", "base", &stream->transfer.since, error);
}

static bool
is_raw(const struct vdi_stream *stream)
{
    return g_str_equal(stream->transfer.format, "raw");
}

/* ---- the heads of answers ---- */

#define HEAD_END "Connection: close\r\nCache-Control: no-cache, no-store\r\n\r\n"

static bool
read_import(struct vdi_stream *stream, GError **error)
{
    const char *length = http_request_header(stream->request, "Content-Length");
    const char *part = http_request_header(stream->request, "Content-Range");
    struct transfer *transfer = &stream->transfer;
    gint64 in_part = 0;

    /* The door has seen that it is a number. */
    transfer->length = length ? g_ascii_strtoll(length, NULL, 10) : -1;
    stream->asks = !stream->task && (transfer->length == 0 || transfer->length == LENGTH_UNKNOWN);
    if (transfer->length == LENGTH_UNKNOWN)
        transfer->length = -1;
    if (http_request_query(stream->request, "sr_id") ||
        http_request_query(stream->request, "sr_uuid")) {
        api_error_set(error, "NOT_IMPLEMENTED", "sr_id", NULL);
        return false;
    }
    if (part && !is_raw(stream)) {
        api_error_set(error, "NOT_IMPLEMENTED", "Content-Range", NULL);
        return false;
    }
    if (part && (!range_given(part, &transfer->offset, &in_part) || in_part != transfer->length))
        return invalid(error, "Content-Range", part);
    transfer->part = part;
    stream->head = g_strdup("HTTP/1.1 200 OK\r\n" HEAD_END);
    return true;
}

static bool
read_export(struct vdi_stream *stream, GError **error)
{
    const struct model *model = stream->streams->api->model;
    const char *format = stream->transfer.format;
    gint64 size = model_get_int(model, stream->vdi, "virtual_size");
    g_autofree char *uuid = model_get_string(model, stream->vdi, "uuid");
    struct transfer *transfer = &stream->transfer;
    g_autoptr(GString) head = g_string_new("HTTP/1.1 ");
    enum range range = RANGE_NONE;

    transfer->length = -1;
    if (g_str_equal(format, "vhd") && size > VHD_DISK_MAX) {
        g_autofree char *most = g_strdup_printf("%" G_GINT64_FORMAT, VHD_DISK_MAX);
        api_error_set(error, "VDI_TOO_LARGE", stream->vdi, most, NULL);
        return false;
    }
    if (is_raw(stream)) {
        transfer->length = size;
        range = range_asked(http_request_header(stream->request, "Range"), size, &transfer->offset,
                            &transfer->length);
    }
    if (range == RANGE_BEYOND) {
        g_autofree char *whole = g_strdup_printf("bytes */%" G_GINT64_FORMAT, size);
        http_reply_header(stream->request, "Content-Range", whole);
        stream->status = 416;
        return invalid(error, "Range", http_request_header(stream->request, "Range"));
    }
    transfer->part = range == RANGE_PART;
    g_string_append(head, transfer->part ? "206 Partial Content\r\n" : "200 OK\r\n");
    g_string_append_printf(head,
                           "Content-Type: application/%s\r\n"
                           "Content-Disposition: attachment; filename=\"%s.%s\"\r\n",
                           is_raw(stream) ? "octet-stream" : format, uuid, format);
    if (is_raw(stream))
        g_string_append_printf(head,
                               "Accept-Ranges: bytes\r\nContent-Length: %" G_GINT64_FORMAT "\r\n",
                               transfer->length);
    if (transfer->part)
        g_string_append_printf(head,
                               "Content-Range: bytes %" G_GINT64_FORMAT "-%" G_GINT64_FORMAT
                               "/%" G_GINT64_FORMAT "\r\n",
                               transfer->offset, transfer->offset + transfer->length - 1, size);
    g_string_append(head, HEAD_END);
    stream->head = g_string_free(g_steal_pointer(&head), FALSE);
    return true;
}

/* ---- the operation ---- */

static int
begin(struct transfer *transfer, GBytes **ret_ahead, GError **error)
{
    struct vdi_stream *stream = transfer->data;
    const struct linger broken = {.l_onoff = 1, .l_linger = 0};
    struct http_taken taken;

    if (!stream->request ||
        !http_request_take(g_steal_pointer(&stream->request), stream->head, &taken)) {
        api_error_set(error, "INTERNAL_ERROR", "the client has gone", NULL);
        return -1;
    }
    *ret_ahead = taken.ahead;
    if (!taken.tls) {
        /* Whoever dies with it breaks it off, until who has moved all makes its end a good one. */
        setsockopt(taken.fd, SOL_SOCKET, SO_LINGER, &broken, sizeof broken);
        return taken.fd;
    }
    int plain = -1;
    stream->relay = relay_start(&taken, transfer->import, &plain);
    if (!stream->relay)
        api_error_set(error, "INTERNAL_ERROR", "no thread for a connection", NULL);
    return plain;
}

static void
ended(const GError *error, const char *value, void *data)
{
    struct vdi_stream *stream = data;

    (void)value;
    if (stream->relay)
        relay_end(stream->relay, !error);
    if (stream->request && error)
        reply_error(stream, error);
    else if (stream->request) /* the plan was made without a transfer, which cannot be */
        http_reply_error(g_steal_pointer(&stream->request), 500, NULL);
    stream_free(stream);
}

static bool
submit(struct vdi_stream *stream, const struct caller *caller, GError **error)
{
    struct api *api = stream->streams->api;
    struct plan *plan = vdi_plan_transfer(api->storage, stream->vdi, &stream->transfer, error);
    struct txn *txn = plan ? model_begin(api->model, error) : NULL;
    struct op *op = NULL;
    guint64 generation = 0;
    const char *task = stream->task;

    if (!txn) {
        if (plan)
            plan_free(plan);
        return false;
    }
    if (!task && task_make_room(txn, api->model, api->limits->max_tasks, error))
        task = task_create(txn, stream->transfer.import ? "import_raw_vdi" : "export_raw_vdi", "",
                           caller->session, api->host, error);
    if (task) {
        op = ops_submit(api->ops, txn, plan, task, error);
        task_set_cancellable(txn, task, true);
    } else {
        plan_free(plan);
    }
    if (op)
        generation = txn_commit(txn, error);
    else
        txn_abort(txn);
    if (!generation) {
        if (op)
            op_drop(op);
        return false;
    }
    g_hash_table_insert(api->storage->transfers, stream->transfer.handle, &stream->transfer);
    op_start(op, generation, ended, stream);
    return true;
}

/* Xen Orchestra asks first, with the request that it is about to make but for task and body, and
 * hangs up: nothing is begun, or it would be in the way of what comes next. */
static bool
answer(struct vdi_stream *stream, GError **error)
{
    struct plan *plan =
        vdi_plan_transfer(stream->streams->api->storage, stream->vdi, &stream->transfer, error);

    if (!plan)
        return false;
    plan_free(plan);
    http_reply_header(stream->request, "Connection", "close");
    http_reply(g_steal_pointer(&stream->request), 200, NULL, NULL);
    stream_free(stream);
    return true;
}

static void
serve(struct http_request *request, const struct caller *caller, struct vdi_streams *streams,
      bool import)
{
    struct vdi_stream *stream = g_new0(struct vdi_stream, 1);
    struct api *api = streams->api;
    GError *error = NULL;

    stream->streams = streams;
    stream->request = request;
    stream->transfer =
        (struct transfer){.handle = g_uuid_string_random(),
                          .import = import,
                          .silent = import ? api->limits->body_read_seconds : EXPORT_SILENT_SECONDS,
                          .begin = begin,
                          .data = stream};
    if (g_hash_table_size(api->storage->transfers) >= VDI_TRANSFERS_MAX)
        api_error_set(&error, "TOO_BUSY", NULL);
    if (error || !find_task(stream, caller, &error) ||
        !find(stream, "VDI", "vdi", &stream->vdi, &error) || !read_format(stream, &error) ||
        !read_base(stream, &error) || !(import ? read_import : read_export)(stream, &error) ||
        !(stream->asks ? answer(stream, &error) : submit(stream, caller, &error)))
        refuse(stream, error);
}

static void
import_admitted(struct http_request *request, const struct caller *caller, void *data)
{
    serve(request, caller, data, true);
}

static void
export_admitted(struct http_request *request, const struct caller *caller, void *data)
{
    serve(request, caller, data, false);
}

static void
serve_import(struct http_request *request, void *data)
{
    struct vdi_streams *streams = data;

    admit(streams->api, request, streams->import, import_admitted, streams);
}

static void
serve_export(struct http_request *request, void *data)
{
    struct vdi_streams *streams = data;

    admit(streams->api, request, streams->export, export_admitted, streams);
}

struct vdi_streams *
vdi_streams_serve(struct http_server *server, struct api *api)
{
    struct vdi_streams *streams = g_new0(struct vdi_streams, 1);

    streams->api = api;
    streams->import = admit_action("put_import_raw_vdi");
    streams->export = admit_action("get_export_raw_vdi");
    http_server_route_stream(server, streams->import->method, streams->import->path, serve_import,
                             streams);
    http_server_route_stream(server, streams->export->method, streams->export->path, serve_export,
                             streams);
    return streams;
}

void
vdi_streams_free(struct vdi_streams *streams)
{
    g_free(streams);
}
