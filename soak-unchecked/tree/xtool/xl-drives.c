/* xl's words on drives: block-list, block-attach, block-detach, cd-insert, cd-eject. */
#include "config.h"

#include <string.h>

#include "xtool/print.h"
#include "xtool/xl-verbs.h"

#define NOTHING "-" /* in a table, where there is no value */

static GVariant *
text(const char *string)
{
    return g_variant_ref_sink(g_variant_new_string(string));
}

static const struct dm_class *
vdi_class(void)
{
    return dm_class_find("VDI", false);
}

static bool
call_one(struct xtool *x, const char *method, const char *ref, GError **error)
{
    g_autoptr(GVariant) self = text(ref);

    return call_message(x, method, &self, 1, error);
}

/* ---- what a target means ---- */

/* The SR whose disks lie in that folder, or NULL. */
static const char *
sr_of_folder(const GPtrArray *pbds, const char *folder)
{
    for (unsigned i = 0; i < pbds->len; i++) {
        const struct object *pbd = pbds->pdata[i];
        g_autoptr(GVariant) config = object_value(pbd, dm_field_find(pbd->cls, "device_config"));
        const char *location;
        if (!config || !g_variant_lookup(config, "location", "&s", &location))
            continue;
        g_autofree char *canonical = g_canonicalize_filename(location, "/");
        if (g_str_equal(canonical, folder))
            return object_string(pbd, "SR");
    }
    return NULL;
}

/* Is it the file of that VDI?  A driver's name of a file begins with the VDI's location. */
static bool
is_file_of(const struct object *vdi, const char *file)
{
    const char *location = object_string(vdi, "location");
    const char *end = *location && g_str_has_prefix(file, location) ? file + strlen(location) : "?";

    return !*end || g_str_equal(end, ".raw") || g_str_equal(end, ".qcow2");
}

/* The VDI in *ret, NULL when there is none. */
static bool
find_file(struct xtool *x, const char *path, const struct object **ret, GError **error)
{
    g_autofree char *canonical = g_canonicalize_filename(path, "/");
    g_autofree char *folder = g_path_get_dirname(canonical);
    g_autofree char *file = g_path_get_basename(canonical);
    g_autoptr(GPtrArray) pbds = objects_all(x->objects, dm_class_find("PBD", false), error);
    g_autoptr(GPtrArray) vdis = pbds ? objects_all(x->objects, vdi_class(), error) : NULL;

    if (!vdis)
        return false;
    const char *sr = sr_of_folder(pbds, folder);
    *ret = NULL;
    for (unsigned i = 0; sr && i < vdis->len; i++)
        if (g_str_equal(object_string(vdis->pdata[i], "SR"), sr) &&
            is_file_of(vdis->pdata[i], file))
            *ret = vdis->pdata[i];
    return true;
}

static void
set_no_disk(GError **error, const char *path, bool cd)
{
    g_autofree char *folder = g_path_get_dirname(path);

    if (cd)
        g_set_error(error, FAILED_ERROR, 0,
                    "%s is in no repository of CDs.\n"
                    "hint: 'xtool sr-create type=iso content-type=iso name-label=cds "
                    "device-config:location=%s' makes its folder one, and 'xtool sr-scan uuid=...' "
                    "finds what is new in one.",
                    path, folder);
    else
        g_set_error(
            error, FAILED_ERROR, 0,
            "%s is no disk of a repository, and guests get no others.\n"
            "hint: Make one of its size by 'xtool vdi-create sr-uuid=... name-label=... "
            "virtual-size=... sm-config:image-format=raw', copy into the file of that uuid in "
            "the repository's folder, and name the uuid as the target.",
            path);
}

const struct object *
xl_target(struct xtool *x, const char *target, bool cd, GError **error)
{
    const struct object *vdi;

    if (*target != '/')
        return objects_named(x->objects, vdi_class(), target, error);
    if (!find_file(x, target, &vdi, error))
        return NULL;
    if (!vdi)
        set_no_disk(error, target, cd);
    return vdi;
}

GVariant *
xl_add_drive(struct xtool *x, const char *vm, const struct object *vdi, const struct xl_disk *disk,
             GError **error)
{
    g_autofree char *position = g_strdup_printf("%d", disk->position);
    GVariantBuilder record;

    g_variant_builder_init(&record, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&record, "{sv}", "VM", g_variant_new_string(vm));
    g_variant_builder_add(&record, "{sv}", "VDI", g_variant_new_string(vdi ? vdi->ref : REF_NULL));
    g_variant_builder_add(&record, "{sv}", "userdevice", g_variant_new_string(position));
    g_variant_builder_add(&record, "{sv}", "type", g_variant_new_string(disk->cd ? "CD" : "Disk"));
    g_variant_builder_add(&record, "{sv}", "mode",
                          g_variant_new_string(disk->writable ? "RW" : "RO"));
    g_variant_builder_add(&record, "{sv}", "bootable", g_variant_new_boolean(disk->position == 0));
    g_variant_builder_add(&record, "{sv}", "unpluggable", g_variant_new_boolean(true));
    g_variant_builder_add(&record, "{sv}", "empty", g_variant_new_boolean(!vdi));
    g_variant_builder_add(&record, "{sv}", "other_config",
                          g_variant_new_array(G_VARIANT_TYPE("{ss}"), NULL, 0));
    g_variant_builder_add(&record, "{sv}", "qos_algorithm_type", g_variant_new_string(""));
    g_variant_builder_add(&record, "{sv}", "qos_algorithm_params",
                          g_variant_new_array(G_VARIANT_TYPE("{ss}"), NULL, 0));
    g_autoptr(GVariant) args = g_variant_ref_sink(g_variant_builder_end(&record));
    return server_call(x->server, dm_method_find("VBD.create"), &args, 1, error);
}

/* ---- block-list ---- */

bool
xl_block_list(struct xtool *x, GError **error)
{
    static const char *const titles[] = {"Vdev", "Type", "Mode", "Attached", "Image", "UUID"};
    const struct object *vm = xl_verb_vm(x, 0, error);
    g_autoptr(GPtrArray) drives = vm ? drives_of(x, "VM", vm, NULL, error) : NULL;
    g_autoptr(GPtrArray) cells = g_ptr_array_new();

    for (unsigned i = 0; drives && i < drives->len; i++) {
        const struct object *drive = drives->pdata[i], *vdi;
        const char *device = object_string(drive, "device");
        if (!objects_get(x->objects, vdi_class(), object_string(drive, "VDI"), true, &vdi, error))
            return false;
        const char *name = vdi ? object_string(vdi, "name_label") : NOTHING;
        const char *const row[] = {
            *device ? device : object_string(drive, "userdevice"),
            object_string(drive, "type"),
            object_string(drive, "mode"),
            object_bool(drive, "currently_attached") ? "yes" : "no",
            vdi && !*name ? object_string(vdi, "uuid") : name,
            object_string(drive, "uuid"),
        };
        for (size_t j = 0; j < G_N_ELEMENTS(row); j++)
            g_ptr_array_add(cells, (void *)row[j]);
    }
    if (drives)
        print_table(x->out, titles, G_N_ELEMENTS(titles), (const char *const *)cells->pdata,
                    drives->len);
    return drives;
}

/* ---- block-attach and block-detach ---- */

/* What is typed as one word stands among the arguments when it has a "=" in it. */
static char *
typed_disk(struct xtool *x)
{
    const char *word = xl_verb_word(x, 1);

    if (word)
        return g_strdup(word);
    for (unsigned i = 0; i < x->args->list->len; i++) {
        struct arg *arg = x->args->list->pdata[i];
        if (arg->used || args_is_standard(arg->key))
            continue;
        arg->used = true;
        return g_strdup_printf("%s=%s", arg->key, arg->value);
    }
    return NULL;
}

bool
xl_block_attach(struct xtool *x, GError **error)
{
    g_autofree char *entry = typed_disk(x);

    if (!entry) {
        usage_set(error,
                  "Which disk? For example: %s block-attach %s "
                  "vdev=xvdb,access=rw,target=UUID",
                  x->name, xl_verb_word(x, 0));
        return false;
    }
    if (!xtool_check_unused(x, error))
        return false;
    struct xl_disk *disk = xl_disk_read(entry, error);
    const struct object *vm = disk ? xl_verb_vm(x, 0, error) : NULL;
    const struct object *vdi =
        vm && disk->target ? xl_target(x, disk->target, disk->cd, error) : NULL;
    g_autoptr(GVariant) drive =
        vm && (vdi || !disk->target) ? xl_add_drive(x, vm->ref, vdi, disk, error) : NULL;
    bool runs = vm && !g_str_equal(object_string(vm, "power_state"), "Halted");

    xl_disk_free(disk);
    if (!drive || !runs || call_message(x, "VBD.plug", &drive, 1, error))
        return drive;
    /* As with xl, what cannot be attached is not there; the first error is the one that tells. */
    if (!call_message(x, "VBD.destroy", &drive, 1, NULL))
        fprintf(stderr, "note: the VM has the drive nevertheless, for its next start.\n");
    return false;
}

/* The drive that the second word means. */
static const struct object *
drive_of(struct xtool *x, const char *type, GError **error)
{
    const char *word = xl_verb_word(x, 1);
    const struct object *vm = xl_verb_vm(x, 0, error);
    g_autoptr(GPtrArray) drives = vm ? drives_of(x, "VM", vm, type, error) : NULL;
    int wanted = xl_position_read(word);

    for (unsigned i = 0; drives && i < drives->len; i++)
        if (wanted >= 0 &&
            xl_position_read(object_string(drives->pdata[i], "userdevice")) == wanted)
            return drives->pdata[i];
    if (drives)
        g_set_error(error, FAILED_ERROR, 0, "The VM has no %s '%s'.", type ? "CD drive" : "drive",
                    word);
    return NULL;
}

bool
xl_block_detach(struct xtool *x, GError **error)
{
    const struct object *drive = drive_of(x, NULL, error);

    if (!drive)
        return false;
    return (!object_bool(drive, "currently_attached") ||
            call_one(x, x->force ? "VBD.unplug_force" : "VBD.unplug", drive->ref, error)) &&
           call_one(x, "VBD.destroy", drive->ref, error);
}

/* ---- CDs ---- */

bool
xl_cd_eject(struct xtool *x, GError **error)
{
    const struct object *drive = drive_of(x, "CD", error);

    return drive && call_one(x, "VBD.eject", drive->ref, error);
}

/* The CD that is in it goes out first. */
bool
xl_cd_insert(struct xtool *x, GError **error)
{
    const struct object *drive = drive_of(x, "CD", error);
    const struct object *vdi = drive ? xl_target(x, xl_verb_word(x, 2), true, error) : NULL;

    if (!vdi || (!object_bool(drive, "empty") && !call_one(x, "VBD.eject", drive->ref, error)))
        return false;
    g_autoptr(GVariant) self = text(drive->ref);
    g_autoptr(GVariant) medium = text(vdi->ref);
    GVariant *params[] = {self, medium};
    return call_message(x, "VBD.insert", params, 2, error);
}
