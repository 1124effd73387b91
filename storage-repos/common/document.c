#include "config.h"

#include "storage-repos/common/document.h"

void
document_add(GString *text, const char *name, const char *value)
{
    g_autofree char *element = g_markup_printf_escaped("<%s>%s</%s>\n", name, value, name);

    g_string_append(text, element);
}

void
document_add_number(GString *text, const char *name, guint64 value)
{
    g_autofree char *number = g_strdup_printf("%" G_GUINT64_FORMAT, value);

    document_add(text, name, number);
}
