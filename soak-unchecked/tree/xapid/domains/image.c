/* Files of suspended domains; see image.h. */
#include "config.h"

#include "xapid/domains/image.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "xapid/domains/argument.h"
#include "xapid/domains/domains.h"

#define PART_SUFFIX ".part"

static bool
fail(GError **error, const char *what)
{
    g_autofree char *text = g_strdup_printf("%s: %s", what, g_strerror(errno));

    api_error_set(error, "INTERNAL_ERROR", "xapid-domains", text, NULL);
    return false;
}

static char *
part_name(const char *uuid)
{
    return g_strconcat(uuid, PART_SUFFIX, NULL);
}

int
images_open(const char *state_dir, const char *name, GError **error)
{
    g_autofree char *path = g_build_filename(state_dir, name, NULL);
    int fd = -1;

    if (g_mkdir_with_parents(path, 0700) == 0)
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        fail(error, path);
    return fd;
}

int
image_create(int images, const char *uuid, GError **error)
{
    g_autofree char *part = part_name(uuid);
    int fd = openat(images, part, O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0)
        fail(error, "image of a domain");
    return fd;
}

bool
image_commit(int images, const char *uuid, int fd, GError **error)
{
    g_autofree char *part = part_name(uuid);

    return FAULT_AROUND("image.sync", error, fsync(fd) == 0 || fail(error, "image of a domain")) &&
           FAULT_AROUND("image.rename", error,
                        (renameat(images, part, images, uuid) == 0 && fsync(images) == 0) ||
                            fail(error, "image of a domain"));
}

int
image_open(int images, const char *uuid, GError **error)
{
    int fd = openat(images, uuid, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0)
        api_error_set(error, "SUSPEND_IMAGE_NOT_ACCESSIBLE", uuid, NULL);
    return fd;
}

bool
image_exists(int images, const char *uuid)
{
    return faccessat(images, uuid, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

bool
image_is_partial(int images, const char *uuid)
{
    g_autofree char *part = part_name(uuid);

    return image_exists(images, part);
}

bool
image_discard_part(int images, const char *uuid, GError **error)
{
    g_autofree char *part = part_name(uuid);

    return FAULT_AROUND("image.discard-part", error,
                        unlinkat(images, part, 0) == 0 || errno == ENOENT ||
                            fail(error, "image of a domain"));
}

/* A guest that has gone on must never be started again from where it was. */
static bool
remove_for_good(int images, const char *uuid, GError **error)
{
    if (unlinkat(images, uuid, 0) < 0)
        return errno == ENOENT || fail(error, "image of a domain");
    return fsync(images) == 0 || fail(error, "folder of images");
}

bool
image_discard(int images, const char *uuid, GError **error)
{
    return image_discard_part(images, uuid, error) &&
           FAULT_AROUND("image.discard", error, remove_for_good(images, uuid, error));
}

static bool
is_uuid(const char *name, const char *suffix)
{
    g_autofree char *uuid = g_strndup(name, UUID_LENGTH);

    return strlen(name) >= UUID_LENGTH && g_str_equal(name + UUID_LENGTH, suffix) &&
           uuid_check(uuid, NULL);
}

static GPtrArray *
list(int images, const char *suffix, GError **error)
{
    g_autoptr(GPtrArray) uuids = g_ptr_array_new_with_free_func(g_free);
    int fd = openat(images, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    if (!dir) {
        fail(error, "folder of images");
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    errno = 0;
    while ((entry = readdir(dir)))
        if (is_uuid(entry->d_name, suffix))
            g_ptr_array_add(uuids, g_strndup(entry->d_name, UUID_LENGTH));
    if (errno) {
        fail(error, "folder of images");
        g_clear_pointer(&uuids, g_ptr_array_unref);
    }
    closedir(dir);
    return g_steal_pointer(&uuids);
}

GPtrArray *
images_list(int images, GError **error)
{
    return list(images, "", error);
}

GPtrArray *
images_partial(int images, GError **error)
{
    return list(images, PART_SUFFIX, error);
}
