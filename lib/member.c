#include "config.h"

#include "lib/member.h"

const char *
member_text(GVariant *members, const char *name)
{
    const char *value = "";

    g_variant_lookup(members, name, "&s", &value);
    return value;
}

gint64
member_int(GVariant *members, const char *name)
{
    gint64 value = 0;

    g_variant_lookup(members, name, "x", &value);
    return value;
}

bool
member_flag(GVariant *members, const char *name)
{
    gboolean value = FALSE;

    g_variant_lookup(members, name, "b", &value);
    return value;
}

bool
member_texts(GVariant *members, const char *name, char ***ret_texts)
{
    g_autoptr(GVariant) list = g_variant_lookup_value(members, name, G_VARIANT_TYPE("av"));
    g_autoptr(GStrvBuilder) texts = g_strv_builder_new();

    *ret_texts = NULL;
    for (gsize i = 0; list && i < g_variant_n_children(list); i++) {
        g_autoptr(GVariant) boxed = g_variant_get_child_value(list, i);
        g_autoptr(GVariant) text = g_variant_get_variant(boxed);
        if (!g_variant_is_of_type(text, G_VARIANT_TYPE_STRING))
            return false;
        g_strv_builder_add(texts, g_variant_get_string(text, NULL));
    }
    if (list)
        *ret_texts = g_strv_builder_end(texts);
    return true;
}
