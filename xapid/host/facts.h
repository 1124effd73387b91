/* What this host is, from /proc, DMI, the release file and open-iscsi's. */
#ifndef XAPID_HOST_FACTS_H
#define XAPID_HOST_FACTS_H

#include <glib.h>

#define FACTS_SIM_BOOT_ID "boot_id" /* file of a simulated host's folder */

/* The facts of org.xapid.Host1.Facts as a floating "a{sv}".  `root` goes before each path: "" but
 * in tests.  `sim_dir` (NULL: none) is the folder of a simulated host, which can boot by itself:
 * its boot_id is that file's, when there is one, and so is its name to iSCSI targets.  What cannot
 * be read is "" or 0.  bios has the keys of host.bios_strings (bios-vendor, bios-version,
 * system-manufacturer, system-product-name, system-version, system-serial-number, baseboard-...),
 * those alone that DMI has.  Reads small kernel files: does not block. */
GVariant *facts_read(const char *root, const char *sim_dir);

#endif
