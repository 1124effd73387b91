#include "config.h"

#include "storage-repos/common/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "storage-repos/common/driver.h"

#define PART ".part" /* the end of names of files that are being written */

int
folder_open(const char *location, GError **error)
{
    struct stat status;

    if (!g_path_is_absolute(location)) {
        driver_fail(error, FAILURE_CONFIG_INVALID, "location \"%s\" is no absolute path", location);
        return -1;
    }
    int folder = open(location, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) {
        driver_fail(error, FAILURE_SR_UNAVAILABLE, "%s: %s", location, g_strerror(errno));
        return -1;
    }
    if (fstat(folder, &status) || status.st_uid != geteuid() ||
        (status.st_mode & (S_IWGRP | S_IWOTH))) {
        driver_fail(error, FAILURE_CONFIG_INVALID,
                    "%s belongs to somebody else, or others may write there", location);
        close(folder);
        return -1;
    }
    return folder;
}

int
folder_open_file(int folder, const char *name, int flags, mode_t mode)
{
    struct open_how how = {.flags = (guint64)(unsigned)(flags | O_CLOEXEC),
                           .mode = flags & O_CREAT ? mode : 0,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS};

    return (int)syscall(SYS_openat2, folder, name, &how, sizeof how);
}

bool
folder_stat(int folder, const char *name, struct stat *ret_status)
{
    if (fstatat(folder, name, ret_status, AT_SYMLINK_NOFOLLOW))
        return false;
    if (S_ISREG(ret_status->st_mode))
        return true;
    errno = EINVAL;
    return false;
}

static bool
write_all(int fd, const char *text)
{
    gsize left = strlen(text);

    while (left > 0) {
        ssize_t r = write(fd, text, left);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return false;
        text += r;
        left -= (gsize)r;
    }
    return true;
}

bool
folder_write(int folder, const char *name, const char *text)
{
    g_autofree char *part = g_strdup_printf(".%s" PART, name);
    int fd = folder_open_file(folder, part, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    if (fd < 0)
        return false;
    bool ok = write_all(fd, text) && fsync(fd) == 0;
    close(fd);
    return ok && renameat(folder, part, folder, name) == 0 && folder_sync(folder);
}

char *
folder_read(int folder, const char *name, gsize max, gsize *ret_length)
{
    int fd = folder_open_file(folder, name, O_RDONLY | O_NONBLOCK, 0);
    struct stat status;

    if (fd < 0)
        return NULL;
    if (fstat(fd, &status) || !S_ISREG(status.st_mode) || status.st_size > (off_t)max) {
        close(fd);
        errno = EFBIG;
        return NULL;
    }
    char *text = g_malloc((gsize)status.st_size + 1);
    gsize length = 0;
    ssize_t r;
    while (length < (gsize)status.st_size &&
           ((r = read(fd, text + length, (gsize)status.st_size - length)) > 0 ||
            (r < 0 && errno == EINTR)))
        length += r > 0 ? (gsize)r : 0;
    close(fd);
    text[length] = '\0';
    *ret_length = length;
    return text;
}

bool
folder_sync(int folder)
{
    return fsync(folder) == 0;
}

bool
folder_remove(int folder, const char *name)
{
    return unlinkat(folder, name, 0) == 0 || errno == ENOENT;
}

bool
folder_list(int folder, void (*each)(const char *name, void *data), void *data)
{
    int fd = folder_open_file(folder, ".", O_RDONLY | O_DIRECTORY, 0);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    if (!dir) {
        if (fd >= 0)
            close(fd);
        return false;
    }
    while (errno = 0, (entry = readdir(dir)))
        each(entry->d_name, data);
    bool ok = errno == 0;
    closedir(dir);
    return ok;
}

bool
folder_figures(int folder, GVariantDict *result, GError **error)
{
    struct statvfs figures;

    if (fstatvfs(folder, &figures)) {
        driver_fail(error, FAILURE_SR_UNAVAILABLE, "statvfs: %s", g_strerror(errno));
        return false;
    }
    g_variant_dict_insert(result, "physical_size", "x",
                          (gint64)(figures.f_blocks * figures.f_frsize));
    g_variant_dict_insert(result, "physical_utilisation", "x",
                          (gint64)((figures.f_blocks - figures.f_bfree) * figures.f_frsize));
    return true;
}

bool
folder_is_silent(int number)
{
    return number == ETIMEDOUT || number == EHOSTDOWN || number == EAGAIN || number == ENOTCONN ||
           number == ESTALE;
}

struct scan {
    struct folder_scan its;
    void (*each)(const char *name, struct folder_scan *scan);
};

static void
scan_one(const char *name, void *data)
{
    struct scan *scan = data;

    scan->each(name, &scan->its);
}

bool
folder_answer_scan(int folder, GVariant *args,
                   void (*each)(const char *name, struct folder_scan *scan), GVariantDict *result,
                   GError **error)
{
    struct scan scan = {{.args = args, .folder = folder}, each};

    if (folder < 0)
        return false;
    g_variant_builder_init(&scan.its.volumes, G_VARIANT_TYPE("aa{sv}"));
    bool listed = folder_list(folder, scan_one, &scan);
    g_variant_dict_insert_value(result, "volumes", g_variant_builder_end(&scan.its.volumes));
    if (!listed || scan.its.failed) {
        driver_fail(error, FAILURE_SR_UNAVAILABLE, "%s",
                    g_strerror(listed ? scan.its.failed : errno));
        listed = false;
    }
    bool ok = listed && folder_figures(folder, result, error);
    close(folder);
    return ok;
}

bool
folder_answer_stat(int folder, GVariantDict *result, GError **error)
{
    bool ok = folder >= 0 && folder_figures(folder, result, error);

    if (folder >= 0)
        close(folder);
    return ok;
}
