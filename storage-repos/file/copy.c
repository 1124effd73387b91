/* A new disk with the contents of another one, of this repository or of any other: what vdi.attach
 * answered for that one says where it is, and what. */
#include "config.h"

#include "storage-repos/file/file.h"

#include <errno.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "lib/member.h"
#include "lib/wire/jsonrpc.h"
#include "storage-repos/common/folder.h"
#include "storage-repos/common/tool.h"

struct source {
    const char *path, *format;
    bool block;
    char **bases; /* paths; NULL: none */
};

typedef struct source source_t;

static void
source_clear(struct source *source)
{
    g_strfreev(source->bases);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(source_t, source_clear)

/* Borrows from the variant. */
static bool
read_source(GVariant *source, struct source *ret_source, GError **error)
{
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
    *ret_source = (struct source){path, format, g_str_equal(member_text(source, "kind"), "block"),
                                  g_steal_pointer(&bases)};
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

/* An image with all that it stands on, as qemu-img takes it: what its header names is not asked. */
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

/* Both formats are said, never found out by looking: what a guest wrote could look like anything.
 * What reads as zeros takes no space. */
static bool
convert(const struct disk *disk, const char *part, const struct source *source, GError **error)
{
    bool raw = g_str_equal(source->format, "raw");
    g_autofree char *from = raw ? g_strdup(source->path) : image_words(source);
    g_autofree char *path = disk_tool_path(disk, part);
    g_autofree char *words = NULL;
    const char *const argv[] = {
        QEMU_IMG, "convert", "-q", "-f", source->format, "-O", disk->qcow2 ? "qcow2" : "raw",
        from,     path,      NULL};

    if (folder_remove(disk->folder, part) && tool_run(disk->folder, argv, &words) &&
        disk_sync_file(disk, part))
        return true;
    disk_tool_failed(disk, FAILURE_VDI_CREATE, words, error);
    return false;
}

static bool
make_copy(struct disk *disk, GVariant *args, const struct source *source, gint64 size,
          GError **error)
{
    g_autofree char *part = g_strdup_printf(".%s.part", disk->file);

    return FAULT_POINT("file.vdi.copy.before", error) && convert(disk, part, source, error) &&
           FAULT_POINT("file.vdi.copy.made", error) && disk_publish(disk, part, error) &&
           FAULT_POINT("file.vdi.copy.renamed", error) && disk_note(disk, args, size, error) &&
           FAULT_POINT("file.vdi.copy.after", error);
}

bool
vdi_copy(GVariant *args, GVariantDict *result, GError **error)
{
    g_autoptr(GVariant) where = g_variant_lookup_value(args, "source", G_VARIANT_TYPE_VARDICT);
    g_auto(disk_t) disk = {.folder = -1};
    g_auto(source_t) source = {0};
    gint64 size;

    if (!disk_open(args, &disk, error))
        return false;
    if (!disk.record &&
        (!disk_read_size(args, &size, error) || !read_source(where, &source, error) ||
         !disk_read_format(args, source.format, &disk, error) ||
         !make_copy(&disk, args, &source, size, error)))
        return false;
    if (disk_describe(&disk, result))
        return true;
    driver_fail(error, FAILURE_VDI_LOAD, "%s: %s", disk.file, g_strerror(errno));
    return false;
}
