/* The simulator's host, as HostInfo tells it. */
#ifndef XAPID_DOMAINS_SIM_HOST_H
#define XAPID_DOMAINS_SIM_HOST_H

#include "xapid/domains/backend.h"

bool sim_host_info(struct backend_ctx *ctx, struct host_info *ret_info, GError **error);

#endif
