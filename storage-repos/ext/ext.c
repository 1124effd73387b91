/* The driver of repositories that are a file system of their own, ext4 on one block device, mounted
 * while they are attached.  What is in it is as the driver `file` has it.
 *
 * The file system has the uuid of its SR, and a label that says whose it is. */
#include "config.h"

#include <errno.h>
#include <sys/mount.h>
#include <unistd.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "lib/log.h"
#include "lib/member.h"
#include "storage-repos/common/device.h"
#include "storage-repos/common/mount.h"
#include "storage-repos/common/tool.h"
#include "storage-repos/file/file.h"

#define MKFS "/usr/sbin/mkfs.ext4"
#define TYPE "ext4"
#define LABEL "xapid-sr"

char *
repository_path(GVariant *args)
{
    return mount_path(args);
}

/* ---- the device ---- */

/* The caller's; NULL with an error. */
static char *
device_of(GVariant *args, GError **error)
{
    g_auto(GStrv) devices = devices_read(args, error);

    if (!devices)
        return NULL;
    if (!devices[1])
        return g_strdup(devices[0]);
    driver_fail(error, FAILURE_CONFIG_INVALID, "a file system has one device");
    return NULL;
}

/* The uuid of the repository that is there, NULL: none.  Borrowed. */
static const char *
repository_in(const struct device_contents *contents)
{
    bool ours = g_str_equal(contents->type, TYPE) && g_str_equal(contents->label, LABEL);

    return ours && g_uuid_string_is_valid(contents->uuid) ? contents->uuid : NULL;
}

/* Is it that of args? */
static bool
holds(const struct device_contents *contents, GVariant *args)
{
    return g_strcmp0(repository_in(contents), member_text(args, "sr")) == 0;
}

/* ---- mounting ---- */

static bool
mount_device(const char *device, const char *path)
{
    return mount(device, path, TYPE, MS_NOATIME | MS_NODEV | MS_NOSUID | MS_NOEXEC, NULL) == 0;
}

static bool
is_mounted(GVariant *args)
{
    g_autofree char *path = mount_path(args);

    return mount_is_there(path);
}

/* Mounted then, if it was not. */
static bool
begin(GVariant *args, const char *device, GError **error)
{
    g_autofree char *path = mount_path(args);

    if (is_mounted(args))
        return true;
    if (!mount_make_folder(path, error))
        return false;
    if (FAULT_AROUND("ext.mount", error, mount_device(device, path)))
        return true;
    if (error && !*error) {
        driver_fail(error, FAILURE_MOUNT, "%s: %s", device, g_strerror(errno));
        mount_end(path, NULL);
    }
    return false;
}

static bool
end(GVariant *args, GError **error)
{
    g_autofree char *path = mount_path(args);

    return mount_end(path, error);
}

/* The end of a call that something else went wrong with, which is what is told. */
static void
end_as_before(GVariant *args, bool mounted_before)
{
    g_autoptr(GError) error = NULL;

    if (!mounted_before && !end(args, &error))
        log_warning("%s", error->message);
}

/* ---- the calls ---- */

static bool
make_file_system(GVariant *args, const char *device, GError **error)
{
    g_autofree char *words = NULL;
    const char *const argv[] = {MKFS,   "-q", "-m", "0", "-L", LABEL, "-U", member_text(args, "sr"),
                                device, NULL};

    if (FAULT_AROUND("ext.mkfs", error, tool_run(/* folder: none */ -1, argv, &words)))
        return true;
    if (error && !*error)
        driver_fail(error, FAILURE_FILE_SYSTEM, "%s: %s", device, words);
    return false;
}

/* A file system of ours that was not whole when a call was broken off is made again. */
static bool
make_and_begin(GVariant *args, const char *device, GError **error)
{
    g_auto(device_contents_t) contents = {0};

    if (is_mounted(args))
        return true;
    if (!device_read(device, &contents, error))
        return false;
    bool ours = holds(&contents, args);
    if (ours && device_is_idle(device, NULL) && begin(args, device, NULL))
        return true;
    if (!ours && repository_in(&contents)) {
        driver_fail(error, FAILURE_SR_EXISTS, "%s: the repository %s is there", device,
                    contents.uuid);
        return false;
    }
    return (ours ? device_is_idle(device, error) : device_is_free(device, NULL, error)) &&
           make_file_system(args, device, error) && begin(args, device, error);
}

static bool
create(GVariant *args, GVariantDict *result, GError **error)
{
    g_autofree char *device = device_of(args, error);
    bool before = is_mounted(args);

    if (!device || !make_and_begin(args, device, error))
        return false;
    if (sr_create(args, result, error))
        return before || end(args, error);
    end_as_before(args, before);
    return false;
}

static bool
attach(GVariant *args, GVariantDict *result, GError **error)
{
    g_autofree char *device = device_of(args, error);
    g_auto(device_contents_t) contents = {0};
    bool before = is_mounted(args);

    if (!device || !device_read(device, &contents, error))
        return false;
    if (!holds(&contents, args)) {
        driver_fail(error, FAILURE_SR_UNAVAILABLE, "%s holds another thing than the repository: %s",
                    device, *contents.type ? contents.type : "nothing");
        return false;
    }
    if (!begin(args, device, error))
        return false;
    if (sr_attach(args, result, error))
        return true;
    end_as_before(args, before);
    return false;
}

static bool
detach(GVariant *args, GVariantDict *result, GError **error)
{
    (void)result;
    return end(args, error);
}

static bool
destroy(GVariant *args, GVariantDict *result, GError **error)
{
    g_autofree char *device = device_of(args, error);
    g_auto(device_contents_t) contents = {0};
    bool before = is_mounted(args);

    if (!device || !device_read(device, &contents, error))
        return false;
    if (!holds(&contents, args)) {
        if (!repository_in(&contents))
            return end(args, error); /* removed before */
        driver_fail(error, FAILURE_SR_DELETE, "%s: the repository %s is there", device,
                    contents.uuid);
        return false;
    }
    if (!begin(args, device, error))
        return false;
    if (!sr_destroy(args, result, error)) {
        end_as_before(args, before);
        return false;
    }
    return end(args, error) && FAULT_AROUND("ext.wipe", error, device_wipe(device, error));
}

static bool
probe(GVariant *args, GVariantDict *result, GError **error)
{
    g_autofree char *device = device_of(args, error);
    g_auto(device_contents_t) contents = {0};
    GVariantBuilder found;
    GVariantDict sr;

    if (!device || !device_read(device, &contents, error))
        return false;
    g_variant_builder_init(&found, G_VARIANT_TYPE("aa{sv}"));
    if (repository_in(&contents)) {
        g_variant_dict_init(&sr, NULL);
        g_variant_dict_insert(&sr, "uuid", "s", contents.uuid);
        g_variant_dict_insert(&sr, "location", "s", driver_key(args, "device"));
        g_variant_builder_add_value(&found, g_variant_dict_end(&sr));
    }
    g_variant_dict_insert_value(result, "repositories", g_variant_builder_end(&found));
    return true;
}

int
main(int argc, char **argv)
{
    static const struct driver_key keys[] = {
        {"device", "a block device, empty or of this repository", true}, {NULL, NULL, false}};
    static const struct driver_call calls[] = {{"sr.probe", probe},     {"sr.create", create},
                                               {"sr.attach", attach},   {"sr.detach", detach},
                                               {"sr.destroy", destroy}, {NULL, NULL}};
    static const struct driver driver = {
        "ext",
        "ext4",
        "Disks as files, raw or qcow2, in a file system of their own",
        file_capabilities,
        keys,
        calls,
        file_calls,
        NULL};

    return driver_main(&driver, argc, argv);
}
