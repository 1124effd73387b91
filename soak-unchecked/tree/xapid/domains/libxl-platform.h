/* What a VM's platform map says of a guest, for libxl. */
#ifndef XAPID_DOMAINS_LIBXL_PLATFORM_H
#define XAPID_DOMAINS_LIBXL_PLATFORM_H

#include "xapid/domains/libxl-config.h"

/* Part of libxl_config_fill (), once the type of `b` is set. */
void libxl_platform_fill(libxl_ctx *ctx, const char *uuid, const struct guest_config *guest,
                         libxl_domain_build_info *b);

#endif
