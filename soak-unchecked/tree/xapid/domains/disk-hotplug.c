/* Run by libxl for each disk that a guest has by the kernel's back end: names the device to the
 * back end, and to the QEMU of a whole machine the set of descriptors by which it was given the
 * same one (libxl-disks.c).
 *
 *     disk-hotplug add|remove
 *
 * with XENBUS_PATH in the environment.  A loop device ends with its last user. */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "xapid/domains/hotplug.h"

#define PATH_TEXT_MAX 64   /* "host_device:/dev/fdset/" and a number */
#define NUMBER_TEXT_MAX 32 /* two numbers */

static int
tell(struct xs_handle *xs, const char *base, const char *device)
{
    const char *number = strrchr(base, '/');
    char path[PATH_TEXT_MAX], numbers[NUMBER_TEXT_MAX];
    struct stat status;

    if (!device || !number)
        return hotplug_failed(xs, base, "no name of a device");
    if (stat(device, &status) < 0)
        return hotplug_failed(xs, base, "%s: %s", device, strerror(errno));
    if (!S_ISBLK(status.st_mode))
        return hotplug_failed(xs, base, "%s is no block device", device);
    snprintf(path, sizeof path, "host_device:/dev/fdset%s", number);
    snprintf(numbers, sizeof numbers, "%x:%x", major(status.st_rdev), minor(status.st_rdev));
    if (!hotplug_write(xs, base, "physical-device-path", path) ||
        !hotplug_write(xs, base, "physical-device", numbers))
        return hotplug_failed(xs, base, "physical-device: %s", strerror(errno));
    return EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
    const char *base;
    struct xs_handle *xs;
    char *device;
    int status;

    if (argc < 2 || strcmp(argv[1], "add") != 0)
        return EXIT_SUCCESS;
    xs = hotplug_open(&base);
    if (!xs)
        return EXIT_FAILURE;
    device = hotplug_read(xs, base, "params");
    status = tell(xs, base, device);
    free(device);
    xs_close(xs);
    return status;
}
