/* Repositories, each a volume group of the devices that its driver names, with its thin pool. */
#include "config.h"

#include "storage-repos/lvm/lvm.h"

#include <string.h>

#include "lib/error.h"
#include "lib/faults.h"
#include "lib/log.h"
#include "lib/member.h"
#include "storage-repos/common/device.h"

#define BLOCK_DEVICES "/sys/block"
#define PV_TYPE "LVM2_member" /* what libblkid calls a device of LVM */

const char *const volume_capabilities[] = {
    "SR_PROBE",   "SR_UPDATE",    "SR_CREATE",         "SR_DELETE",  "SR_SCAN",    "SR_STATS",
    "VDI_CREATE", "VDI_DELETE",   "VDI_ATTACH",        "VDI_DETACH", "VDI_RESIZE", "VDI_COPY",
    "VDI_CLONE",  "VDI_EXCHANGE", "THIN_PROVISIONING", NULL};

const struct driver_call volume_calls[] = {{"sr.scan", sr_scan},
                                           {"sr.stat", sr_stat},
                                           {"vdi.create", vdi_create},
                                           {"vdi.copy", vdi_copy},
                                           {"vdi.clone", vdi_clone},
                                           {"vdi.exchange", vdi_exchange},
                                           {"vdi.destroy", vdi_destroy},
                                           {"vdi.resize", vdi_resize},
                                           {"vdi.attach", vdi_attach},
                                           {"vdi.detach", vdi_detach},
                                           {NULL, NULL}};

/* ---- whose the devices are ---- */

enum ownership {
    NOBODY, /* they are of no group */
    OURS,   /* they are all of the repository's, and no others are */
    OTHERS
};

/* A group that is not ours; "" when the devices are ours in part: then more of them are. */
struct owner {
    enum ownership is;
    char *other;
};

typedef struct owner owner_t;

static void
owner_clear(struct owner *owner)
{
    g_free(owner->other);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(owner_t, owner_clear)

static bool
find_owner(const struct group *group, owner_t *ret_owner, GError **error)
{
    g_autoptr(GPtrArray) rows = lvm_report(group, "pvs", "pv_name,vg_name", NULL, error);
    const char *other = NULL;
    guint ours = 0;

    if (!rows)
        return false;
    for (guint i = 0; i < rows->len; i++) {
        const char *name = member_text(rows->pdata[i], "vg_name");
        if (g_str_equal(name, group->name))
            ours++;
        else if (*name)
            other = name;
    }
    if (!other && ours == 0)
        *ret_owner = (owner_t){NOBODY, NULL};
    else if (!other && ours == g_strv_length(group->devices))
        *ret_owner = (owner_t){OURS, NULL};
    else
        *ret_owner = (owner_t){OTHERS, g_strdup(other ? other : "")};
    return true;
}

/* The uuid of the repository whose group has this name; NULL: it is none of ours. */
static const char *
repository_of(const char *name)
{
    const char *uuid = name + strlen(GROUP_PREFIX);

    return g_str_has_prefix(name, GROUP_PREFIX) && g_uuid_string_is_valid(uuid) ? uuid : NULL;
}

/* What is there instead of the repository. */
static void
say_owner(const struct group *group, const struct owner *owner, enum driver_failure number,
          GError **error)
{
    if (owner->is == NOBODY)
        driver_fail(error, number, "%s: no repository is there", group->list);
    else if (!*owner->other)
        driver_fail(error, number, "%s: these are not all devices of the repository, or too many",
                    group->list);
    else if (repository_of(owner->other))
        driver_fail(error, number, "%s: the repository %s is there", group->list,
                    repository_of(owner->other));
    else
        driver_fail(error, number, "%s: the volume group %s is there", group->list, owner->other);
}

static bool
group_open(GVariant *args, group_t *ret_group, GError **error)
{
    g_auto(owner_t) owner = {0};

    if (!group_read(args, ret_group, error) || !find_owner(ret_group, &owner, error))
        return false;
    if (owner.is == OURS)
        return true;
    say_owner(ret_group, &owner, FAILURE_SR_UNAVAILABLE, error);
    return false;
}

/* ---- making ---- */

static bool
make_group(const struct group *group, GError **error)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new();

    for (char **device = group->devices; *device; device++)
        if (!device_is_free(*device, PV_TYPE, error)) /* which is of no group */
            return false;
    /* It is ours to activate, not the boot's. */
    g_ptr_array_add(words, (char *)"--setautoactivation");
    g_ptr_array_add(words, (char *)"n");
    g_ptr_array_add(words, (char *)"--physicalextentsize");
    g_ptr_array_add(words, (char *)"4m"); /* EXTENT */
    g_ptr_array_add(words, group->name);
    for (char **device = group->devices; *device; device++)
        g_ptr_array_add(words, *device);
    g_ptr_array_add(words, NULL);
    return FAULT_AROUND(
        "lvm.sr.create.group", error,
        lvm_run(group, "vgcreate", (const char *const *)words->pdata, FAILURE_GROUP_CREATE, error));
}

/* Of all that there is; what a guest has not written reads as zeros, whoever had it before.  The
 * kernel has it when the repository is attached. */
static bool
make_pool(const struct group *group, GError **error)
{
    const char *const words[] = {"--type",     "thin-pool", "--name", POOL, "--extents", "100%FREE",
                                 "--activate", "n",         "--zero", "y",  group->name, NULL};
    g_autoptr(GPtrArray) there = lvm_report(group, "lvs", "lv_name", "lv_name=" POOL, error);

    return there && (there->len > 0 ||
                     FAULT_AROUND("lvm.sr.create.pool", error,
                                  lvm_run(group, "lvcreate", words, FAILURE_GROUP_CREATE, error)));
}

bool
sr_create(GVariant *args, GVariantDict *result, GError **error)
{
    g_auto(group_t) group = {0};
    g_auto(owner_t) owner = {0};

    (void)result;
    if (!group_read(args, &group, error) || !find_owner(&group, &owner, error))
        return false;
    if (owner.is == OTHERS) {
        bool ours = repository_of(owner.other) != NULL;
        say_owner(&group, &owner, ours ? FAILURE_SR_EXISTS : FAILURE_DEVICE_IN_USE, error);
        return false;
    }
    return (owner.is == OURS || make_group(&group, error)) && make_pool(&group, error);
}

/* ---- coming and going ---- */

static bool
set_active(const struct group *group, const char *how, GError **error)
{
    const char *const words[] = {"--activate", how, group->name, NULL};

    return lvm_run(group, "vgchange", words, FAILURE_SR_UNAVAILABLE, error);
}

/* Nothing else happens to a repository while it is being attached. */
bool
sr_attach(GVariant *args, GVariantDict *result, GError **error)
{
    g_auto(group_t) group = {0};

    (void)result;
    return group_open(args, &group, error) &&
           FAULT_AROUND("lvm.sr.attach", error, set_active(&group, "y", error)) &&
           volumes_remove(&group, "lv_name=~^" COPY_PREFIX, error) &&
           exchanges_end(&group, "lv_name=~^" WAS_PREFIX, error);
}

/* Has the kernel anything of the group?  Then it has its pool, whatever became of the devices. */
static bool
is_mapped(const char *sr)
{
    g_autoptr(GDir) devices = g_dir_open(BLOCK_DEVICES, 0, NULL);
    g_auto(GStrv) parts = g_strsplit(sr, "-", -1);
    g_autofree char *escaped =
        g_strjoinv("--", parts); /* as the device mapper has dashes of names */
    g_autofree char *prefix = g_strconcat("xapid--", escaped, "-", NULL);
    bool found = false;
    const char *name;

    while (devices && !found && (name = g_dir_read_name(devices))) {
        g_autofree char *path = g_build_filename(BLOCK_DEVICES, name, "dm", "name", NULL);
        g_autofree char *text = NULL;
        found = g_file_get_contents(path, &text, NULL, NULL) && g_str_has_prefix(text, prefix);
    }
    return found;
}

bool
sr_detach(GVariant *args, GVariantDict *result, GError **error)
{
    g_auto(group_t) group = {0};
    g_auto(owner_t) owner = {0};
    g_autoptr(GError) failed = NULL;

    (void)result;
    if (!is_mapped(member_text(args, "sr")))
        return true;
    if (!group_read(args, &group, error) || !find_owner(&group, &owner, error))
        return false;
    if (owner.is != OURS || FAULT_AROUND("lvm.sr.detach", error, set_active(&group, "n", &failed)))
        return true;
    if (failed && strstr(failed->message, " in use"))
        api_error_set(error, "SR_DEVICE_IN_USE", NULL);
    else if (failed)
        g_propagate_error(error, g_steal_pointer(&failed));
    return false;
}

/* ---- the end ---- */

static bool
remove_group(const struct group *group, GError **error)
{
    const char *const words[] = {"--force", group->name, NULL}; /* with the pool */
    g_autoptr(GPtrArray) disks = lvm_report(
        group, "lvs", "lv_name", "lv_name=~^" DISK_PREFIX " || lv_name=~^" WAS_PREFIX, error);

    if (!disks)
        return false;
    if (disks->len > 0) {
        api_error_set(error, "SR_NOT_EMPTY", NULL);
        return false;
    }
    return FAULT_AROUND("lvm.sr.destroy.group", error,
                        lvm_run(group, "vgremove", words, FAILURE_SR_DELETE, error));
}

/* Devices that are of no group, and so hold nothing, are LVM's no more. */
static bool
remove_labels(const struct group *group, GError **error)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new();

    for (char **device = group->devices; *device; device++) {
        g_auto(device_contents_t) contents = {0};
        if (!device_read(*device, &contents, error))
            return false;
        if (g_str_equal(contents.type, PV_TYPE))
            g_ptr_array_add(words, *device);
    }
    g_ptr_array_add(words, NULL);
    return !words->pdata[0] ||
           FAULT_AROUND("lvm.sr.destroy.labels", error,
                        lvm_run(group, "pvremove", (const char *const *)words->pdata,
                                FAILURE_SR_DELETE, error));
}

bool
sr_destroy(GVariant *args, GVariantDict *result, GError **error)
{
    g_auto(group_t) group = {0};
    g_auto(owner_t) owner = {0};

    (void)result;
    if (!group_read(args, &group, error) || !find_owner(&group, &owner, error))
        return false;
    if (owner.is == OTHERS) {
        say_owner(&group, &owner, FAILURE_SR_DELETE, error);
        return false;
    }
    return (owner.is == NOBODY || remove_group(&group, error)) && remove_labels(&group, error);
}

/* ---- what is there ---- */

static void
add_volume(GVariant *row, const char *uuid, GVariantBuilder *volumes)
{
    g_auto(volume_t) volume = {0};
    GVariantDict told;

    volume_of_row(row, &volume);
    g_variant_dict_init(&told, NULL);
    volume_describe(&volume, uuid, &told);
    driver_insert_labels(&told, volume.record);
    g_variant_builder_add_value(volumes, g_variant_dict_end(&told));
}

static void
insert_figures(GVariant *row, GVariantDict *result)
{
    g_auto(volume_t) pool = {0};

    volume_of_row(row, &pool);
    g_variant_dict_insert(result, "physical_size", "x", pool.size);
    g_variant_dict_insert(result, "physical_utilisation", "x", pool.used);
}

bool
sr_scan(GVariant *args, GVariantDict *result, GError **error)
{
    g_auto(group_t) group = {0};
    g_autoptr(GPtrArray) rows = NULL;
    GVariantBuilder volumes;

    if (!group_open(args, &group, error) ||
        !(rows = lvm_report(&group, "lvs", VOLUME_COLUMNS, NULL, error)))
        return false;
    g_autoptr(GHashTable) exchanges = exchanges_of(rows);
    g_variant_builder_init(&volumes, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < rows->len; i++) {
        const char *name = member_text(rows->pdata[i], "lv_name");
        g_autofree char *uuid = volume_disk(name);
        const char *renamed = uuid && g_str_has_prefix(name, DISK_PREFIX)
                                  ? g_hash_table_lookup(exchanges, uuid)
                                  : NULL;
        if (g_str_equal(name, POOL))
            insert_figures(rows->pdata[i], result);
        else if (uuid)
            add_volume(rows->pdata[i], renamed ? renamed : uuid, &volumes);
    }
    g_variant_dict_insert_value(result, "volumes", g_variant_builder_end(&volumes));
    return true;
}

bool
sr_stat(GVariant *args, GVariantDict *result, GError **error)
{
    g_auto(group_t) group = {0};
    g_autoptr(GPtrArray) rows = NULL;

    if (!group_read(args, &group, error) ||
        !(rows = lvm_report(&group, "lvs", VOLUME_COLUMNS, "lv_name=" POOL, error)))
        return false;
    if (rows->len > 0)
        insert_figures(rows->pdata[0], result);
    return true;
}

bool
sr_probe(GVariant *args, GVariantDict *result, GError **error)
{
    g_auto(group_t) group = {0};
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GPtrArray) rows = NULL;
    GVariantBuilder found;

    if (!group_read(args, &group, error) ||
        !(rows = lvm_report(&group, "pvs", "pv_name,vg_name", NULL, error)))
        return false;
    g_variant_builder_init(&found, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < rows->len; i++) {
        const char *uuid = repository_of(member_text(rows->pdata[i], "vg_name"));
        GVariantDict sr;
        if (!uuid || !g_hash_table_add(seen, (char *)uuid))
            continue;
        g_variant_dict_init(&sr, NULL);
        g_variant_dict_insert(&sr, "uuid", "s", uuid);
        g_variant_dict_insert(&sr, "location", "s", group.list);
        g_variant_builder_add_value(&found, g_variant_dict_end(&sr));
    }
    g_variant_dict_insert_value(result, "repositories", g_variant_builder_end(&found));
    return true;
}
