#include "config.h"

#include "storage-repos/common/device.h"

#include <blkid/blkid.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/error.h"
#include "storage-repos/common/driver.h"

#define DEVICE_FOLDER "/dev/"
#define SIGNATURES_MAX 32 /* that are wiped from one device */

/* ---- names ---- */

/* Of the characters that udev's links have. */
static bool
is_name(const char *name)
{
    return g_str_has_prefix(name, DEVICE_FOLDER) && !strstr(name, "..") &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                        "/._:+@=#-\\") == strlen(name);
}

/* Without links: the caller's; NULL with an error. */
static char *
resolve(const char *name, GError **error)
{
    g_autofree char *device = is_name(name) ? realpath(name, NULL) : NULL;
    struct stat status;

    if (is_name(name) && !device) {
        driver_fail(error, FAILURE_SR_UNAVAILABLE, "%s: %s", name, g_strerror(errno));
        return NULL;
    }
    if (device && is_name(device) && stat(device, &status) == 0 && S_ISBLK(status.st_mode))
        return g_steal_pointer(&device);
    driver_fail(error, FAILURE_CONFIG_INVALID, "device \"%s\" is no block device in /dev", name);
    return NULL;
}

char **
devices_read(GVariant *args, GError **error)
{
    g_auto(GStrv) names = g_strsplit(driver_key(args, "device"), ",", DEVICES_MAX + 1);
    g_auto(GStrv) devices = g_new0(char *, DEVICES_MAX + 1);

    if (g_strv_length(names) > DEVICES_MAX) {
        driver_fail(error, FAILURE_CONFIG_INVALID, "more than %d devices", DEVICES_MAX);
        return NULL;
    }
    for (gsize i = 0; names[i]; i++) {
        g_autofree char *device = resolve(names[i], error);
        if (!device)
            return NULL;
        if (g_strv_contains((const char *const *)devices, device)) {
            driver_fail(error, FAILURE_CONFIG_INVALID, "%s is there twice", device);
            return NULL;
        }
        devices[i] = g_steal_pointer(&device);
    }
    return g_steal_pointer(&devices);
}

/* ---- contents ---- */

void
device_contents_clear(struct device_contents *contents)
{
    g_free(contents->type);
    g_free(contents->uuid);
    g_free(contents->label);
}

/* A probe of the device for what is anywhere on it; NULL with an error. */
static blkid_probe
probe_new(const char *device, int flags, int *ret_fd, GError **error)
{
    int fd = open(device, flags | O_CLOEXEC);
    blkid_probe probe = fd < 0 ? NULL : blkid_new_probe();

    if (probe && blkid_probe_set_device(probe, fd, 0, 0) == 0) {
        blkid_probe_enable_superblocks(probe, 1);
        blkid_probe_set_superblocks_flags(probe, BLKID_SUBLKS_TYPE | BLKID_SUBLKS_UUID |
                                                     BLKID_SUBLKS_LABEL | BLKID_SUBLKS_MAGIC |
                                                     BLKID_SUBLKS_BADCSUM);
        blkid_probe_enable_partitions(probe, 1);
        blkid_probe_set_partitions_flags(probe, BLKID_PARTS_MAGIC);
        *ret_fd = fd;
        return probe;
    }
    driver_fail(error, FAILURE_SR_UNAVAILABLE, "%s: %s", device, g_strerror(errno));
    blkid_free_probe(probe);
    if (fd >= 0)
        close(fd);
    return NULL;
}

static void
probe_end(blkid_probe probe, int fd)
{
    blkid_free_probe(probe);
    close(fd);
}

/* The first of the names that has a value; "" when none has: the caller's. */
static char *
value_of(blkid_probe probe, const char *name, const char *otherwise)
{
    const char *value = "";

    if (blkid_probe_lookup_value(probe, name, &value, NULL) && otherwise)
        blkid_probe_lookup_value(probe, otherwise, &value, NULL);
    return g_strdup(value);
}

bool
device_read(const char *device, device_contents_t *ret_contents, GError **error)
{
    enum { FOUND = 0, NOTHING = 1, SEVERAL = -2 };
    int fd;
    blkid_probe probe = probe_new(device, O_RDONLY, &fd, error);

    if (!probe)
        return false;
    int r = blkid_do_safeprobe(probe);
    if (r == FOUND || r == NOTHING)
        *ret_contents =
            (device_contents_t){value_of(probe, "TYPE", "PTTYPE"), value_of(probe, "UUID", NULL),
                                value_of(probe, "LABEL", NULL)};
    else if (r == SEVERAL)
        *ret_contents = (device_contents_t){g_strdup("several things"), g_strdup(""), g_strdup("")};
    else
        driver_fail(error, FAILURE_SR_UNAVAILABLE, "%s: %s", device, g_strerror(errno));
    probe_end(probe, fd);
    return r == FOUND || r == NOTHING || r == SEVERAL;
}

bool
device_is_idle(const char *device, GError **error)
{
    int fd = open(device, O_RDONLY | O_EXCL | O_CLOEXEC);

    if (fd >= 0) {
        close(fd);
        return true;
    }
    if (errno == EBUSY)
        api_error_set(error, "SR_DEVICE_IN_USE", NULL);
    else
        driver_fail(error, FAILURE_SR_UNAVAILABLE, "%s: %s", device, g_strerror(errno));
    return false;
}

bool
device_is_free(const char *device, const char *allowed, GError **error)
{
    g_auto(device_contents_t) contents = {0};

    if (!device_is_idle(device, error) || !device_read(device, &contents, error))
        return false;
    if (!*contents.type || g_strcmp0(contents.type, allowed) == 0)
        return true;
    driver_fail(error, FAILURE_DEVICE_IN_USE,
                "%s holds something (%s): wipefs --all %s makes it free, and destroys that", device,
                contents.type, device);
    return false;
}

bool
device_wipe(const char *device, GError **error)
{
    int fd;
    blkid_probe probe = probe_new(device, O_RDWR | O_EXCL, &fd, error);
    bool ok = true;

    if (!probe)
        return false;
    for (int i = 0; ok && i < SIGNATURES_MAX && blkid_do_probe(probe) == 0; i++)
        ok = blkid_do_wipe(probe, FALSE) == 0;
    ok = ok && fsync(fd) == 0;
    if (!ok)
        driver_fail(error, FAILURE_SR_DELETE, "%s: %s", device, g_strerror(errno));
    probe_end(probe, fd);
    return ok;
}
