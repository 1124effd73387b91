#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/error.h"
#include "xapid/db/db.h"
#include "xapid/store/database.h"

#define LOG_SUFFIX "-wal"
#define COPY_CHUNK (1 << 20) /* bytes */

static bool
failed(const char *path, GError **error)
{
    api_error_set(error, "INTERNAL_ERROR", path, g_strerror(errno), NULL);
    return false;
}

/* All of an open file, wherever it stands. */
static bool
write_all(int from, int to)
{
    g_autofree char *chunk = g_malloc(COPY_CHUNK);
    ssize_t n;

    for (off_t at = 0; (n = pread(from, chunk, COPY_CHUNK, at)) > 0; at += n)
        for (ssize_t done = 0; done < n;) {
            ssize_t written = write(to, chunk + done, (size_t)(n - done));
            if (written < 0)
                return false;
            done += written;
        }
    return n == 0;
}

static bool
file_copy(int from, const char *to, GError **error)
{
    int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write_all(from, fd);

    if (!ok)
        failed(to, error);
    if (fd >= 0)
        close(fd);
    return ok;
}

static bool
log_copy(const char *path, const struct copy *copy, GError **error)
{
    g_autofree char *from = g_strconcat(path, LOG_SUFFIX, NULL);
    g_autofree char *to = g_strconcat(copy->path, LOG_SUFFIX, NULL);
    int fd = open(from, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0)
        return errno == ENOENT || failed(from, error);
    bool ok = file_copy(fd, to, error);
    close(fd);
    return ok;
}

bool
copy_make(const char *path, struct copy *ret_copy, GError **error)
{
    struct copy copy = {0};
    struct stat st;
    int fd = database_lock(path, false, error);

    if (fd < 0)
        return false;
    copy.directory = g_dir_make_tmp("xapid-db-XXXXXX", error);
    if (copy.directory)
        copy.path = g_build_filename(copy.directory, "xapid.db", NULL);
    bool regular = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    if (!regular)
        api_error_set(error, "INTERNAL_ERROR", path, "not a file", NULL);
    bool ok =
        regular && copy.path && file_copy(fd, copy.path, error) && log_copy(path, &copy, error);
    close(fd);
    if (ok)
        *ret_copy = copy;
    else
        copy_clear(&copy);
    return ok;
}

void
copy_clear(struct copy *copy)
{
    g_autofree char *log = copy->path ? g_strconcat(copy->path, LOG_SUFFIX, NULL) : NULL;

    if (copy->path)
        g_unlink(copy->path);
    if (log)
        g_unlink(log);
    if (copy->directory)
        g_rmdir(copy->directory);
    g_clear_pointer(&copy->path, g_free);
    g_clear_pointer(&copy->directory, g_free);
}
