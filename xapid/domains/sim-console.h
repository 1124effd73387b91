/* The simulator's `console`, as backend.h has it. */
#ifndef XAPID_DOMAINS_SIM_CONSOLE_H
#define XAPID_DOMAINS_SIM_CONSOLE_H

#include "xapid/domains/sim-world.h"

bool sim_console(struct backend_ctx *ctx, bool clear, GByteArray *ret_text, GError **error);

#endif
