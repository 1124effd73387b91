#include "config.h"

#include "storage-repos/common/source.h"

#include "lib/error.h"
#include "lib/member.h"
#include "lib/wire/jsonrpc.h"

void
source_clear(struct source *source)
{
    g_clear_pointer(&source->told, g_variant_unref);
    g_strfreev(source->bases);
}

bool
source_read(GVariant *args, source_t *ret_source, GError **error)
{
    g_autoptr(GVariant) source = g_variant_lookup_value(args, "source", G_VARIANT_TYPE_VARDICT);
    const char *path = source ? member_text(source, "path") : "";
    const char *format = source ? member_text(source, "format") : "";
    g_auto(GStrv) bases = NULL;
    bool ok = g_path_is_absolute(path) &&
              (g_str_equal(format, "raw") || g_str_equal(format, "qcow2")) &&
              member_texts(source, "bases", &bases);

    for (char **base = bases; ok && base && *base; base++)
        ok = g_path_is_absolute(*base);
    if (!ok) {
        api_error_set(error, "INVALID_VALUE", "source", path, NULL);
        return false;
    }
    *ret_source = (struct source){.path = path,
                                  .format = format,
                                  .block = g_str_equal(member_text(source, "kind"), "block"),
                                  .bases = g_steal_pointer(&bases)};
    ret_source->told = g_steal_pointer(&source);
    return true;
}

static GVariant *
node_new(const struct source *source, const char *path, GVariant *below)
{
    GVariantDict file, node;

    g_variant_dict_init(&file, NULL);
    g_variant_dict_insert(&file, "driver", "s", source->block ? "host_device" : "file");
    g_variant_dict_insert(&file, "filename", "s", path);
    g_variant_dict_init(&node, NULL);
    g_variant_dict_insert(&node, "driver", "s", "qcow2");
    g_variant_dict_insert_value(&node, "file", g_variant_dict_end(&file));
    g_variant_dict_insert_value(&node, "backing", below ? below : g_variant_new_tuple(NULL, 0));
    return g_variant_dict_end(&node);
}

/* An image with all that it stands on: what its header names is not asked. */
static char *
image_words(const struct source *source)
{
    g_autoptr(GString) words = g_string_new("json:");
    GVariant *node = NULL;

    for (gsize i = source->bases ? g_strv_length(source->bases) : 0; i-- > 0;)
        node = node_new(source, source->bases[i], node);
    g_autoptr(GVariant) all = g_variant_ref_sink(node_new(source, source->path, node));
    json_untyped_encode(words, all);
    return g_string_free(g_steal_pointer(&words), FALSE);
}

char *
source_words(const struct source *source)
{
    return g_str_equal(source->format, "raw") ? g_strdup(source->path) : image_words(source);
}
