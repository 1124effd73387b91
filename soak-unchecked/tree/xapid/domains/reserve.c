/* Reservations of memory; see reserve.h. */
#include "config.h"

#include "xapid/domains/reserve.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "lib/error.h"
#include "xapid/domains/argument.h"

#define LOCK "lock" /* held while somebody counts */
#define LOCK_LOOK_MS 50

static bool
fail(GError **error, const char *what)
{
    g_autofree char *text = g_strdup_printf("%s: %s", what, g_strerror(errno));

    api_error_set(error, "INTERNAL_ERROR", "xapid-domains", text, NULL);
    return false;
}

int
reserves_open(const char *run_dir, GError **error)
{
    g_autofree char *path = g_build_filename(run_dir, "reserved", NULL);
    int fd = -1;

    if (g_mkdir_with_parents(path, 0700) == 0)
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        fail(error, path);
    return fd;
}

/* KiB that the holder of a reservation reserved; 0 when nobody holds it any more. */
static uint64_t
reserved_kb(int reserves, const char *uuid)
{
    uint64_t kb = 0;
    int fd = openat(reserves, uuid, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        return 0;
    if (flock(fd, LOCK_SH | LOCK_NB) == 0)
        unlinkat(reserves, uuid, 0); /* its holder is gone */
    else if (read(fd, &kb, sizeof kb) != (ssize_t)sizeof kb)
        kb = 0;
    close(fd);
    return kb;
}

/* What others are still going to take. */
static bool
pending(int reserves, const char *but, const struct memory_view *view, uint64_t *ret_kb,
        GError **error)
{
    int fd = openat(reserves, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    uint64_t sum = 0;
    bool ok = true;

    if (!dir) {
        if (fd >= 0)
            close(fd);
        return fail(error, "reservations of memory");
    }
    while (ok && (entry = readdir(dir))) {
        uint64_t reserved, allocated = 0;
        if (!uuid_check(entry->d_name, NULL) || g_str_equal(entry->d_name, but))
            continue;
        reserved = reserved_kb(reserves, entry->d_name);
        ok = reserved == 0 || view->allocated(entry->d_name, &allocated, view->data, error);
        sum += reserved - MIN(reserved, allocated);
    }
    closedir(dir);
    *ret_kb = sum;
    return ok;
}

static int
write_reservation(int reserves, const char *uuid, uint64_t need_kb, GError **error)
{
    int fd = openat(reserves, uuid, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 &&
        write(fd, &need_kb, sizeof need_kb) == (ssize_t)sizeof need_kb)
        return fd;
    fail(error, "reservation of memory");
    if (fd >= 0)
        close(fd);
    return -1;
}

static int
take_locked(int reserves, const char *uuid, uint64_t need_kb, const struct memory_view *view,
            GError **error)
{
    uint64_t others = 0, available = 0;

    /* In this order: what is allocated meanwhile is counted twice rather than not at all. */
    if (!pending(reserves, uuid, view, &others, error) ||
        !view->available(&available, view->data, error))
        return -1;
    available -= MIN(available, others);
    if (need_kb <= available)
        return write_reservation(reserves, uuid, need_kb, error);
    g_autofree char *needed_text = g_strdup_printf("%" G_GUINT64_FORMAT, need_kb * 1024);
    g_autofree char *available_text = g_strdup_printf("%" G_GUINT64_FORMAT, available * 1024);
    api_error_set(error, "HOST_NOT_ENOUGH_FREE_MEMORY", needed_text, available_text, NULL);
    return -1;
}

/* The lock, held until it is closed; -1 on failure.  Who counts does so within milliseconds, unless
 * the hypervisor or its store hangs: then nobody else is to hang with it. */
static int
lock_take(int reserves, int64_t wait_ms, GError **error)
{
    int64_t end = g_get_monotonic_time() + wait_ms * 1000;
    int lock = openat(reserves, LOCK, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (lock < 0) {
        fail(error, "reservations of memory");
        return -1;
    }
    while (flock(lock, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK && errno != EINTR) {
            fail(error, "reservations of memory");
        } else if (g_get_monotonic_time() >= end) {
            api_error_set(error, "INTERNAL_ERROR", "xapid-domains", "reservations of memory",
                          "another start or change of memory does not come to an end", NULL);
        } else {
            g_usleep(LOCK_LOOK_MS * 1000);
            continue;
        }
        close(lock);
        return -1;
    }
    return lock;
}

int
reserve_take_within(int reserves, const char *uuid, uint64_t need_kb,
                    const struct memory_view *view, int64_t wait_ms, GError **error)
{
    int lock = lock_take(reserves, wait_ms, error);
    int fd = -1;

    if (lock < 0)
        return -1;
    fd = take_locked(reserves, uuid, need_kb, view, error);
    close(lock);
    return fd;
}

int
reserve_take(int reserves, const char *uuid, uint64_t need_kb, const struct memory_view *view,
             GError **error)
{
    return reserve_take_within(reserves, uuid, need_kb, view, RESERVE_LOCK_WAIT_MS, error);
}

void
reserve_end(int reserves, const char *uuid, int fd)
{
    unlinkat(reserves, uuid, 0);
    close(fd);
}
