/* A library for LD_PRELOAD: while the file that XAPID_TEST_DISK_ERRORS names is there, calls that
 * change the database on disk fail.  The file holds an errno, and "sync" when only these fail. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#define DATABASE "/xapid.db"

/* The next one of that name. */
#define REAL(function) ((__typeof__(&function))dlsym(RTLD_NEXT, #function))

static int
told(int is_sync)
{
    const char *path = getenv("XAPID_TEST_DISK_ERRORS");
    FILE *file = path ? fopen(path, "re") : NULL;
    int error = 0;
    char calls[8] = "";

    if (!file)
        return 0;
    if (fscanf(file, "%d %7s", &error, calls) < 1)
        error = 0;
    fclose(file);
    return is_sync || strcmp(calls, "sync") != 0 ? error : 0;
}

/* Whether the call on `fd` is to fail; errno is set then. */
static int
fails(int fd, int is_sync)
{
    char link[32], path[4096];
    int error;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0)
        return 0;
    path[n] = '\0';
    if (!strstr(path, DATABASE) || !(error = told(is_sync)))
        return 0;
    errno = error;
    return 1;
}

ssize_t
pwrite64(int fd, const void *bytes, size_t n, off64_t offset)
{
    return fails(fd, 0) ? -1 : REAL(pwrite64)(fd, bytes, n, offset);
}

int
ftruncate64(int fd, off64_t size)
{
    return fails(fd, 0) ? -1 : REAL(ftruncate64)(fd, size);
}

int
fsync(int fd)
{
    return fails(fd, 1) ? -1 : REAL(fsync)(fd);
}

int
fdatasync(int fd)
{
    return fails(fd, 1) ? -1 : REAL(fdatasync)(fd);
}
