/* XML as clients of the XenAPI read it in answers of drivers: elements with a value, a line each.
 */
#ifndef XAPID_STORAGE_DOCUMENT_H
#define XAPID_STORAGE_DOCUMENT_H

#include <glib.h>

void document_add(GString *text, const char *name, const char *value);
void document_add_number(GString *text, const char *name, guint64 value);

#endif
