#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/error.h"
#include "xapid/store/database.h"

int
database_lock(const char *path, bool exclusive, GError **error)
{
    /* sqlite3's own locks are of this kind, and xapid holds them as long as it runs. */
    struct flock lock = {.l_type = exclusive ? F_WRLCK : F_RDLCK, .l_whence = SEEK_SET};
    int fd = open(path, (exclusive ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd >= 0 && fcntl(fd, F_OFD_SETLK, &lock) == 0)
        return fd;
    if (fd >= 0 && (errno == EAGAIN || errno == EACCES))
        api_error_set(error, "INTERNAL_ERROR", path, "is in use: stop xapid first", NULL);
    else
        api_error_set(error, "INTERNAL_ERROR", path, g_strerror(errno), NULL);
    if (fd >= 0)
        close(fd);
    return -1;
}
