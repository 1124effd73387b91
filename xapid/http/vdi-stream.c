#include "config.h"

#include "xapid/http/vdi-stream.h"

#include "lib/error.h"
#include "xapid/http/admit.h"
#include "xapid/http/moving.h"
#include "xapid/http/range.h"
#include "xapid/stream/vhd.h"

#define VHD_DISK_MAX ((gint64)VHD_SIZE_MAX)

struct vdi_streams {
    struct api *api;
    const struct dm_http_action *import, *export;
};

/* One transfer, from the request to its end. */
struct vdi_stream {
    struct moving moving; /* first */
    char *vdi;            /* a reference */
    bool asks;            /* whether it may, and sends nothing */
};

static void
stream_freed(struct moving *moving)
{
    struct vdi_stream *stream = (struct vdi_stream *)moving;

    g_free(moving->transfer.since);
    g_free(moving->transfer.since_handle);
    g_free(stream->vdi);
    g_free(stream);
}

/* ---- what is asked for ---- */

static bool
read_format(struct vdi_stream *stream, GError **error)
{
    static const char *const known[] = {"raw", "vhd", "qcow2"};
    const char *format = http_request_query(stream->moving.request, "format");
    const char *chunked = http_request_query(stream->moving.request, "chunked");
    unsigned i = 0;

    if (!chunked)
        chunked = http_request_cookie(stream->moving.request, "chunked");
    if (!format)
        format = "raw";
    while (i < G_N_ELEMENTS(known) && !g_str_equal(format, known[i]))
        i++;
    if (i == G_N_ELEMENTS(known) || (chunked && i != 0 && stream->moving.transfer.import)) {
        stream->moving.status = 404; /* as XAPI */
        return moving_invalid(error, "format", format);
    }
    stream->moving.transfer.format =
        chunked && stream->moving.transfer.import ? "chunks" : known[i];
    return true;
}

/* Only a VHD can say that the rest is in another one. */
static bool
read_base(struct vdi_stream *stream, GError **error)
{
    if (!http_request_query(stream->moving.request, "base"))
        return true;
    if (stream->moving.transfer.import || !g_str_equal(stream->moving.transfer.format, "vhd")) {
        api_error_set(error, "NOT_IMPLEMENTED", "base", NULL);
        return false;
    }
    stream->moving.transfer.since_handle = g_uuid_string_random();
    return moving_find(&stream->moving, "VDI", "base", &stream->moving.transfer.since, error);
}

static bool
is_raw(const struct vdi_stream *stream)
{
    return g_str_equal(stream->moving.transfer.format, "raw");
}

/* ---- the heads of answers ---- */

static bool
read_import(struct vdi_stream *stream, GError **error)
{
    const char *part = http_request_header(stream->moving.request, "Content-Range");
    struct transfer *transfer = &stream->moving.transfer;
    gint64 in_part = 0;

    stream->asks = moving_read_length(&stream->moving);
    if (http_request_query(stream->moving.request, "sr_id") ||
        http_request_query(stream->moving.request, "sr_uuid")) {
        api_error_set(error, "NOT_IMPLEMENTED", "sr_id", NULL);
        return false;
    }
    if (part && !is_raw(stream)) {
        api_error_set(error, "NOT_IMPLEMENTED", "Content-Range", NULL);
        return false;
    }
    if (part && (!range_given(part, &transfer->offset, &in_part) || in_part != transfer->length))
        return moving_invalid(error, "Content-Range", part);
    transfer->part = part;
    stream->moving.head = g_strdup("HTTP/1.1 200 OK\r\n");
    return true;
}

static bool
read_export(struct vdi_stream *stream, GError **error)
{
    const struct model *model = stream->moving.api->model;
    const char *format = stream->moving.transfer.format;
    gint64 size = model_get_int(model, stream->vdi, "virtual_size");
    g_autofree char *uuid = model_get_string(model, stream->vdi, "uuid");
    struct transfer *transfer = &stream->moving.transfer;
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
        range = range_asked(http_request_header(stream->moving.request, "Range"), size,
                            &transfer->offset, &transfer->length);
    }
    if (range == RANGE_BEYOND) {
        g_autofree char *whole = g_strdup_printf("bytes */%" G_GINT64_FORMAT, size);
        http_reply_header(stream->moving.request, "Content-Range", whole);
        stream->moving.status = 416;
        return moving_invalid(error, "Range", http_request_header(stream->moving.request, "Range"));
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
    stream->moving.head = g_string_free(g_steal_pointer(&head), FALSE);
    return true;
}

/* ---- the operation ---- */

static bool
submit(struct vdi_stream *stream, const struct caller *caller, GError **error)
{
    struct moving *moving = &stream->moving;
    struct api *api = moving->api;
    struct plan *plan = vdi_plan_transfer(api->storage, stream->vdi, &moving->transfer, error);
    struct txn *txn = plan ? model_begin(api->model, error) : NULL;

    if (!txn) {
        if (plan)
            plan_free(plan);
        return false;
    }
    if (moving_take_task(moving, txn, caller,
                         moving->transfer.import ? "import_raw_vdi" : "export_raw_vdi", error))
        return moving_submit(moving, txn, plan, error);
    plan_free(plan);
    txn_abort(txn);
    return false;
}

/* Nothing is begun. */
static bool
answer(struct vdi_stream *stream, GError **error)
{
    struct plan *plan = vdi_plan_transfer(stream->moving.api->storage, stream->vdi,
                                          &stream->moving.transfer, error);

    if (!plan)
        return false;
    plan_free(plan);
    moving_answer(&stream->moving);
    return true;
}

static void
serve(struct http_request *request, const struct caller *caller, struct vdi_streams *streams,
      bool import)
{
    struct vdi_stream *stream = g_new0(struct vdi_stream, 1);
    struct moving *moving = &stream->moving;
    GError *error = NULL;

    moving_init(moving, streams->api, request, import, stream_freed);
    if (!moving_has_room(moving, &error) || !moving_find_task(moving, caller, &error) ||
        !moving_find(moving, "VDI", "vdi", &stream->vdi, &error) || !read_format(stream, &error) ||
        !read_base(stream, &error) || !(import ? read_import : read_export)(stream, &error) ||
        !(stream->asks ? answer(stream, &error) : submit(stream, caller, &error)))
        moving_refuse(moving, error);
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
