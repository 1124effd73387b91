/* This host's own rows: host, host_metrics, host_cpu, dom0, and the pool of one.
 *
 * Made at the first start and brought up to date at each one, first with what is known at once and
 * then with what xapid-domains and xapid-host tell. Main loop only. */
#ifndef XAPID_POOL_SELF_H
#define XAPID_POOL_SELF_H

#include "xapid/model/model.h"

/* The rows exist after this.  The references are the caller's. */
bool self_ensure(struct model *model, const char *address, char **ret_host, char **ret_pool,
                 GError **error);
/* What org.xapid.Domains1's HostInfo answered: a{sv}.  True when there are CPUs more than before:
 * then the facts are wanted (again). */
bool self_set_hypervisor(struct model *model, const char *host, GVariant *info);
/* as: what has had no answer from libxl for a while.  It stands in other_config:hypervisor_hangs
 * for as long. */
void self_set_hanging(struct model *model, const char *host, GVariant *work);
/* org.xapid.Host1's Facts: a{sv}. */
void self_set_facts(struct model *model, const char *host, GVariant *facts);

#endif
