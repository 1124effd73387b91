/* What this host is, from /proc, DMI and the release file. */
#ifndef XAPID_HOST_FACTS_H
#define XAPID_HOST_FACTS_H

#include <glib.h>

/* The facts of org.xapid.Host1.Facts as a floating "a{sv}".  `root` goes before each path: "" but
 * in tests.  What cannot be read is "" or 0.  bios has the keys of host.bios_strings (bios-vendor,
 * bios-version, system-manufacturer, system-product-name, system-version, system-serial-number,
 * baseboard-...), those alone that DMI has.  Reads small kernel files: does not block. */
GVariant *facts_read(const char *root);

#endif
