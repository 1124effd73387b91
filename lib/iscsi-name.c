#include "config.h"

#include "lib/iscsi-name.h"

#include <glib.h>
#include <string.h>

bool
iscsi_name_is_valid(const char *name)
{
    static const char *const kinds[] = {"iqn.", "eui.", "naa."};
    bool has_kind = false;

    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++)
        has_kind = has_kind || g_str_has_prefix(name, kinds[i]);
    for (const char *c = name; *c; c++)
        if (!g_ascii_isalnum(*c) && !strchr("-._:", *c))
            return false;
    return has_kind && strlen(name) <= ISCSI_NAME_MAX;
}
