/* What became of an operation whose worker was lost, read from the domains that are there.  Pure
 * functions. */
#ifndef XAPID_DOMAINS_OUTCOME_H
#define XAPID_DOMAINS_OUTCOME_H

#include <glib.h>
#include <stdbool.h>

/* `parts`: a{sv} with key domains aa{sv}, those of the operation's uuid.  True when the operation
 * has done what it should; *ret_result (floating) is then its result. */
bool outcome_of(const char *verb, const char *op_id, GPtrArray *parts, GVariant **ret_result);

/* True when the domain of that domid has shut down, is dying or is gone. */
bool outcome_domain_ended(int domid, GPtrArray *parts);

/* All domains of the parts as one aa{sv}, and all text of them as one s; floating. */
GVariant *outcome_domains(GPtrArray *parts);
GVariant *outcome_text(GPtrArray *parts);

#endif
