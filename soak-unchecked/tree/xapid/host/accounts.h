/* Local users and groups.  account_name_is_valid is pure; the rest runs in children of xapid-host
 * alone, since NSS may block. */
#ifndef XAPID_HOST_ACCOUNTS_H
#define XAPID_HOST_ACCOUNTS_H

#include <glib.h>
#include <stdbool.h>

#define ACCOUNT_NAME_MAX 256 /* bytes */
#define ACCOUNT_GROUPS_MAX 65536

/* found, kind ("user" or "group"), name, id, full name, groups */
#define LOOKUP_ANSWER_TYPE "(bssusau)"

/* True for what may be asked of the system: letters, digits, '_', '.', '@', '+', '-', a '$' at the
 * end; not first '-', '.', '@' or '+'; at most ACCOUNT_NAME_MAX bytes. */
bool account_name_is_valid(const char *name);
/* The gids of a user, the primary one included, as "au" (floating); NULL when there is none such.
 */
GVariant *account_groups(const char *name, guint32 gid);
/* --lookup: looks one account up and exits. */
G_NORETURN void account_lookup_child(void);

#endif
