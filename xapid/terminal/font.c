#include "config.h"

#include "xapid/terminal/font.h"

#include <gio/gio.h>
#include <stdbool.h>
#include <string.h>

#include "lib/error.h"

/* The head: two bytes of magic, the mode, the bytes of a glyph. */
#define HEAD_BYTES 4
#define MODE_512 1
#define MODE_TABLE 2
#define GLYPHS 256
#define SEQUENCE 0xfffe
#define END 0xffff

struct font {
    guint8 *glyphs;
    GHashTable *places; /* character to the number of its glyph */
    guint unknown;
};

static struct font *
refuse(GError **error, const char *why)
{
    api_error_set(error, "INTERNAL_ERROR", "the font of text consoles", why, NULL);
    return NULL;
}

/* For each glyph its characters, then, perhaps, sequences of several, which are left out. */
static void
read_table(struct font *font, const guint8 *table, gsize length, guint n_glyphs)
{
    guint glyph = 0;
    bool sequences = false;

    for (gsize at = 0; at + 2 <= length && glyph < n_glyphs; at += 2) {
        guint value = table[at] | (guint)table[at + 1] << 8;

        if (value == END)
            glyph++;
        else if (value != SEQUENCE && !sequences)
            g_hash_table_insert(font->places, GUINT_TO_POINTER(value), GUINT_TO_POINTER(glyph));
        sequences = value == SEQUENCE || (sequences && value != END);
    }
}

struct font *
font_parse(const guint8 *bytes, gsize length, GError **error)
{
    guint n = length >= HEAD_BYTES && (bytes[2] & MODE_512) ? 2 * GLYPHS : GLYPHS;
    gsize glyphs = (gsize)n * FONT_HEIGHT;

    if (length < HEAD_BYTES || bytes[0] != 0x36 || bytes[1] != 0x04)
        return refuse(error, "no PSF of version 1");
    if (bytes[3] != FONT_HEIGHT || !(bytes[2] & MODE_TABLE))
        return refuse(error, "not of 16 lines, or without a table of characters");
    if (length < HEAD_BYTES + glyphs)
        return refuse(error, "it ends too early");
    struct font *font = g_new0(struct font, 1);
    font->glyphs = g_memdup2(bytes + HEAD_BYTES, glyphs);
    font->places = g_hash_table_new(NULL, NULL);
    read_table(font, bytes + HEAD_BYTES + glyphs, length - HEAD_BYTES - glyphs, n);
    gpointer unknown = g_hash_table_lookup(font->places, GUINT_TO_POINTER(0xfffd));
    if (!unknown)
        unknown = g_hash_table_lookup(font->places, GUINT_TO_POINTER(' '));
    font->unknown = GPOINTER_TO_UINT(unknown);
    return font;
}

struct font *
font_load(const char *path, GError **error)
{
    g_autoptr(GFile) file = g_file_new_for_path(path);
    g_autoptr(GInputStream) packed = G_INPUT_STREAM(g_file_read(file, NULL, error));
    g_autofree guint8 *bytes = g_malloc(FONT_BYTES_MAX);
    gsize length;

    if (!packed)
        return NULL;
    g_autoptr(GConverter) gzip =
        G_CONVERTER(g_zlib_decompressor_new(G_ZLIB_COMPRESSOR_FORMAT_GZIP));
    g_autoptr(GInputStream) stream = g_str_has_suffix(path, ".gz")
                                         ? g_converter_input_stream_new(packed, gzip)
                                         : g_object_ref(packed);
    if (!g_input_stream_read_all(stream, bytes, FONT_BYTES_MAX, &length, NULL, error))
        return NULL;
    return font_parse(bytes, length, error);
}

void
font_free(struct font *font)
{
    if (!font)
        return;
    g_hash_table_unref(font->places);
    g_free(font->glyphs);
    g_free(font);
}

const guint8 *
font_glyph(const struct font *font, gunichar character)
{
    gpointer place;

    if (!g_hash_table_lookup_extended(font->places, GUINT_TO_POINTER(character), NULL, &place))
        place = GUINT_TO_POINTER(font->unknown);
    return font->glyphs + (gsize)GPOINTER_TO_UINT(place) * FONT_HEIGHT;
}
