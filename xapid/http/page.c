#include "config.h"

#include "xapid/http/page.h"

#include <string.h>
#include <sys/stat.h>

#include "lib/log.h"
#include "xapid/http/aside.h"

#define HTTPS_PORT 443 /* which no URL names */
/* No script but our own files, none that a string became; no frames, forms or other sites.  noVNC's
 * cursors and pictures are data: URLs. */
#define POLICY                                                                                     \
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "                \
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "          \
    "require-trusted-types-for 'script'; trusted-types 'none'"

static const char *const ours[] = {"page.css", "api.js",     "ask.js",  "console.js", "element.js",
                                   "hosts.js", "login.js",   "main.js", "records.js", "rows.js",
                                   "tasks.js", "trouble.js", "vms.js"};

/* What core/rfb.js of version 1.3 imports, and what that does. */
static const char *const novnc[] = {"core/base64.js",
                                    "core/decoders/copyrect.js",
                                    "core/decoders/hextile.js",
                                    "core/decoders/raw.js",
                                    "core/decoders/rre.js",
                                    "core/decoders/tight.js",
                                    "core/decoders/tightpng.js",
                                    "core/deflator.js",
                                    "core/des.js",
                                    "core/display.js",
                                    "core/encodings.js",
                                    "core/inflator.js",
                                    "core/input/domkeytable.js",
                                    "core/input/fixedkeys.js",
                                    "core/input/gesturehandler.js",
                                    "core/input/keyboard.js",
                                    "core/input/keysym.js",
                                    "core/input/keysymdef.js",
                                    "core/input/util.js",
                                    "core/input/vkeys.js",
                                    "core/input/xtscancodes.js",
                                    "core/rfb.js",
                                    "core/util/browser.js",
                                    "core/util/cursor.js",
                                    "core/util/element.js",
                                    "core/util/events.js",
                                    "core/util/eventtarget.js",
                                    "core/util/int.js",
                                    "core/util/logging.js",
                                    "core/util/strings.js",
                                    "core/websock.js",
                                    "vendor/pako/lib/utils/common.js",
                                    "vendor/pako/lib/zlib/adler32.js",
                                    "vendor/pako/lib/zlib/constants.js",
                                    "vendor/pako/lib/zlib/crc32.js",
                                    "vendor/pako/lib/zlib/deflate.js",
                                    "vendor/pako/lib/zlib/gzheader.js",
                                    "vendor/pako/lib/zlib/inffast.js",
                                    "vendor/pako/lib/zlib/inflate.js",
                                    "vendor/pako/lib/zlib/inftrees.js",
                                    "vendor/pako/lib/zlib/messages.js",
                                    "vendor/pako/lib/zlib/trees.js",
                                    "vendor/pako/lib/zlib/zstream.js"};

/* What is at one path; under the service's lock but for `name`. */
struct file {
    char *name;      /* on disk */
    struct stat was; /* when it was read */
    GBytes *content; /* NULL: it was not, or is not there */
    char *tag;       /* of the content, as If-None-Match has it */
};

struct page_service {
    GHashTable *files; /* path -> struct file */
    guint https_port;
    struct aside *readers;
    GMutex lock;
};

/* A file on its way to a browser. */
struct page {
    struct page_service *service;
    struct http_request *request;
    struct file *file;
    GBytes *content; /* NULL: there is none */
    char *tag;
};

static void
file_forget(struct file *file)
{
    g_clear_pointer(&file->content, g_bytes_unref);
    g_clear_pointer(&file->tag, g_free);
}

static void
file_free(gpointer data)
{
    struct file *file = data;

    file_forget(file);
    g_free(file->name);
    g_free(file);
}

static void
page_free(struct page *page)
{
    g_clear_pointer(&page->content, g_bytes_unref);
    g_free(page->tag);
    g_free(page);
}

/* ---- reading: in a thread ---- */

static bool
is_same(const struct stat *one, const struct stat *other)
{
    return one->st_ino == other->st_ino && one->st_size == other->st_size &&
           one->st_mtim.tv_sec == other->st_mtim.tv_sec &&
           one->st_mtim.tv_nsec == other->st_mtim.tv_nsec;
}

/* However many ask for it, it is in memory once. */
static void
file_refresh(struct file *file)
{
    g_autoptr(GError) error = NULL;
    struct stat is;
    char *text;
    gsize length;

    if (stat(file->name, &is) != 0 || !S_ISREG(is.st_mode)) {
        file_forget(file);
        return;
    }
    if (file->content && is_same(&is, &file->was))
        return;
    file_forget(file);
    if (is.st_size > PAGE_FILE_MAX) {
        log_error("%s has more than %d bytes and is not served", file->name, PAGE_FILE_MAX);
    } else if (!g_file_get_contents(file->name, &text, &length, &error)) {
        log_error("%s", error->message);
    } else {
        file->content = g_bytes_new_take(text, length);
        g_autofree char *sum = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, file->content);
        file->tag = g_strdup_printf("\"%s\"", sum);
        file->was = is;
    }
}

static void
page_read(void *job)
{
    struct page *page = job;

    g_mutex_lock(&page->service->lock);
    file_refresh(page->file);
    if (page->file->content)
        page->content = g_bytes_ref(page->file->content);
    page->tag = g_strdup(page->file->tag);
    g_mutex_unlock(&page->service->lock);
}

/* ---- the answer ---- */

static const char *
content_type(const char *name)
{
    if (g_str_has_suffix(name, ".html"))
        return "text/html; charset=utf-8";
    if (g_str_has_suffix(name, ".css"))
        return "text/css; charset=utf-8";
    return "text/javascript; charset=utf-8";
}

static void
protect(struct http_request *request)
{
    static const char *const fields[][2] = {{"Content-Security-Policy", POLICY},
                                            {"X-Content-Type-Options", "nosniff"},
                                            {"X-Frame-Options", "DENY"},
                                            {"Referrer-Policy", "no-referrer"},
                                            {"Cross-Origin-Opener-Policy", "same-origin"},
                                            {"Cross-Origin-Resource-Policy", "same-origin"}};

    for (gsize i = 0; i < G_N_ELEMENTS(fields); i++)
        http_reply_header(request, fields[i][0], fields[i][1]);
}

/* A browser keeps it and asks each time whether it is still the same: a page never has modules of
 * two versions. */
static void
page_send(void *job)
{
    struct page *page = job;
    struct http_request *request = page->request;
    const char *known = http_request_header(request, "If-None-Match");

    protect(request);
    if (!page->content) {
        http_reply_error(request, 404, "this file is not installed");
        page_free(page);
        return;
    }
    http_reply_header(request, "Cache-Control", "no-cache");
    http_reply_header(request, "ETag", page->tag);
    if (known && strstr(known, page->tag))
        http_reply(request, 304, NULL, NULL);
    else
        http_reply(request, 200, content_type(page->file->name), page->content);
    page_free(page);
}

/* To where the client has come, but over TLS. */
static void
send_to_tls(struct http_request *request, guint port)
{
    const char *host = http_request_header(request, "Host");
    g_autoptr(GSocketConnectable) address = host ? g_network_address_parse(host, 80, NULL) : NULL;

    if (!port || !address) {
        http_reply_error(request, 403, "the page is served over TLS only");
        return;
    }
    const char *name = g_network_address_get_hostname(G_NETWORK_ADDRESS(address));
    g_autofree char *url = g_uri_join(G_URI_FLAGS_NONE, "https", NULL, name,
                                      port == HTTPS_PORT ? -1 : (int)port, "/", NULL, NULL);
    http_reply_header(request, "Location", url);
    http_reply_error(request, 302, "the page is served over TLS");
}

static void
serve(struct http_request *request, void *data)
{
    struct page_service *service = data;
    struct file *file = g_hash_table_lookup(service->files, http_request_path(request));

    if (!file) {
        http_reply_error(request, 404, NULL);
        return;
    }
    if (http_request_transport(request) == HTTP_CLEAR) {
        send_to_tls(request, service->https_port);
        return;
    }
    struct page *page = g_new0(struct page, 1);
    page->service = service;
    page->request = request;
    page->file = file;
    aside_push(service->readers, page);
}

/* ---- what there is ---- */

static void
add_file(struct page_service *service, const char *path, const char *dir, const char *name)
{
    struct file *file = g_new0(struct file, 1);

    file->name = g_build_filename(dir, name, NULL);
    g_hash_table_insert(service->files, g_strdup(path), file);
}

static void
add_files(struct page_service *service, const char *prefix, const char *dir,
          const char *const *names, gsize n)
{
    for (gsize i = 0; i < n; i++) {
        g_autofree char *path = g_strconcat(prefix, names[i], NULL);
        add_file(service, path, dir, names[i]);
    }
}

struct page_service *
page_serve(struct http_server *server, const struct settings *settings)
{
    struct page_service *service = g_new0(struct page_service, 1);
    const char *dir = *settings->page_dir ? settings->page_dir : PAGE_DIR;

    service->files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, file_free);
    add_file(service, "/", dir, "index.html");
    add_files(service, "/page/", dir, ours, G_N_ELEMENTS(ours));
    add_files(service, "/page/novnc/", settings->novnc_dir, novnc, G_N_ELEMENTS(novnc));
    service->https_port = settings->https_port;
    service->readers = aside_new(page_read, page_send);
    g_mutex_init(&service->lock);
    http_server_route_whole(server, "GET", "/", serve, service);
    http_server_route(server, "GET", "/page/", serve, service);
    return service;
}

void
page_service_free(struct page_service *service)
{
    if (!service)
        return;
    aside_free(service->readers);
    g_hash_table_unref(service->files);
    g_mutex_clear(&service->lock);
    g_free(service);
}
