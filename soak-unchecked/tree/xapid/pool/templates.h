/* The templates that come with xapid, from which clients make new VMs. */
#ifndef XAPID_POOL_TEMPLATES_H
#define XAPID_POOL_TEMPLATES_H

#include "xapid/model/model.h"

/* Makes those that this database never had: all of them at the first start, and after an upgrade
 * the new ones.  What an administrator changed or deleted stays so: the journal knows their names.
 * At start-up, when the host's own rows are there. */
bool templates_ensure(struct model *model, GError **error);

#endif
