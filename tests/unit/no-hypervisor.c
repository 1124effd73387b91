/* For tests of the libxl backend without Xen, in place of what libraries of Xen have: a context
 * opens these two, and nothing that the tests call uses them. */
#include "config.h"

#include <stdlib.h>
#include <xenctrl.h>
#include <xenstore.h>

#define OVERRIDE __attribute__((visibility("default"), used))

OVERRIDE xc_interface *
xc_interface_open(xentoollog_logger *logger, xentoollog_logger *dombuild_logger, unsigned flags)
{
    (void)logger;
    (void)dombuild_logger;
    (void)flags;
    return (xc_interface *)malloc(1);
}

OVERRIDE int
xc_interface_close(xc_interface *xch)
{
    free(xch);
    return 0;
}

OVERRIDE struct xs_handle *
xs_open(unsigned long flags)
{
    (void)flags;
    return (struct xs_handle *)malloc(1);
}

OVERRIDE void
xs_close(struct xs_handle *xs)
{
    free(xs);
}
