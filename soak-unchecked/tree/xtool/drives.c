/* Disks and CDs of VMs: the vm-disk- and vm-cd- commands, and cd-list. */
#include "config.h"

#include "lib/error.h"
#include "xtool/explain.h"
#include "xtool/print.h"
#include "xtool/value.h"
#include "xtool/xl-record.h"
#include "xtool/xtool.h"

#define EMPTY_DRIVE "<EMPTY>" /* what stands for the name of a CD where there is none */

static GVariant *
text(const char *string)
{
    return g_variant_ref_sink(g_variant_new_string(string));
}

/* message (one reference). */
static bool
call_one(struct xtool *x, const char *method, const char *ref, GError **error)
{
    g_autoptr(GVariant) self = text(ref);

    return call_message(x, method, &self, 1, error);
}

static int
compare_devices(const void *a, const void *b)
{
    const struct object *const *left = a, *const *right = b;

    return xl_position_read(object_string(*left, "userdevice")) -
           xl_position_read(object_string(*right, "userdevice"));
}

GPtrArray *
drives_of(struct xtool *x, const char *field, const struct object *object, const char *type,
          GError **error)
{
    g_autoptr(GPtrArray) all = objects_all(x->objects, dm_class_find("VBD", false), error);
    g_autoptr(GPtrArray) found = g_ptr_array_new();

    for (unsigned i = 0; all && i < all->len; i++)
        if (g_str_equal(object_string(all->pdata[i], field), object->ref) &&
            (!type || g_str_equal(object_string(all->pdata[i], "type"), type)))
            g_ptr_array_add(found, all->pdata[i]);
    g_ptr_array_sort(found, compare_devices);
    return all ? g_steal_pointer(&found) : NULL;
}

/* The image of a drive in *ret, NULL when it is empty. */
static bool
image_of(struct xtool *x, const struct object *drive, const struct object **ret, GError **error)
{
    return objects_get(x->objects, dm_class_find("VDI", false), object_string(drive, "VDI"), true,
                       ret, error);
}

/* ---- lists ---- */

/* What is shown of drives and of their images.  The columns are in the order that xe has. */
struct shape {
    const char *title, *type;
    GPtrArray *vbd_fields, *vdi_fields;   /* struct field */
    GPtrArray *vbd_columns, *vdi_columns; /* of these */
    GPtrArray *uuids;                     /* with --minimal: the first column of each */
    GString *json;
};

static void
shape_clear(struct shape *shape)
{
    g_clear_pointer(&shape->vbd_columns, g_ptr_array_unref);
    g_clear_pointer(&shape->vdi_columns, g_ptr_array_unref);
    g_clear_pointer(&shape->vbd_fields, g_ptr_array_unref);
    g_clear_pointer(&shape->vdi_fields, g_ptr_array_unref);
    g_clear_pointer(&shape->uuids, g_ptr_array_unref);
    if (shape->json)
        g_string_free(shape->json, TRUE);
}

typedef struct shape shape_owned;
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(shape_owned, shape_clear)

static bool
shape_init(struct shape *shape, struct xtool *x, bool cds, GError **error)
{
    static const char *const of_disk[] = {"uuid", "vm-name-label", "userdevice", NULL};
    static const char *const of_cd[] = {"uuid", "vm-name-label", "empty", "userdevice", NULL};
    static const char *const of_vdi[] = {"uuid", "name-label", "sr-name-label", "virtual-size",
                                         NULL};

    *shape = (struct shape){.title = cds ? "CD" : "Disk", .type = cds ? "CD" : "Disk"};
    shape->vbd_fields = fields_of(class_find("vbd"));
    shape->vdi_fields = fields_of(class_find("vdi"));
    shape->vbd_columns = generic_columns(x, shape->vbd_fields, args_get(x->args, "vbd-params"),
                                         cds ? of_cd : of_disk, error);
    if (shape->vbd_columns)
        shape->vdi_columns =
            generic_columns(x, shape->vdi_fields, args_get(x->args, "vdi-params"), of_vdi, error);
    shape->uuids = g_ptr_array_new_with_free_func(g_free);
    shape->json = g_string_new(NULL);
    return shape->vdi_columns;
}

static bool
first_text(struct xtool *x, const struct object *object, const GPtrArray *columns, GPtrArray *uuids,
           GError **error)
{
    char *first = field_text(columns->pdata[0], x->objects, object, true, error);

    if (first)
        g_ptr_array_insert(uuids, 0, first); /* the last one first, as xe does */
    return first;
}

static bool
show_drive(struct xtool *x, const struct shape *shape, unsigned number, const struct object *drive,
           GError **error)
{
    const struct object *image;

    if (!image_of(x, drive, &image, error))
        return false;
    if (x->minimal)
        return first_text(x, drive, shape->vbd_columns, shape->uuids, error) &&
               (!image || first_text(x, image, shape->vdi_columns, shape->uuids, error));
    if (x->json) {
        g_string_append(shape->json, shape->json->len ? ",\n {\"vbd\":" : "{\"vbd\":");
        if (!generic_json(x, shape->json, drive, shape->vbd_columns, true, error))
            return false;
        g_string_append(shape->json, ",\"vdi\":");
        if (!image)
            g_string_append(shape->json, "null");
        else if (!generic_json(x, shape->json, image, shape->vdi_columns, true, error))
            return false;
        g_string_append_c(shape->json, '}');
        return true;
    }
    fprintf(x->out, "%s %u VBD:\n", shape->title, number);
    if (!generic_show_block(x, drive, shape->vbd_columns, true, error))
        return false;
    if (!image)
        return true;
    fprintf(x->out, "%s %u VDI:\n", shape->title, number);
    return generic_show_block(x, image, shape->vdi_columns, true, error);
}

static bool
show_drives(struct xtool *x, const GPtrArray *vms, bool cds, GError **error)
{
    g_auto(shape_owned) shape;

    if (!shape_init(&shape, x, cds, error) || !xtool_check_unused(x, error))
        return false;
    for (unsigned i = 0; i < vms->len; i++) {
        g_autoptr(GPtrArray) drives = drives_of(x, "VM", vms->pdata[i], shape.type, error);
        if (!drives)
            return false;
        for (unsigned j = 0; j < drives->len; j++)
            if (!show_drive(x, &shape, j, drives->pdata[j], error))
                return false;
    }
    if (x->json)
        fprintf(x->out, "[%s]\n", shape.json->str);
    else if (x->minimal)
        print_minimal(x->out, (const char *const *)shape.uuids->pdata, shape.uuids->len);
    return true;
}

bool
drives_disk_list(struct xtool *x, const GPtrArray *vms, GError **error)
{
    return show_drives(x, vms, false, error);
}

bool
drives_cd_list(struct xtool *x, const GPtrArray *vms, GError **error)
{
    return show_drives(x, vms, true, error);
}

bool
drives_snapshot_disk_list(struct xtool *x, const struct xt_command *command, GError **error)
{
    const char *name = args_get(x->args, "snapshot-uuid");
    g_autoptr(GPtrArray) one = g_ptr_array_new();

    if (!name)
        name = args_get(x->args, "uuid");
    if (!name) {
        usage_set(error, "%s needs uuid= or snapshot-uuid=.", command->name);
        return false;
    }
    if (!xtool_connect(x, false, error))
        return false;
    const struct object *snapshot =
        objects_named(x->objects, dm_class_find("VM", false), name, error);
    if (snapshot && !object_bool(snapshot, "is_a_snapshot")) {
        g_set_error(error, FAILED_ERROR, 0, "%s is no snapshot.", name);
        return false;
    }
    g_ptr_array_add(one, (void *)snapshot);
    return snapshot && show_drives(x, one, false, error);
}

/* The images in repositories of CDs, with this name or uuid or all of them. */
static GPtrArray *
find_images(struct xtool *x, const char *name, GError **error)
{
    const struct dm_class *vdi = dm_class_find("VDI", false), *sr = dm_class_find("SR", false);
    g_autoptr(GPtrArray) all =
        name ? objects_called(x->objects, vdi, name, error) : objects_all(x->objects, vdi, error);
    g_autoptr(GPtrArray) found = g_ptr_array_new();

    if (!all)
        return NULL;
    for (unsigned i = 0; i < all->len; i++) {
        const struct object *repository;
        if (!objects_get(x->objects, sr, object_string(all->pdata[i], "SR"), true, &repository,
                         error))
            return NULL;
        if (repository && g_str_equal(object_string(repository, "content_type"), "iso"))
            g_ptr_array_add(found, all->pdata[i]);
    }
    return g_steal_pointer(&found);
}

bool
drives_images(struct xtool *x, const struct xt_command *command, GError **error)
{
    static const char *const columns[] = {"uuid", "name-label", NULL};
    g_autoptr(GPtrArray) fields = fields_of(class_find("vdi"));
    g_autoptr(GPtrArray) shown =
        generic_columns(x, fields, args_get(x->args, "params"), columns, error);

    (void)command;
    if (!shown || !xtool_check_unused(x, error) || !xtool_connect(x, false, error))
        return false;
    g_autoptr(GPtrArray) images = find_images(x, NULL, error);
    return images && generic_show(x, images, shown, error);
}

/* ---- changes ---- */

/* A drive of the VM with this image.  A VM that runs gets it at once where that can be done; where
 * not, it has it at its next start, as with xe. */
static bool
add_drive(struct xtool *x, const struct object *vm, const char *vdi, const char *device, bool cd,
          GError **error)
{
    GVariantBuilder record, owner;

    /* A disk that was made for one VM goes with it. */
    g_variant_builder_init(&owner, G_VARIANT_TYPE("a{ss}"));
    if (!cd)
        g_variant_builder_add(&owner, "{ss}", "owner", "");
    g_variant_builder_init(&record, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&record, "{sv}", "VM", g_variant_new_string(vm->ref));
    g_variant_builder_add(&record, "{sv}", "VDI", g_variant_new_string(vdi));
    g_variant_builder_add(&record, "{sv}", "userdevice", g_variant_new_string(device));
    g_variant_builder_add(&record, "{sv}", "type", g_variant_new_string(cd ? "CD" : "Disk"));
    g_variant_builder_add(&record, "{sv}", "mode", g_variant_new_string(cd ? "RO" : "RW"));
    g_variant_builder_add(&record, "{sv}", "bootable", g_variant_new_boolean(false));
    g_variant_builder_add(&record, "{sv}", "unpluggable", g_variant_new_boolean(true));
    g_variant_builder_add(&record, "{sv}", "empty", g_variant_new_boolean(false));
    g_variant_builder_add(&record, "{sv}", "other_config", g_variant_builder_end(&owner));
    g_variant_builder_add(&record, "{sv}", "qos_algorithm_type", g_variant_new_string(""));
    g_variant_builder_add(&record, "{sv}", "qos_algorithm_params",
                          g_variant_new_array(G_VARIANT_TYPE("{ss}"), NULL, 0));
    g_autoptr(GVariant) args = g_variant_ref_sink(g_variant_builder_end(&record));
    g_autoptr(GVariant) drive =
        server_call(x->server, dm_method_find("VBD.create"), &args, 1, error);
    g_autoptr(GError) unplugged = NULL;

    if (!drive)
        return false;
    if (g_str_equal(object_string(vm, "power_state"), "Halted") ||
        call_message(x, "VBD.plug", &drive, 1, &unplugged) || x->as_xe)
        return true;
    g_autofree char *why = explain(x, unplugged);
    g_autofree char *safe = text_printable(why);
    fprintf(stderr, "note: the VM has it after its next start. %s\n", safe);
    return true;
}

/* sr-uuid=, or the pool's default. */
static const struct object *
wanted_sr(struct xtool *x, GError **error)
{
    const struct dm_class *sr = dm_class_find("SR", false);
    const char *name = args_get(x->args, "sr-uuid");
    const struct object *found = NULL;

    if (name)
        return objects_named(x->objects, sr, name, error);
    g_autoptr(GPtrArray) pools = objects_all(x->objects, dm_class_find("pool", false), error);
    if (!pools ||
        (pools->len && !objects_get(x->objects, sr, object_string(pools->pdata[0], "default_SR"),
                                    false, &found, error)))
        return NULL;
    if (!found)
        usage_set(error, "The pool has no default SR: say sr-uuid=.");
    return found;
}

static GVariant *
disk_record(const struct object *vm, const struct object *sr, GVariant *size)
{
    GVariantBuilder record;

    g_variant_builder_init(&record, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&record, "{sv}", "name_label", g_variant_new_string("Created by xe"));
    g_variant_builder_add(&record, "{sv}", "name_description",
                          g_variant_new_string("Created by xe"));
    g_variant_builder_add(&record, "{sv}", "SR", g_variant_new_string(sr->ref));
    g_variant_builder_add(&record, "{sv}", "virtual_size", size);
    g_variant_builder_add(&record, "{sv}", "type", g_variant_new_string("user"));
    g_variant_builder_add(&record, "{sv}", "sharable", g_variant_new_boolean(false));
    g_variant_builder_add(&record, "{sv}", "read_only", g_variant_new_boolean(false));
    g_variant_builder_add(&record, "{sv}", "other_config",
                          g_variant_new_array(G_VARIANT_TYPE("{ss}"), NULL, 0));
    g_variant_builder_add(&record, "{sv}", "sm_config",
                          g_variant_new_parsed("{'vmhint': %s}", object_string(vm, "uuid")));
    return g_variant_ref_sink(g_variant_builder_end(&record));
}

bool
drives_disk_add(struct xtool *x, const struct object *vm, GError **error)
{
    const char *device = args_get(x->args, "device");
    g_autoptr(GVariant) size =
        value_parse(dm_field_find(dm_class_find("VDI", false), "virtual_size")->type,
                    args_get(x->args, "disk-size"), "disk-size", error);
    const struct object *sr = size ? wanted_sr(x, error) : NULL;

    if (!sr || !xtool_check_unused(x, error))
        return false;
    g_autoptr(GVariant) record = disk_record(vm, sr, size);
    g_autoptr(GVariant) disk =
        server_call(x->server, dm_method_find("VDI.create"), &record, 1, error);
    const char *ref = disk ? g_variant_get_string(disk, NULL) : NULL;
    if (!ref || add_drive(x, vm, ref, device, false, error))
        return ref;
    /* A disk without a drive is of no use to anybody; the first error is the one that tells. */
    call_one(x, "VDI.destroy", ref, NULL);
    return false;
}

bool
drives_disk_remove(struct xtool *x, const struct object *vm, GError **error)
{
    const char *device = args_get(x->args, "device");
    g_autoptr(GPtrArray) drives =
        xtool_check_unused(x, error) ? drives_of(x, "VM", vm, "Disk", error) : NULL;

    for (unsigned i = 0; drives && i < drives->len; i++) {
        const struct object *drive = drives->pdata[i], *disk;
        if (!g_str_equal(object_string(drive, "userdevice"), device))
            continue;
        return image_of(x, drive, &disk, error) && call_one(x, "VBD.destroy", drive->ref, error) &&
               (!disk || call_one(x, "VDI.destroy", disk->ref, error));
    }
    if (drives)
        g_set_error(error, FAILED_ERROR, 0, "The VM has no disk of the number '%s'.", device);
    return false;
}

/* ---- CDs ---- */

/* The one image that cd-name= means. */
static const struct object *
wanted_image(struct xtool *x, GError **error)
{
    const char *name = args_get(x->args, "cd-name");
    g_autoptr(GPtrArray) images = find_images(x, name, error);

    if (!images || !xtool_check_unused(x, error))
        return NULL;
    if (images->len == 1)
        return images->pdata[0];
    if (images->len)
        g_set_error(error, FAILED_ERROR, 0,
                    "%u CDs are called '%s': cd-name= takes a uuid, which cd-list shows.",
                    images->len, name);
    else
        g_set_error(error, FAILED_ERROR, 0, "There is no CD '%s': cd-list shows those that are.",
                    name);
    return NULL;
}

bool
drives_cd_add(struct xtool *x, const struct object *vm, GError **error)
{
    const char *device = args_get(x->args, "device");
    const struct object *image = wanted_image(x, error);

    return image && add_drive(x, vm, image->ref, device, true, error);
}

bool
drives_cd_remove(struct xtool *x, const struct object *vm, GError **error)
{
    const char *name = args_get(x->args, "cd-name");
    g_autoptr(GPtrArray) drives =
        xtool_check_unused(x, error) ? drives_of(x, "VM", vm, "CD", error) : NULL;

    for (unsigned i = 0; drives && i < drives->len; i++) {
        const struct object *drive = drives->pdata[i], *image;
        if (!image_of(x, drive, &image, error))
            return false;
        if (image ? g_str_equal(object_string(image, "name_label"), name) ||
                        g_str_equal(object_string(image, "uuid"), name)
                  : g_str_equal(name, EMPTY_DRIVE))
            return call_one(x, "VBD.destroy", drive->ref, error);
    }
    if (drives)
        g_set_error(error, FAILED_ERROR, 0, "The VM has no CD '%s'.", name);
    return false;
}

bool
drives_cd_eject(struct xtool *x, const struct object *vm, GError **error)
{
    g_autoptr(GPtrArray) drives =
        xtool_check_unused(x, error) ? drives_of(x, "VM", vm, "CD", error) : NULL;

    if (!drives)
        return false;
    if (drives->len == 1)
        return call_one(x, "VBD.eject", ((const struct object *)drives->pdata[0])->ref, error);
    g_set_error(error, FAILED_ERROR, 0,
                drives->len ? "The VM has several CD drives: vbd-eject takes the uuid of one."
                            : "The VM has no CD drive.");
    return false;
}

bool
drives_cd_insert(struct xtool *x, const struct object *vm, GError **error)
{
    const struct object *image = wanted_image(x, error), *drive = NULL;
    g_autoptr(GPtrArray) drives = image ? drives_of(x, "VM", vm, "CD", error) : NULL;
    unsigned empty = 0;

    if (!drives)
        return false;
    for (unsigned i = 0; i < drives->len; i++) {
        if (!object_bool(drives->pdata[i], "empty"))
            continue;
        drive = drives->pdata[i];
        empty++;
    }
    if (empty != 1) {
        if (empty)
            g_set_error(error, FAILED_ERROR, 0,
                        "The VM has several empty CD drives: vbd-insert takes the uuid of one.");
        else
            api_error_set(error, "VM_NO_EMPTY_CD_VBD", vm->ref, NULL);
        return false;
    }
    g_autoptr(GVariant) self = text(drive->ref);
    g_autoptr(GVariant) medium = text(image->ref);
    GVariant *params[] = {self, medium};
    return call_message(x, "VBD.insert", params, 2, error);
}
