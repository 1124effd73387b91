#include "config.h"

#include "xapid/model/journal.h"

#include <glib.h>

const char *
journal_row_type(const char *key)
{
    return g_str_equal(key, JOURNAL_BOOT)           ? JOURNAL_BOOT_TYPE
           : g_str_equal(key, JOURNAL_TEMPLATES)    ? JOURNAL_TEMPLATES_TYPE
           : g_str_has_prefix(key, JOURNAL_FOREIGN) ? JOURNAL_FOREIGN_TYPE
                                                    : NULL;
}
