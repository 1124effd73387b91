#include "config.h"

#include "lib/bios-strings.h"

#include <string.h>

bool
bios_string_key_is_known(const char *key)
{
    static const char *const keys[] = {"bios-vendor",
                                       "bios-version",
                                       "system-manufacturer",
                                       "system-product-name",
                                       "system-version",
                                       "system-serial-number",
                                       "baseboard-manufacturer",
                                       "baseboard-product-name",
                                       "baseboard-version",
                                       "baseboard-serial-number",
                                       "baseboard-asset-tag",
                                       "baseboard-location-in-chassis",
                                       "enclosure-asset-tag",
                                       NULL};

    return g_strv_contains(keys, key);
}

bool
bios_string_value_is_valid(const char *value)
{
    gsize length = strlen(value);

    if (length < 1 || length > BIOS_STRING_MAX)
        return false;
    for (gsize i = 0; i < length; i++)
        if (!g_ascii_isprint(value[i]))
            return false;
    return true;
}
