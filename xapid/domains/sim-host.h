/* The simulator's host, as HostInfo and GuestMemory tell it. */
#ifndef XAPID_DOMAINS_SIM_HOST_H
#define XAPID_DOMAINS_SIM_HOST_H

#include "xapid/domains/backend.h"

bool sim_probe(struct backend_ctx *ctx, GError **error);
bool sim_host_info(struct backend_ctx *ctx, struct host_info *ret_info, GError **error);
bool sim_need_memory(struct backend_ctx *ctx, const char *uuid, const struct guest_config *config,
                     int64_t *ret_bytes, GError **error);

#endif
