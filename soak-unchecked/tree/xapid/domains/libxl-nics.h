/* The network cards of a domain as libxl takes them. */
#ifndef XAPID_DOMAINS_LIBXL_NICS_H
#define XAPID_DOMAINS_LIBXL_NICS_H

#include "xapid/domains/libxl-config.h"

/* A card that nothing emulates.  The caller disposes of it. */
void libxl_nic_fill(const struct guest_nic *card, libxl_device_nic *nic);

/* Puts the guest's cards into a config in place of those that it has, as that of an image. */
void libxl_nics_fill(const struct guest_config *guest, libxl_domain_config *config);

#endif
