/* The kernel's settings of IPv6 for an interface.  A kernel without IPv6 has none, which is as good
 * as any. */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "lib/link-internal.h"

#define FOLDER "/proc/sys/net/ipv6/conf"
#define PATH_BYTES 128

static int
open_setting(const char *name, const char *setting, int mode)
{
    char path[PATH_BYTES];
    int fd;

    snprintf(path, sizeof path, FOLDER "/%s/%s", name, setting);
    fd = open(path, mode | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    return fd;
}

int
link_set_ipv6(const char *name, const char *setting, char value)
{
    int fd = open_setting(name, setting, O_WRONLY), rc;

    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    rc = write(fd, &value, 1) == 1 ? 0 : -errno;
    close(fd);
    return rc;
}

int
link_reset_ipv6(const char *name)
{
    int fd = open_setting("default", LINK_IPV6_OFF, O_RDONLY);
    char off = '0';

    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    if (read(fd, &off, 1) != 1)
        off = '0';
    close(fd);
    return link_set_ipv6(name, LINK_IPV6_OFF, off);
}
