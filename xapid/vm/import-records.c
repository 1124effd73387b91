/* ova.xml, read. */
#include "config.h"

#include <string.h>

#include "lib/error.h"
#include "lib/member.h"
#include "lib/wire/xmlrpc.h"
#include "xapid/vm/import.h"

#define EXPORT_VERSION "2" /* checksums stand behind what they are of */

static void
object_free(void *data)
{
    struct archive_object *object = data;

    g_free(object->id);
    g_variant_unref(object->fields);
    g_free(object->made);
    g_free(object);
}

static bool
failed(GError **error, const char *what, const char *of)
{
    g_autofree char *text = g_strdup_printf("ova.xml: %s%s%s", what, *of ? ": " : "", of);

    api_error_set(error, "IMPORT_ERROR", text, NULL);
    return false;
}

struct archive_object *
archive_find(const GPtrArray *archive, const struct dm_class *cls, const char *id)
{
    for (guint i = 0; i < archive->len; i++) {
        struct archive_object *object = archive->pdata[i];
        if (object->cls == cls && g_str_equal(object->id, id))
            return object;
    }
    return NULL;
}

/* How an integer is written differs: as text, or as a number. */
static bool
version_fits(GVariant *whole)
{
    g_autoptr(GVariant) version = g_variant_lookup_value(whole, "version", G_VARIANT_TYPE_VARDICT);
    gint64 number = 0;

    return version && (g_str_equal(member_text(version, "export_vsn"), EXPORT_VERSION) ||
                       (g_variant_lookup(version, "export_vsn", "x", &number) &&
                        number == g_ascii_strtoll(EXPORT_VERSION, NULL, 10)));
}

static bool
is_name(const char *id)
{
    return g_regex_match_simple("^Ref:[0-9]{1,18}$", id, G_REGEX_DOLLAR_ENDONLY, 0);
}

static bool
add_object(GPtrArray *archive, GVariant *untyped, GError **error)
{
    static const char *const known[] = {"VM", "VIF", "network", "VBD", "VDI", NULL};
    const char *name = member_text(untyped, "class"), *id = member_text(untyped, "id");
    g_autoptr(GVariant) snapshot = g_variant_lookup_value(untyped, "snapshot", NULL);

    if (!g_strv_contains(known, name))
        return true;
    if (!is_name(id) || !snapshot)
        return failed(error, "an object without a name or a record", name);
    g_autofree char *getter = g_strconcat(name, ".get_record", NULL);
    const struct dm_class *cls = dm_class_find(name, false);
    if (archive_find(archive, cls, id))
        return failed(error, "an object comes twice", id);
    GVariant *fields = rpc_value_convert(dm_method_find(getter)->result, snapshot, id, error);
    if (!fields)
        return false;
    struct archive_object *object = g_new0(struct archive_object, 1);
    *object = (struct archive_object){.cls = cls, .id = g_strdup(id), .fields = fields};
    g_ptr_array_add(archive, object);
    return true;
}

GPtrArray *
archive_parse(const char *text, gsize length, GError **error)
{
    g_autoptr(GPtrArray) archive = g_ptr_array_new_with_free_func(object_free);
    g_autoptr(GError) cause = NULL;
    g_autoptr(GVariant) whole = xmlrpc_value_decode(NULL, text, length, &cause);
    g_autoptr(GVariant) objects = NULL;

    if (!whole || !g_variant_is_of_type(whole, G_VARIANT_TYPE_VARDICT)) {
        failed(error, "it is no record", whole ? "" : cause->message);
        return NULL;
    }
    if (!version_fits(whole)) {
        api_error_set(error, "IMPORT_INCOMPATIBLE_VERSION", NULL);
        return NULL;
    }
    objects = g_variant_lookup_value(whole, "objects", G_VARIANT_TYPE("av"));
    if (!objects || g_variant_n_children(objects) > ARCHIVE_OBJECTS_MAX) {
        failed(error, objects ? "too many objects" : "there are no objects", "");
        return NULL;
    }
    for (gsize i = 0; i < g_variant_n_children(objects); i++) {
        g_autoptr(GVariant) boxed = g_variant_get_child_value(objects, i);
        g_autoptr(GVariant) untyped = g_variant_get_variant(boxed);
        if (!g_variant_is_of_type(untyped, G_VARIANT_TYPE_VARDICT)) {
            failed(error, "an object is no record", "");
            return NULL;
        }
        if (!add_object(archive, untyped, error))
            return NULL;
    }
    return g_steal_pointer(&archive);
}

static bool
refers(const struct dm_type *type)
{
    return type->kind == DM_REF || (type->elem && refers(type->elem)) ||
           (type->key && refers(type->key));
}

GVariant *
archive_given(const struct archive_object *object)
{
    GVariantBuilder out;
    GVariantIter iter;
    const char *name;
    GVariant *value;

    g_variant_builder_init(&out, G_VARIANT_TYPE_VARDICT);
    g_variant_iter_init(&iter, object->fields);
    while (g_variant_iter_next(&iter, "{&sv}", &name, &value)) {
        g_autoptr(GVariant) owned = value;
        const struct dm_field *field = dm_field_find(object->cls, name);
        if (field && field->qualifier != DM_DYNAMIC_RO && field->storage != DM_DERIVED &&
            !refers(field->type))
            g_variant_builder_add(&out, "{sv}", name, value);
    }
    return g_variant_builder_end(&out);
}
