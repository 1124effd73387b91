/* What the API says of a disk, as tags of its volume: a JSON text in base64, whose letters are
 * those of tags, in pieces as long as a tag may be.  They are made with the volume, at once. */
#include "config.h"

#include "storage-repos/lvm/lvm.h"

#include <string.h>

#include "lib/error.h"
#include "lib/wire/jsonrpc.h"

#define TAG "xapid.%u:"
#define PIECE_MAX 960 /* characters; a tag has up to 1,024 */
#define PIECES_MAX 16

static char *
record_text(GVariant *args)
{
    g_autoptr(GString) text = g_string_new(NULL);
    GVariantDict record;

    g_variant_dict_init(&record, NULL);
    driver_insert_labels(&record, args);
    g_autoptr(GVariant) all = g_variant_ref_sink(g_variant_dict_end(&record));
    json_untyped_encode(text, all);
    return g_base64_encode((const guchar *)text->str, text->len);
}

bool
record_add_words(GPtrArray *words, GVariant *args, GError **error)
{
    g_autofree char *text = record_text(args);
    gsize length = strlen(text);

    if (length > (gsize)PIECE_MAX * PIECES_MAX) {
        api_error_set(error, "INVALID_VALUE", "name_description",
                      "it is too long for a volume's tags, with the name", NULL);
        return false;
    }
    for (gsize at = 0; at < length; at += PIECE_MAX) {
        g_ptr_array_add(words, g_strdup("--addtag"));
        g_ptr_array_add(
            words, g_strdup_printf(TAG "%.*s", (unsigned)(at / PIECE_MAX), PIECE_MAX, text + at));
    }
    return true;
}

/* LVM tells tags in an order of its own. */
static char *
join_pieces(const char *tags)
{
    g_auto(GStrv) all = g_strsplit(tags, ",", -1);
    g_autoptr(GString) text = g_string_new(NULL);

    for (unsigned i = 0; i < PIECES_MAX; i++) {
        g_autofree char *prefix = g_strdup_printf(TAG, i);
        for (char **tag = all; *tag; tag++)
            if (g_str_has_prefix(*tag, prefix))
                g_string_append(text, *tag + strlen(prefix));
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

GVariant *
record_of_tags(const char *tags)
{
    g_autofree char *text = join_pieces(tags);
    gsize length = 0;
    g_autofree guchar *json = *text ? g_base64_decode(text, &length) : NULL;
    g_autoptr(GVariant) record = json ? json_parse((const char *)json, length, NULL) : NULL;

    if (record && g_variant_is_of_type(record, G_VARIANT_TYPE_VARDICT))
        return g_steal_pointer(&record);
    return g_variant_ref_sink(g_variant_new("a{sv}", NULL));
}
