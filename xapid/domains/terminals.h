/* The xapid-terminals of guests: one a guest, started for the first who looks at its text console.
 * Main loop only. */
#ifndef XAPID_DOMAINS_TERMINALS_H
#define XAPID_DOMAINS_TERMINALS_H

#include <glib.h>
#include <stdbool.h>

#define TERMINALS_MAX 512 /* at once; beyond: refused */

struct terminals;

/* run_dir: working directory of each until it has none. */
struct terminals *terminals_new(const char *run_dir);
/* Ends them. */
void terminals_free(struct terminals *terminals);
/* The end of a stream for one who looks: RFB, or text.  device: the guest's terminal device, as the
 * hypervisor's side says; another one than before is of another domain.  -1 with an error. */
int terminals_look(struct terminals *terminals, const char *uuid, const char *device, bool text,
                   GError **error);

#endif
