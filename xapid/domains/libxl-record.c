/* The record on a domain; see libxl-record.h.  A GVariant a{sv} in text form. */
#include "config.h"

#include "xapid/domains/libxl-record.h"

#include "xapid/domains/guest-config.h"

#define RECORD_VERSION 1

char *
record_format(const char *uuid, const char *op_id, const char *name_label)
{
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    g_variant_dict_insert(&dict, "version", "i", RECORD_VERSION);
    g_variant_dict_insert(&dict, "uuid", "s", uuid);
    g_variant_dict_insert(&dict, "op_id", "s", op_id);
    g_variant_dict_insert(&dict, "name_label", "s", name_label);
    g_variant_dict_insert(&dict, "complete", "b", TRUE);
    g_autoptr(GVariant) record = g_variant_ref_sink(g_variant_dict_end(&dict));
    return g_variant_print(record, TRUE);
}

bool
record_parse(const char *bytes, gsize length, const char *uuid, char **ret_op_id,
             char **ret_name_label)
{
    const char *op_id, *name_label, *of;
    gboolean complete = FALSE;

    if (length == 0 || length > RECORD_MAX)
        return false;
    g_autoptr(GVariant) record =
        g_variant_parse(G_VARIANT_TYPE("a{sv}"), bytes, bytes + length, NULL, NULL);
    if (!record || !g_variant_lookup(record, "uuid", "&s", &of) || !g_str_equal(of, uuid) ||
        !g_variant_lookup(record, "op_id", "&s", &op_id) || !op_id_check(op_id, NULL) ||
        !g_variant_lookup(record, "name_label", "&s", &name_label) ||
        !g_variant_lookup(record, "complete", "b", &complete) || !complete)
        return false;
    *ret_op_id = g_strdup(op_id);
    *ret_name_label = g_strdup(name_label);
    return true;
}
