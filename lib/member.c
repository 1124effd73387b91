#include "config.h"

#include "lib/member.h"

const char *
member_text(GVariant *members, const char *name)
{
    const char *value = "";

    g_variant_lookup(members, name, "&s", &value);
    return value;
}

bool
member_flag(GVariant *members, const char *name)
{
    gboolean value = FALSE;

    g_variant_lookup(members, name, "b", &value);
    return value;
}
