/* Guest kernels; see kernel-file.h. */
#include "config.h"

#include "xapid/domains/kernel-file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/log.h"

int
kernel_file_open(int kernels_dir, const char *argument, const char *name, GError **error)
{
    const struct open_how how = {
        /* NONBLOCK: a fifo of that name must not hold us; it is refused below. */
        .flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
    };
    struct stat st;
    int fd = -1;

    if (!strchr(name, '/'))
        fd = (int)syscall(SYS_openat2, kernels_dir, name, &how, sizeof how);
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        return fd;
    log_info("%s %s: %s", argument, name, fd < 0 ? g_strerror(errno) : "not a regular file");
    if (fd >= 0)
        close(fd);
    api_error_set(error, "INVALID_VALUE", argument, name, NULL);
    return -1;
}
