#include "config.h"

#include "xapid/http/picture.h"

#include <gio/gunixinputstream.h>
#include <string.h>

#include "lib/error.h"
#include "xapid/http/admit.h"
#include "xapid/http/console-find.h"
#include "xapid/picture/picture.h"

#define HOST_CONSOLE "host_console"
#define PIECE (64 * 1024) /* that is read at a time */

struct picture_service {
    struct api *api;
    const struct dm_http_action *action;
};

/* One that is being made. */
struct picture {
    struct http_request *request;
    GInputStream *stream;
    GByteArray *bytes;
};

static void
picture_free(struct picture *picture)
{
    g_clear_object(&picture->stream);
    g_clear_pointer(&picture->bytes, g_byte_array_unref);
    g_free(picture);
}

/* Whoever made it may have been taken over by the guest: it is shown as a picture by itself, or not
 * at all. */
static bool
is_whole(const GByteArray *bytes)
{
    static const guint8 begin[] = {0xff, 0xd8, 0xff}, end[] = {0xff, 0xd9};

    return bytes->len > sizeof begin + sizeof end &&
           memcmp(bytes->data, begin, sizeof begin) == 0 &&
           memcmp(bytes->data + bytes->len - sizeof end, end, sizeof end) == 0;
}

static void
send_picture(struct picture *picture)
{
    if (!is_whole(picture->bytes)) {
        http_reply_error(picture->request, 503, "the screen gives no picture");
    } else {
        g_autoptr(GBytes) bytes = g_byte_array_free_to_bytes(g_steal_pointer(&picture->bytes));

        http_reply_header(picture->request, "X-Content-Type-Options", "nosniff");
        http_reply_header(picture->request, "Cross-Origin-Resource-Policy", "same-origin");
        http_reply(picture->request, 200, "image/jpeg", bytes);
    }
    picture_free(picture);
}

static void
has_read(GObject *source, GAsyncResult *result, void *data)
{
    struct picture *picture = data;
    g_autoptr(GBytes) piece =
        g_input_stream_read_bytes_finish(G_INPUT_STREAM(source), result, NULL);
    gsize length = piece ? g_bytes_get_size(piece) : 0;

    if (length == 0) {
        send_picture(picture);
        return;
    }
    if (picture->bytes->len + length > PICTURE_BYTES_MAX) {
        g_byte_array_set_size(picture->bytes, 0);
        send_picture(picture);
        return;
    }
    g_byte_array_append(picture->bytes, g_bytes_get_data(piece, NULL), (guint)length);
    g_input_stream_read_bytes_async(picture->stream, PIECE, G_PRIORITY_DEFAULT, NULL, has_read,
                                    picture);
}

static void
opened(const GError *error, int fd, void *data)
{
    struct picture *picture = data;

    if (error) {
        g_autofree char *text = g_strdup_printf("no picture can be made: %s", error->message);
        http_reply_error(picture->request, 503, text);
        picture_free(picture);
        return;
    }
    picture->stream = g_unix_input_stream_new(fd, TRUE);
    picture->bytes = g_byte_array_new();
    g_input_stream_read_bytes_async(picture->stream, PIECE, G_PRIORITY_DEFAULT, NULL, has_read,
                                    picture);
}

static void
admitted(struct http_request *request, const struct caller *caller, void *data)
{
    struct picture_service *service = data;
    struct api *api = service->api;
    struct console_found found;

    if (!console_find(api, request, caller, service->action, HOST_CONSOLE, &found))
        return;
    struct picture *picture = g_new0(struct picture, 1);
    picture->request = request;
    g_autofree char *uuid = model_get_string(api->model, found.vm, "uuid");
    domains_console(api->vm->domains, uuid, "picture", opened, picture);
    console_found_clear(&found);
}

static void
serve(struct http_request *request, void *data)
{
    struct picture_service *service = data;

    admit(service->api, request, service->action, admitted, service);
}

struct picture_service *
pictures_serve(struct http_server *server, struct api *api)
{
    struct picture_service *service = g_new0(struct picture_service, 1);

    service->api = api;
    service->action = admit_action("get_vncsnapshot");
    http_server_route(server, service->action->method, service->action->path, serve, service);
    return service;
}

void
picture_service_free(struct picture_service *service)
{
    g_free(service);
}
