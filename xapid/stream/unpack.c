/* What a client sends of a VM, without the packing that its first bytes tell: gzip, zstd or none.
 */
#include "config.h"

#include <gio/gio.h>
#include <string.h>
#include <zstd.h>

#include "lib/error.h"
#include "xapid/stream/vm.h"

#define IN_BYTES (64 * 1024)
#define ZSTD_WINDOW_MAX (128 << 20) /* bytes of what came last that are kept at most */

enum kind { KIND_UNKNOWN, KIND_PLAIN, KIND_GZIP, KIND_ZSTD };

struct unpack {
    struct client *client;
    enum kind kind;
    GConverter *gzip;
    ZSTD_DCtx *zstd;
    gsize at, length; /* of what is in `in` and has not been used */
    bool ended;       /* nothing more comes in */
    bool full;        /* zstd may have more, without more that comes in */
    guint8 in[IN_BYTES];
};

struct unpack *
unpack_new(struct client *client)
{
    struct unpack *unpack = g_new0(struct unpack, 1);

    unpack->client = client;
    return unpack;
}

void
unpack_free(struct unpack *unpack)
{
    g_clear_object(&unpack->gzip);
    ZSTD_freeDCtx(unpack->zstd);
    g_free(unpack);
}

/* Adds to what is in `in`, of which nothing has been used. */
static bool
fill(struct unpack *unpack, GError **error)
{
    gsize n;

    if (!client_read_some(unpack->client, unpack->in + unpack->length,
                          sizeof unpack->in - unpack->length, &n, error))
        return false;
    unpack->ended = n == 0;
    unpack->length += n;
    return true;
}

static bool
find_kind(struct unpack *unpack, GError **error)
{
    static const guint8 gzip[] = {0x1f, 0x8b}, zstd[] = {0x28, 0xb5, 0x2f, 0xfd};

    while (unpack->length < sizeof zstd && !unpack->ended)
        if (!fill(unpack, error))
            return false;
    if (unpack->length < sizeof zstd) {
        api_error_set(error, "IMPORT_ERROR_PREMATURE_EOF", NULL);
        return false;
    }
    unpack->kind = KIND_PLAIN;
    if (memcmp(unpack->in, gzip, sizeof gzip) == 0) {
        unpack->kind = KIND_GZIP;
        unpack->gzip = G_CONVERTER(g_zlib_decompressor_new(G_ZLIB_COMPRESSOR_FORMAT_GZIP));
    } else if (memcmp(unpack->in, zstd, sizeof zstd) == 0) {
        unpack->kind = KIND_ZSTD;
        unpack->zstd = ZSTD_createDCtx();
        ZSTD_DCtx_setParameter(unpack->zstd, ZSTD_d_windowLogMax,
                               g_bit_nth_msf(ZSTD_WINDOW_MAX, -1));
    }
    return true;
}

/* Each unpacks a little of what is in `in`: *ret_used of it gave *ret_made. */
static bool
unpack_gzip(struct unpack *unpack, guint8 *buffer, gsize length, gsize *ret_used, gsize *ret_made,
            GError **error)
{
    g_autoptr(GError) cause = NULL;
    GConverterResult result =
        g_converter_convert(unpack->gzip, unpack->in + unpack->at, unpack->length - unpack->at,
                            buffer, length, G_CONVERTER_NO_FLAGS, ret_used, ret_made, &cause);

    if (result == G_CONVERTER_FINISHED) /* another one may follow it */
        g_converter_reset(unpack->gzip);
    return result != G_CONVERTER_ERROR || import_failed(error, "gzip: %s", cause->message);
}

static bool
unpack_zstd(struct unpack *unpack, guint8 *buffer, gsize length, gsize *ret_used, gsize *ret_made,
            GError **error)
{
    ZSTD_inBuffer in = {unpack->in + unpack->at, unpack->length - unpack->at, 0};
    ZSTD_outBuffer out = {buffer, length, 0};
    gsize result = ZSTD_decompressStream(unpack->zstd, &out, &in);

    *ret_used = in.pos;
    *ret_made = out.pos;
    unpack->full = out.pos == out.size;
    return !ZSTD_isError(result) || import_failed(error, "zstd: %s", ZSTD_getErrorName(result));
}

static bool
unpack_plain(struct unpack *unpack, guint8 *buffer, gsize length, gsize *ret_used, gsize *ret_made)
{
    *ret_used = *ret_made = MIN(length, unpack->length - unpack->at);
    memcpy(buffer, unpack->in + unpack->at, *ret_used);
    return true;
}

static bool
unpack_some(struct unpack *unpack, guint8 *buffer, gsize length, gsize *ret_made, GError **error)
{
    gsize used = 0;
    bool ok =
        unpack->kind == KIND_GZIP   ? unpack_gzip(unpack, buffer, length, &used, ret_made, error)
        : unpack->kind == KIND_ZSTD ? unpack_zstd(unpack, buffer, length, &used, ret_made, error)
                                    : unpack_plain(unpack, buffer, length, &used, ret_made);

    unpack->at += used;
    return ok;
}

bool
unpack_read(struct unpack *unpack, void *buffer, gsize length, GError **error)
{
    guint8 *to = buffer;

    if (unpack->kind == KIND_UNKNOWN && !find_kind(unpack, error))
        return false;
    for (gsize made; length > 0; to += made, length -= made) {
        made = 0;
        if (unpack->at == unpack->length && unpack->kind == KIND_PLAIN)
            return client_read(unpack->client, to, length, error);
        if (unpack->at == unpack->length && !unpack->ended && !unpack->full) {
            unpack->at = unpack->length = 0;
            if (!fill(unpack, error))
                return false;
        }
        gsize at = unpack->at;
        if (unpack->length > unpack->at || unpack->kind == KIND_ZSTD) {
            if (!unpack_some(unpack, to, length, &made, error))
                return false;
        }
        if (made == 0 && at == unpack->at && unpack->ended) {
            api_error_set(error, "IMPORT_ERROR_PREMATURE_EOF", NULL);
            return false;
        }
        if (made == 0 && at == unpack->at && unpack->length > unpack->at)
            return import_failed(error, "it cannot be unpacked");
    }
    return true;
}
