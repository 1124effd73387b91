#include "config.h"

#include "lib/bridge-name.h"

#include <string.h>

static bool
is_alphanumeric(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool
link_name_is_plain(const char *name)
{
    if (!is_alphanumeric(name[0]) || strlen(name) > BRIDGE_NAME_MAX)
        return false;
    for (const char *p = name; *p; p++)
        if (!is_alphanumeric(*p) && !strchr(".-_", *p))
            return false;
    return true;
}

bool
bridge_name_is_valid(const char *name)
{
    return link_name_is_plain(name) && strcmp(name, "all") != 0 && strcmp(name, "default") != 0 &&
           strncmp(name, "vif", 3) != 0 && strncmp(name, "tap", 3) != 0;
}
