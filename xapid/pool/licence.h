/* What clients ask license_params and pool.restrictions before they show a button: every feature
 * is free, so a restriction says only that this version does not have it. */
#ifndef XAPID_POOL_LICENCE_H
#define XAPID_POOL_LICENCE_H

#include <glib.h>

#define LICENCE_EDITION "free" /* the only one */

/* a{ss}, floating. */
GVariant *licence_params(void);
GVariant *licence_restrictions(void);

#endif
