/* A guest's kernel or ramdisk: a plain file directly in the guest-kernel folder. */
#ifndef XAPID_DOMAINS_KERNEL_FILE_H
#define XAPID_DOMAINS_KERNEL_FILE_H

#include <glib.h>

/* Opens `name` for reading beneath `kernels_dir`, following no link of any kind, and only a regular
 * file: its descriptor, or -1 with INVALID_VALUE [argument, name]. */
int kernel_file_open(int kernels_dir, const char *argument, const char *name, GError **error);

#endif
