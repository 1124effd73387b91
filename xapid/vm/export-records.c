/* The records of VMs as ova.xml has them: those of a class, one after the other, in which each
 * reference to another of them is its name in the stream, and any other one is null. */
#include "config.h"

#include "lib/wire/xmlrpc.h"
#include "xapid/vm/export.h"

#define EXPORT_VERSION 2 /* checksums stand behind what they are of */

/* By which fields what belongs to a VM is found, in the order in which an import makes it: rows of
 * this class that name one that is there; or with `named`, those that it names. */
static const struct {
    const char *cls, *field;
    bool named;
} ways[] = {
    {"VM", "metrics", true},  {"VM", "guest_metrics", true}, {"VIF", "VM", false},
    {"VIF", "network", true}, {"VBD", "VM", false},          {"VBD", "VDI", true},
    {"VDI", "SR", true},
};

static void
add_row(struct vm_records *records, const char *ref)
{
    if (g_hash_table_contains(records->names, ref))
        return;
    char *row = g_strdup(ref);
    g_hash_table_insert(records->names, row, g_strdup_printf("Ref:%u", records->rows->len));
    g_ptr_array_add(records->rows, row);
}

/* Rows that refer by `field` to rows that are there. */
static void
add_parts(struct vm_records *records, const struct dm_field *field)
{
    for (guint i = 0, n = records->rows->len; i < n; i++) {
        if (model_class(records->model, records->rows->pdata[i]) != field->type->cls)
            continue;
        g_autoptr(GPtrArray) parts =
            model_referrers(records->model, records->rows->pdata[i], field);
        for (guint j = 0; j < parts->len; j++)
            add_row(records, parts->pdata[j]);
    }
}

/* Rows to which those that are there refer by `field`. */
static void
add_named(struct vm_records *records, const struct dm_field *field)
{
    for (guint i = 0, n = records->rows->len; i < n; i++) {
        if (model_class(records->model, records->rows->pdata[i]) != field->cls)
            continue;
        g_autofree char *ref =
            model_get_string(records->model, records->rows->pdata[i], field->name);
        if (model_has(records->model, field->type->cls, ref))
            add_row(records, ref);
    }
}

static void
add_ways(struct vm_records *records)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(ways); i++) {
        const struct dm_field *field =
            dm_field_find(dm_class_find(ways[i].cls, false), ways[i].field);
        if (ways[i].named)
            add_named(records, field);
        else
            add_parts(records, field);
    }
}

struct vm_records *
vm_records_new(const struct model *model, const char *host, const GPtrArray *vms, bool snapshots)
{
    struct vm_records *records = g_new0(struct vm_records, 1);

    records->model = model;
    records->host = host;
    records->rows = g_ptr_array_new();
    records->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    for (guint i = 0; i < vms->len; i++)
        add_row(records, vms->pdata[i]);
    if (snapshots)
        add_parts(records, dm_field_find(vm_class(), "snapshot_of"));
    add_ways(records);
    return records;
}

void
vm_records_free(struct vm_records *records)
{
    g_ptr_array_unref(records->rows);
    g_hash_table_unref(records->names);
    g_free(records);
}

/* ---- the text ---- */

static GVariant *rename_refs(const struct vm_records *records, const struct dm_type *type,
                             GVariant *value);

/* Is it a reference to what is not there? */
static bool
is_gone(const struct dm_type *type, GVariant *renamed)
{
    return type->kind == DM_REF && g_str_equal(g_variant_get_string(renamed, NULL), REF_NULL);
}

static GVariant *
rename_members(const struct vm_records *records, const struct dm_type *type, GVariant *value)
{
    GVariantBuilder out;

    g_variant_builder_init(&out, G_VARIANT_TYPE(type->gvariant));
    for (gsize i = 0; i < g_variant_n_children(value); i++) {
        g_autoptr(GVariant) child = g_variant_get_child_value(value, i);
        if (type->kind == DM_SET) {
            g_autoptr(GVariant) member = rename_refs(records, type->elem, child);
            if (!is_gone(type->elem, member))
                g_variant_builder_add_value(&out, member);
            continue;
        }
        g_autoptr(GVariant) old_key = g_variant_get_child_value(child, 0);
        g_autoptr(GVariant) old_member = g_variant_get_child_value(child, 1);
        g_autoptr(GVariant) key = rename_refs(records, type->key, old_key);
        g_autoptr(GVariant) member = rename_refs(records, type->elem, old_member);
        if (!is_gone(type->key, key) && !is_gone(type->elem, member))
            g_variant_builder_add_value(&out, g_variant_new_dict_entry(key, member));
    }
    return g_variant_ref_sink(g_variant_builder_end(&out));
}

/* A full reference. */
static GVariant *
rename_refs(const struct vm_records *records, const struct dm_type *type, GVariant *value)
{
    if (type->kind == DM_SET || type->kind == DM_MAP)
        return rename_members(records, type, value);
    if (type->kind != DM_REF)
        return g_variant_ref(value);
    const char *name = g_hash_table_lookup(records->names, g_variant_get_string(value, NULL));
    return g_variant_ref_sink(g_variant_new_string(name ? name : REF_NULL));
}

static void
add_record(const struct vm_records *records, GString *out, const char *ref)
{
    const struct dm_class *cls = model_class(records->model, ref);
    g_autoptr(GPtrArray) values = g_ptr_array_new_with_free_func((GDestroyNotify)g_variant_unref);

    for (unsigned i = 0; i < cls->n_fields; i++) {
        g_autoptr(GVariant) value = model_get(records->model, ref, &cls->fields[i]);
        g_ptr_array_add(values, rename_refs(records, cls->fields[i].type, value));
    }
    g_string_append_printf(out,
                           "<value><struct><member><name>class</name><value>%s</value></member>"
                           "<member><name>id</name><value>%s</value></member>"
                           "<member><name>snapshot</name>",
                           cls->name, (const char *)g_hash_table_lookup(records->names, ref));
    xmlrpc_record_encode(out, cls, (GVariant *const *)values->pdata);
    g_string_append(out, "</member></struct></value>");
}

static void
add_text(GString *out, const char *name, const char *text)
{
    g_string_append_printf(out, "<member><name>%s</name><value>", name);
    xmlrpc_text_append(out, text ? text : "");
    g_string_append(out, "</value></member>");
}

/* The number before or behind the dot of "1.20". */
static void
add_part_of_version(GString *out, const char *name, const char *version, unsigned part)
{
    g_auto(GStrv) parts = g_strsplit(version ? version : "", ".", -1);

    add_text(out, name, g_strv_length(parts) > part ? parts[part] : "0");
}

static void
add_version(const struct vm_records *records, GString *out)
{
    const struct model *model = records->model;
    g_autofree char *hostname = model_get_string(model, records->host, "hostname");
    g_autofree char *xapi = model_get_map_value(model, records->host, "software_version", "xapi");
    g_autofree char *date = datetime_format(g_get_real_time());
    static const char *const of_host[] = {"product_version", "product_brand", "build_number"};

    g_string_append(out, "<value><struct>");
    add_text(out, "hostname", hostname);
    add_text(out, "date", date);
    for (unsigned i = 0; i < G_N_ELEMENTS(of_host); i++) {
        g_autofree char *text =
            model_get_map_value(model, records->host, "software_version", of_host[i]);
        add_text(out, of_host[i], text);
    }
    add_part_of_version(out, "xapi_major", xapi, 0);
    add_part_of_version(out, "xapi_minor", xapi, 1);
    add_text(out, "export_vsn", G_STRINGIFY(EXPORT_VERSION));
    g_string_append(out, "</struct></value>");
}

GString *
vm_records_text(const struct vm_records *records)
{
    GString *out = g_string_new("<value><struct><member><name>version</name>");

    add_version(records, out);
    g_string_append(out, "</member><member><name>objects</name><value><array><data>");
    for (guint i = 0; i < records->rows->len; i++)
        add_record(records, out, records->rows->pdata[i]);
    g_string_append(out, "</data></array></value></member></struct></value>");
    return out;
}
