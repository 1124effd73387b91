/* What is sent of a VM, as it is or packed by gzip or zstd. */
#include "config.h"

#include <gio/gio.h>
#include <string.h>
#include <zstd.h>

#include "lib/error.h"
#include "xapid/stream/vm.h"

#define GZIP_LEVEL 1 /* the network is seldom slower than the next ones */
#define ZSTD_LEVEL 1

struct pack {
    struct client *client;
    GConverter *gzip;
    ZSTD_CCtx *zstd;
    guint8 out[PIECE_BYTES];
};

struct pack *
pack_new(struct client *client, const char *packing, GError **error)
{
    struct pack *pack = g_new(struct pack, 1);

    pack->client = client;
    pack->gzip = g_str_equal(packing, "gzip")
                     ? G_CONVERTER(g_zlib_compressor_new(G_ZLIB_COMPRESSOR_FORMAT_GZIP, GZIP_LEVEL))
                     : NULL;
    pack->zstd = g_str_equal(packing, "zstd") ? ZSTD_createCCtx() : NULL;
    if (pack->zstd)
        ZSTD_CCtx_setParameter(pack->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL);
    if (pack->gzip || pack->zstd || g_str_equal(packing, "none"))
        return pack;
    api_error_set(error, "INTERNAL_ERROR", "xapid-stream", "cannot pack", packing, NULL);
    pack_free(pack);
    return NULL;
}

void
pack_free(struct pack *pack)
{
    if (!pack)
        return;
    g_clear_object(&pack->gzip);
    ZSTD_freeCCtx(pack->zstd);
    g_free(pack);
}

static bool
write_gzip(struct pack *pack, const guint8 *bytes, gsize length, bool last, GError **error)
{
    GConverterFlags flags = last ? G_CONVERTER_INPUT_AT_END : G_CONVERTER_NO_FLAGS;
    GConverterResult result = G_CONVERTER_CONVERTED;
    gsize read, written;

    while (last ? result != G_CONVERTER_FINISHED : length > 0) {
        result = g_converter_convert(pack->gzip, bytes, length, pack->out, sizeof pack->out, flags,
                                     &read, &written, error);
        if (result == G_CONVERTER_ERROR)
            return false;
        bytes += read;
        length -= read;
        if (!client_write(pack->client, pack->out, written, error))
            return false;
    }
    return true;
}

static bool
write_zstd(struct pack *pack, const guint8 *bytes, gsize length, bool last, GError **error)
{
    ZSTD_inBuffer in = {bytes, length, 0};
    gsize left = 1;

    while (last ? left > 0 : in.pos < in.size) {
        ZSTD_outBuffer out = {pack->out, sizeof pack->out, 0};
        left = ZSTD_compressStream2(pack->zstd, &out, &in, last ? ZSTD_e_end : ZSTD_e_continue);
        if (ZSTD_isError(left)) {
            api_error_set(error, "INTERNAL_ERROR", "zstd", ZSTD_getErrorName(left), NULL);
            return false;
        }
        if (!client_write(pack->client, pack->out, out.pos, error))
            return false;
    }
    return true;
}

static bool
write_some(struct pack *pack, const void *bytes, gsize length, bool last, GError **error)
{
    if (pack->gzip)
        return write_gzip(pack, bytes, length, last, error);
    if (pack->zstd)
        return write_zstd(pack, bytes, length, last, error);
    return client_write(pack->client, bytes, length, error);
}

bool
pack_write(struct pack *pack, const void *bytes, gsize length, GError **error)
{
    return write_some(pack, bytes, length, false, error);
}

bool
pack_end(struct pack *pack, GError **error)
{
    return write_some(pack, "", 0, true, error);
}
