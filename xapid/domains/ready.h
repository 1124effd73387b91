/* Domains that are built ahead of their start, by `prepare`: paused, they never ran, and their
 * record names no operation but what they were built from.  To every verb but create, restore,
 * prepare and destroy they are not there. */
#ifndef XAPID_DOMAINS_READY_H
#define XAPID_DOMAINS_READY_H

#include <stdbool.h>

#include "xapid/domains/backend.h"

#define READY_PREFIX "ready-" /* of their records' op_id; no operation's begins so */

/* What the record of a domain names that is built now from these arguments of create, which give
 * `config`: they, and the kernel and ramdisk as they are in that folder (-1: not looked at).  NULL
 * with INVALID_VALUE [kernel or ramdisk, name]. */
char *ready_op_id(GVariant *args, const struct guest_config *config, int kernels_dir,
                  GError **error);
/* Was it built ahead, and has nobody let it run since? */
bool ready_is(const struct domain_info *info);
/* Can such a guest be built ahead?  One with disks, cards or a device model cannot: that would hold
 * them, and change what other tools see, while the guest is halted.  INVALID_VALUE. */
bool ready_check(const struct guest_config *config, GError **error);

#endif
