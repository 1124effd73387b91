/* From a checked guest config to libxl's. */
#ifndef XAPID_DOMAINS_LIBXL_CONFIG_H
#define XAPID_DOMAINS_LIBXL_CONFIG_H

/* What libxl promises to callers of this version of its interface. */
#define LIBXL_API_VERSION 0x041400
#include <libxl.h>

#include "xapid/domains/guest-config.h"

/* Where the QEMU of a machine with a screen shows it, by VNC; %s is the machine's uuid. */
#define LIBXL_SCREEN_SOCKET "/var/run/xen/screen-%s"

/* Fills `config`, which libxl_domain_config_init () has prepared and libxl_domain_config_dispose ()
 * frees.  The uuid is the name: labels may repeat, names may not.  `ramdisk` NULL = none.  Leaves
 * the disks to libxl_disks_open (), and the network cards to libxl_nics_fill ().  Makes no
 * hypervisor call. */
void libxl_config_fill(libxl_ctx *ctx, const char *uuid, const struct guest_config *guest,
                       const char *kernel, const char *ramdisk, libxl_domain_config *config);

/* A bitmap of the physical CPUs in an ai, which the caller disposes of; those that the host does
 * not have are left out. */
void libxl_cpus_fill(libxl_ctx *ctx, GVariant *cpus, int n_cpus, libxl_bitmap *bitmap);

/* For libxl's structs, whose members it frees with free (): zeroed memory, a copy; never NULL. */
void *libxl_allocate(size_t n, size_t size);
char *libxl_copy(const char *text);

#endif
