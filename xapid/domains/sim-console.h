/* The simulator's `console` and `consoles`, as backend.h has them. */
#ifndef XAPID_DOMAINS_SIM_CONSOLE_H
#define XAPID_DOMAINS_SIM_CONSOLE_H

#include "xapid/domains/sim-world.h"

bool sim_console(struct backend_ctx *ctx, bool clear, GByteArray *ret_text, GError **error);
bool sim_consoles(struct backend_ctx *ctx, const struct domain_info *info,
                  struct guest_consoles *ret_consoles, GError **error);

#endif
