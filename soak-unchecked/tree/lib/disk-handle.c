#include "config.h"

#include "lib/disk-handle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/error.h"

#define GROUP "disk"

bool
disk_handle_name_is_valid(const char *name)
{
    return g_uuid_string_is_valid(name);
}

void
disk_handle_clear(struct disk_handle *handle)
{
    g_clear_pointer(&handle->driver, g_free);
    g_clear_pointer(&handle->sr, g_free);
    g_clear_pointer(&handle->vdi, g_free);
    g_clear_pointer(&handle->path, g_free);
    g_clear_pointer(&handle->format, g_free);
    g_clear_pointer(&handle->bases, g_strfreev);
}

static bool
fail(GError **error, const char *name)
{
    api_error_set(error, "INVALID_VALUE", "handle", name, NULL);
    return false;
}

static bool
fail_errno(GError **error, const char *what, const char *name)
{
    g_autofree char *text = g_strdup_printf("%s the handle %s: %s", what, name, g_strerror(errno));

    api_error_set(error, "INTERNAL_ERROR", text, NULL);
    return false;
}

/* The file's text, NULL when it is not one of ours. */
static char *
read_own(int folder, const char *name)
{
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    char buffer[DISK_HANDLE_MAX + 1];
    struct stat status;
    ssize_t length = -1;

    if (fd < 0)
        return NULL;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_uid == geteuid() &&
        !(status.st_mode & (S_IWGRP | S_IWOTH)))
        length = read(fd, buffer, sizeof buffer);
    close(fd);
    return length < 0 || length > DISK_HANDLE_MAX ? NULL : g_strndup(buffer, (gsize)length);
}

/* libxl writes a path unescaped into an option of QEMU, where a comma begins the next one. */
static bool
path_is_valid(const char *path)
{
    return g_path_is_absolute(path) && !strchr(path, ',');
}

static bool
bases_are_valid(const struct disk_handle *handle)
{
    guint n = handle->bases ? g_strv_length(handle->bases) : 0;

    for (guint i = 0; i < n; i++)
        if (!path_is_valid(handle->bases[i]))
            return false;
    return n == 0 || (n <= DISK_BASES_MAX && g_str_equal(handle->format, "qcow2"));
}

static char *
take(GKeyFile *file, const char *key)
{
    g_autofree char *value = g_key_file_get_string(file, GROUP, key, NULL);

    return g_strdup(value ? value : "");
}

bool
disk_handle_read(int folder, const char *name, struct disk_handle *ret_handle, GError **error)
{
    g_autofree char *text = disk_handle_name_is_valid(name) ? read_own(folder, name) : NULL;
    g_autoptr(GKeyFile) file = g_key_file_new();

    if (!text || !g_key_file_load_from_data(file, text, strlen(text), G_KEY_FILE_NONE, NULL))
        return fail(error, name);
    g_auto(disk_handle)
        handle = {.driver = take(file, "driver"),
                  .sr = take(file, "sr"),
                  .vdi = take(file, "vdi"),
                  .block = g_key_file_get_boolean(file, GROUP, "block", NULL),
                  .path = take(file, "path"),
                  .format = take(file, "format"),
                  .bases = g_key_file_get_string_list(file, GROUP, "bases", NULL, NULL),
                  .read_only = g_key_file_get_boolean(file, GROUP, "read_only", NULL),
                  .sharable = g_key_file_get_boolean(file, GROUP, "sharable", NULL)};
    if (!path_is_valid(handle.path) || !bases_are_valid(&handle) ||
        (!g_str_equal(handle.format, "raw") && !g_str_equal(handle.format, "qcow2")))
        return fail(error, name);
    *ret_handle = handle;
    handle = (disk_handle){0};
    return true;
}

bool
disk_handle_write(int folder, const char *name, const struct disk_handle *handle, GError **error)
{
    g_autofree char *part = g_strdup_printf(".%s", name);
    g_autoptr(GKeyFile) file = g_key_file_new();
    gsize length;

    g_key_file_set_string(file, GROUP, "driver", handle->driver);
    g_key_file_set_string(file, GROUP, "sr", handle->sr);
    g_key_file_set_string(file, GROUP, "vdi", handle->vdi);
    g_key_file_set_boolean(file, GROUP, "block", handle->block);
    g_key_file_set_string(file, GROUP, "path", handle->path);
    g_key_file_set_string(file, GROUP, "format", handle->format);
    if (handle->bases && *handle->bases)
        g_key_file_set_string_list(file, GROUP, "bases", (const char *const *)handle->bases,
                                   g_strv_length(handle->bases));
    g_key_file_set_boolean(file, GROUP, "read_only", handle->read_only);
    g_key_file_set_boolean(file, GROUP, "sharable", handle->sharable);
    g_autofree char *text = g_key_file_to_data(file, &length, NULL);
    if (!disk_handle_name_is_valid(name) || length > DISK_HANDLE_MAX)
        return fail(error, name);
    if (!path_is_valid(handle->path) || !bases_are_valid(handle)) {
        api_error_set(error, "INVALID_VALUE", "path", handle->path, NULL);
        return false;
    }
    int fd = openat(folder, part, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail_errno(error, "writing", name);
    bool ok = write(fd, text, length) == (ssize_t)length;
    close(fd);
    if (!ok || renameat(folder, part, folder, name))
        return fail_errno(error, "writing", name);
    return true;
}

bool
disk_handle_remove(int folder, const char *name, GError **error)
{
    if (!disk_handle_name_is_valid(name))
        return fail(error, name);
    return unlinkat(folder, name, 0) == 0 || errno == ENOENT || fail_errno(error, "removing", name);
}
