/* The texts of a machine's firmware (SMBIOS) that a VM can have: one check for who stores them and
 * for who builds domains. */
#ifndef XAPID_LIB_BIOS_STRINGS_H
#define XAPID_LIB_BIOS_STRINGS_H

#include <glib.h>
#include <stdbool.h>

#define BIOS_STRING_MAX 512

bool bios_string_key_is_known(const char *key);
/* 1 to BIOS_STRING_MAX printable characters of ASCII. */
bool bios_string_value_is_valid(const char *value);

#endif
