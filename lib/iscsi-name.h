/* Names of iSCSI nodes, which targets and initiators have: one check for who takes them from a
 * client, for who writes them into a file, and for drivers. */
#ifndef XAPID_LIB_ISCSI_NAME_H
#define XAPID_LIB_ISCSI_NAME_H

#include <stdbool.h>

#define ISCSI_NAME_MAX 200 /* bytes: a driver names a folder by it, and by an address */

/* "iqn.…", "eui.…" or "naa.…", of letters, digits, dots, dashes, underscores and colons. */
bool iscsi_name_is_valid(const char *name);

#endif
