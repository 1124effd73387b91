/* The keys of a VM's platform map that do anything, and what each may be: one check for who stores
 * them and for who builds domains.  docs/admin-guide.md says what they do. */
#ifndef XAPID_LIB_PLATFORM_H
#define XAPID_LIB_PLATFORM_H

#include <glib.h>
#include <stdbool.h>

#define PLATFORM_VCPUS_MAX 64
#define PLATFORM_CORES_TOLD_MAX 32 /* a socket's, that CPUID has room for */
#define PLATFORM_VIDEORAM_MAX 256  /* MiB */
#define PLATFORM_MMIO_SIZE_MIN 256 /* MiB that a machine's devices have below 4 GiB */
#define PLATFORM_MMIO_SIZE_MAX 3840

bool platform_key_is_known(const char *key);
/* Of a known key. */
bool platform_value_is_valid(const char *key, const char *value);

/* ---- of a map a{ss} whose known keys are valid; words by member_text () ---- */

/* A flag, `missing` when it is not there. */
bool platform_flag(GVariant *platform, const char *key, bool missing);
/* A number, 0 when it is not there. */
gint64 platform_number(GVariant *platform, const char *key);
/* Whether guests with CPUs of their own, PVH and HVM, can be told of sockets with so many cores. */
bool platform_sockets_can_be_told(gint64 cores);

#endif
