/* What the programs share that libxl runs for each device (disk-hotplug, nic-hotplug): the keys of
 * the device's back end, under `base`, in xenstore.  Only dom0 writes there. */
#ifndef XAPID_DOMAINS_HOTPLUG_H
#define XAPID_DOMAINS_HOTPLUG_H

#include <stdbool.h>
#include <xenstore.h>

/* Those of the device that the environment names (XENBUS_PATH), and xenstore; NULL after it was
 * said why not.  To be closed by xs_close (). */
struct xs_handle *hotplug_open(const char **ret_base);

/* A value, to be freed; NULL: there is none. */
char *hotplug_read(struct xs_handle *xs, const char *base, const char *name);
bool hotplug_write(struct xs_handle *xs, const char *base, const char *name, const char *value);

/* Says what went wrong where libxl looks for it, and to its log.  Returns EXIT_FAILURE. */
int hotplug_failed(struct xs_handle *xs, const char *base, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
