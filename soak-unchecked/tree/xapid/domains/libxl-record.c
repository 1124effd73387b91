/* The record on a domain; see libxl-record.h.  A GVariant a{sv} in text form. */
#include "config.h"

#include "xapid/domains/libxl-record.h"

#include "xapid/domains/argument.h"

#define RECORD_VERSION 1

char *
record_format(const char *uuid, const char *op_id, const char *name_label, enum guest_type type)
{
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    g_variant_dict_insert(&dict, "version", "i", RECORD_VERSION);
    g_variant_dict_insert(&dict, "uuid", "s", uuid);
    g_variant_dict_insert(&dict, "op_id", "s", op_id);
    g_variant_dict_insert(&dict, "name_label", "s", name_label);
    g_variant_dict_insert(&dict, "type", "s", guest_type_name(type));
    g_variant_dict_insert(&dict, "complete", "b", TRUE);
    g_autoptr(GVariant) record = g_variant_ref_sink(g_variant_dict_end(&dict));
    return g_variant_print(record, TRUE);
}

bool
record_parse(const char *bytes, gsize length, const char *uuid, struct record *ret_record)
{
    const char *op_id, *name_label, *of, *type;
    gboolean complete = FALSE;

    if (length == 0 || length > RECORD_MAX)
        return false;
    g_autoptr(GVariant) fields =
        g_variant_parse(G_VARIANT_TYPE("a{sv}"), bytes, bytes + length, NULL, NULL);
    if (!fields || !g_variant_lookup(fields, "uuid", "&s", &of) || !g_str_equal(of, uuid) ||
        !g_variant_lookup(fields, "op_id", "&s", &op_id) || !op_id_check(op_id, NULL) ||
        !g_variant_lookup(fields, "name_label", "&s", &name_label) ||
        !g_variant_lookup(fields, "type", "&s", &type) ||
        !g_variant_lookup(fields, "complete", "b", &complete) || !complete)
        return false;
    for (enum guest_type t = GUEST_PV; t <= GUEST_HVM; t++) {
        if (!g_str_equal(type, guest_type_name(t)))
            continue;
        ret_record->type = t;
        ret_record->op_id = g_strdup(op_id);
        ret_record->name_label = g_strdup(name_label);
        return true;
    }
    return false;
}
