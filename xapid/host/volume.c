#include "config.h"

#include "xapid/host/volume.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/disk-handle.h"
#include "lib/error.h"
#include "lib/faults.h"
#include "lib/member.h"

int
volumes_open(const char *path, GError **error)
{
    struct stat status;
    int folder = -1;

    if (g_mkdir_with_parents(path, 0700) == 0)
        folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder >= 0 && fstat(folder, &status) == 0 && status.st_uid == geteuid() &&
        !(status.st_mode & (S_IWGRP | S_IWOTH)))
        return folder;
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "%s: %s", path,
                folder < 0 ? g_strerror(errno) : "it is not ours alone");
    if (folder >= 0)
        close(folder);
    return -1;
}

/* Calls `each` for every handle until it returns false; false then. */
static bool
each_handle(int folder,
            bool (*each)(const char *name, const struct disk_handle *handle, void *data),
            void *data)
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    bool go_on = true;

    if (!dir)
        return false;
    while (go_on && (entry = readdir(dir))) {
        g_auto(disk_handle) handle = {0};
        if (disk_handle_read(folder, entry->d_name, &handle, NULL))
            go_on = each(entry->d_name, &handle, data);
    }
    closedir(dir);
    return go_on;
}

/* Not another's use that this one would spoil. */
static bool
goes_beside(const char *name, const struct disk_handle *other, void *data)
{
    GVariant *args = data;

    return g_str_equal(name, member_text(args, "handle")) ||
           !g_str_equal(other->vdi, member_text(args, "vdi")) ||
           (other->sharable && member_flag(args, "sharable")) ||
           (other->read_only && member_flag(args, "read_only"));
}

bool
volume_may_attach(int folder, GVariant *args, GError **error)
{
    if (each_handle(folder, goes_beside, args))
        return true;
    api_error_set(error, "VDI_IN_USE", member_text(args, "vdi"), "attach", NULL);
    return false;
}

bool
volume_attached(int folder, const char *driver, GVariant *args, GVariant *answer, GError **error)
{
    g_autofree const char **bases = NULL;

    g_variant_lookup(answer, "bases", "^a&s", &bases);
    const struct disk_handle handle = {.driver = (char *)driver,
                                       .sr = (char *)member_text(args, "sr"),
                                       .vdi = (char *)member_text(args, "vdi"),
                                       .block = g_str_equal(member_text(answer, "kind"), "block"),
                                       .path = (char *)member_text(answer, "path"),
                                       .format = (char *)member_text(answer, "format"),
                                       .bases = (char **)bases,
                                       .read_only = member_flag(args, "read_only"),
                                       .sharable = member_flag(args, "sharable")};

    if (!g_path_is_absolute(handle.path) ||
        (!handle.block && !g_str_equal(member_text(answer, "kind"), "file")) ||
        (!g_str_equal(handle.format, "raw") && !g_str_equal(handle.format, "qcow2"))) {
        api_error_set(error, "SR_BACKEND_FAILURE", "",
                      "the driver does not say where the disk is, or what it is", "", NULL);
        return false;
    }
    return FAULT_AROUND("host.handle.write", error,
                        disk_handle_write(folder, member_text(args, "handle"), &handle, error));
}

static bool
is_not_of_disk(const char *name, const struct disk_handle *other, void *data)
{
    GVariant *args = data;

    return g_str_equal(name, member_text(args, "handle")) ||
           !g_str_equal(other->vdi, member_text(args, "vdi"));
}

bool
volume_is_last(int folder, GVariant *args)
{
    return each_handle(folder, is_not_of_disk, args);
}

bool
volume_detached(int folder, GVariant *args, GError **error)
{
    return FAULT_AROUND("host.handle.remove", error,
                        disk_handle_remove(folder, member_text(args, "handle"), error));
}

/* The source's handle, which only reads. */
static bool
read_source(int folder, GVariant *args, struct disk_handle *ret_handle, GError **error)
{
    const char *name = member_text(args, "source");
    g_auto(disk_handle) handle = {0};

    if (!disk_handle_read(folder, name, &handle, error))
        return false;
    if (!handle.read_only) {
        api_error_set(error, "INVALID_VALUE", "source", name, NULL);
        return false;
    }
    *ret_handle = handle;
    handle = (disk_handle){0};
    return true;
}

GVariant *
volume_resolve_source(int folder, GVariant *args, GError **error)
{
    static const char *const none[] = {NULL};
    g_auto(disk_handle) handle = {0};
    GVariantDict source, resolved;

    if (!read_source(folder, args, &handle, error))
        return NULL;
    g_variant_dict_init(&source, NULL);
    g_variant_dict_insert(&source, "kind", "s", handle.block ? "block" : "file");
    g_variant_dict_insert(&source, "path", "s", handle.path);
    g_variant_dict_insert(&source, "format", "s", handle.format);
    g_variant_dict_insert(&source, "bases", "^as",
                          handle.bases ? (const char *const *)handle.bases : none);
    g_variant_dict_init(&resolved, args);
    g_variant_dict_insert_value(&resolved, "source", g_variant_dict_end(&source));
    return g_variant_ref_sink(g_variant_dict_end(&resolved));
}

struct source {
    const char *name, *vdi;
};

/* One that a paused guest writes to under the source's own handle stays as it is, too. */
static bool
does_not_write(const char *name, const struct disk_handle *handle, void *data)
{
    const struct source *source = data;

    return handle->read_only || !g_str_equal(handle->vdi, source->vdi) ||
           g_str_equal(name, source->name);
}

GVariant *
volume_resolve_shared(int folder, const char *driver, GVariant *args, GError **error)
{
    const char *name = member_text(args, "source");
    g_auto(disk_handle) handle = {0};
    GVariantDict resolved;

    if (!disk_handle_read(folder, name, &handle, error))
        return NULL;
    if (!g_str_equal(handle.driver, driver) || !g_str_equal(handle.sr, member_text(args, "sr"))) {
        api_error_set(error, "INVALID_VALUE", "source", name, NULL);
        return NULL;
    }
    struct source source = {name, handle.vdi};
    if (!each_handle(folder, does_not_write, &source)) {
        api_error_set(error, "VDI_IN_USE", handle.vdi, "clone", NULL);
        return NULL;
    }
    g_variant_dict_init(&resolved, args);
    g_variant_dict_insert(&resolved, "source", "s", handle.vdi);
    return g_variant_ref_sink(g_variant_dict_end(&resolved));
}

struct attached {
    const char *sr;
    GVariantBuilder vdis;
};

static bool
add_attached(const char *name, const struct disk_handle *handle, void *data)
{
    struct attached *attached = data;

    (void)name;
    if (g_str_equal(handle->sr, attached->sr))
        g_variant_builder_add(&attached->vdis, "s", handle->vdi);
    return true;
}

GVariant *
volume_resolve_attached(int folder, GVariant *args, GError **error)
{
    struct attached attached = {.sr = member_text(args, "sr")};
    GVariantDict resolved;

    g_variant_builder_init(&attached.vdis, G_VARIANT_TYPE("as"));
    if (!each_handle(folder, add_attached, &attached)) {
        g_variant_builder_clear(&attached.vdis);
        api_error_set(error, "INTERNAL_ERROR", "the handles of disks cannot be read", NULL);
        return NULL;
    }
    g_variant_dict_init(&resolved, args);
    g_variant_dict_insert_value(&resolved, "attached", g_variant_builder_end(&attached.vdis));
    return g_variant_ref_sink(g_variant_dict_end(&resolved));
}

static bool
is_another(const char *name, const struct disk_handle *handle, void *data)
{
    (void)name;
    return !g_str_equal(handle->vdi, data);
}

bool
volume_is_free(int folder, GVariant *args, const char *name, GError **error)
{
    const char *vdi = member_text(args, name);

    if (each_handle(folder, is_another, (void *)vdi))
        return true;
    api_error_set(error, "VDI_IN_USE", vdi, "exchange", NULL);
    return false;
}

static bool
is_not_of_sr(const char *name, const struct disk_handle *other, void *data)
{
    (void)name;
    return !g_str_equal(other->sr, data);
}

bool
volume_of_sr(int folder, const char *sr)
{
    return !each_handle(folder, is_not_of_sr, (void *)sr);
}
