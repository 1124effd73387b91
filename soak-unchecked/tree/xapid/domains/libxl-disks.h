/* How a domain reaches its disks: the part of libxl's config that opens them. */
#ifndef XAPID_DOMAINS_LIBXL_DISKS_H
#define XAPID_DOMAINS_LIBXL_DISKS_H

#include "xapid/domains/libxl-config.h"

/* Puts the guest's disks, which guest_disks_resolve () found, into a filled config in the place of
 * those that are there.  The QEMU of a whole machine gets descriptors, as it sees no file once it
 * is confined, and may open its disks anew later: *ret_fds keeps them until the domain is there,
 * and every process that libxl starts meanwhile inherits them.  INTERNAL_ERROR [path, text]. */
bool libxl_disks_open(const struct guest_config *guest, libxl_domain_config *config,
                      GArray **ret_fds, GError **error);

/* What the device is to Xen. */
int libxl_disk_number(const char *vdev);
/* One disk whose file libxl and its QEMU open themselves.  The caller disposes of it. */
void libxl_disk_fill(const struct guest_disk *guest, libxl_device_disk *disk);
/* The same as PV and PVH guests get it, and any domain that runs already: raw ones come as a
 * device, a file as a loop device, which *ret_fd (-1: none) keeps until the domain has it.
 * INTERNAL_ERROR [path, text]. */
bool libxl_disk_fill_open(const struct guest_disk *guest, libxl_device_disk *disk, int *ret_fd,
                          GError **error);
/* The kernel's back end opens a device some time after libxl has named it: until then a loop device
 * is held by our descriptor alone.  DEVICE_ATTACH_TIMEOUT ["VBD", device]. */
bool libxl_disk_wait_open(int domid, const libxl_device_disk *disk, GError **error);
bool libxl_disks_wait_open(const libxl_domain_config *config, int domid, GError **error);

/* Is that drive of a running domain, which the latter made, still this disk? */
bool libxl_disk_serves(const libxl_device_disk *disk, const struct guest_disk *guest);

/* Whether the QEMU of such a machine writes to files. */
bool libxl_disks_grow(const libxl_domain_config *config);

#endif
