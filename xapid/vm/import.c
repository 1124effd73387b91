/* The rows of a VM that is imported, as they are from the beginning, and the plan that makes and
 * fills its disks.  Its row is the object and shows the operation, so that nobody uses it before
 * it is there. */
#include "config.h"

#include "lib/error.h"
#include "lib/log.h"
#include "lib/member.h"
#include "xapid/vm/copies.h"
#include "xapid/vm/import.h"

struct import {
    const struct storage_world *storage;
    struct txn *txn;
    GPtrArray *archive;
    const struct vm_import_order *order;
    struct archive_object *vm;
    char *seed;            /* what MAC addresses come of */
    guint32 drives, cards; /* positions that are taken, a bit each */
    GPtrArray *disks;      /* of struct archive_object, those that come with it */
};

static bool
failed(GError **error, const char *what, const char *of)
{
    g_autofree char *text = g_strdup_printf("%s: %s", of, what);

    api_error_set(error, "IMPORT_ERROR", text, NULL);
    return false;
}

static bool
check_map(const struct dm_field *field, GVariant *none, GVariant *value, void *data, GError **error)
{
    (void)data;
    return vm_check_map(field, none, value, error);
}

static bool
check_maps(const struct dm_class *cls, GVariant *fields, GError **error)
{
    return vm_each_map(cls, fields, check_map, NULL, error);
}

static bool
make(struct import *import, struct archive_object *object, GVariant *fields, GError **error)
{
    const char *ref = txn_create(import->txn, object->cls, NULL, fields, error);

    object->made = g_strdup(ref);
    return ref != NULL;
}

static const char *
make_metrics(struct import *import, const char *cls, GError **error)
{
    g_autoptr(GVariant) none =
        g_variant_ref_sink(g_variant_new_array(G_VARIANT_TYPE("{sv}"), NULL, 0));

    return txn_create(import->txn, dm_class_find(cls, false), NULL, none, error);
}

/* ---- the VM ---- */

/* Without what it is to its own host; and the addresses of its cards are made anew, unless it is
 * restored. */
static GVariant *
other_config_of(const struct import *import, GVariant *given)
{
    g_autoptr(GVariant) config =
        g_variant_lookup_value(given, "other_config", G_VARIANT_TYPE("a{ss}"));
    g_autoptr(GVariant) own =
        config ? g_variant_ref(config) : g_variant_ref_sink(g_variant_new("a{ss}", NULL));
    g_autoptr(GVariant) plain = g_variant_ref_sink(vm_map_with(own, "default_template", NULL));

    return vm_map_with(plain, "mac_seed", import->seed);
}

static bool
find_vm(struct import *import, GError **error)
{
    for (guint i = 0; i < import->archive->len; i++) {
        struct archive_object *object = import->archive->pdata[i];
        if (object->cls != vm_class())
            continue;
        if (import->vm)
            return failed(error, "there is more than one VM", object->id);
        import->vm = object;
    }
    return import->vm || failed(error, "there is no VM", "ova.xml");
}

static char *
seed_of(const struct import *import)
{
    g_autoptr(GVariant) config =
        g_variant_lookup_value(import->vm->fields, "other_config", G_VARIANT_TYPE("a{ss}"));
    const char *seed = config ? member_text(config, "mac_seed") : "";

    return import->order->restore && *seed ? g_strdup(seed) : g_uuid_string_random();
}

static bool
insert_uuid(const struct import *import, GVariantDict *fields, GError **error)
{
    const char *uuid = member_text(import->vm->fields, "uuid");

    if (!import->order->restore)
        return true;
    if (!g_uuid_string_is_valid(uuid))
        return failed(error, "it has no uuid", import->vm->id);
    if (model_by_uuid(import->storage->model, vm_class(), uuid)) {
        api_error_set(error, "DUPLICATE_VM", uuid, NULL);
        return false;
    }
    g_variant_dict_insert(fields, "uuid", "s", uuid);
    return true;
}

static bool
make_vm(struct import *import, GError **error)
{
    g_autoptr(GVariant) given = g_variant_ref_sink(archive_given(import->vm));

    if (!vm_check_new(given, error) || !check_maps(vm_class(), given, error))
        return false;
    const char *metrics = make_metrics(import, "VM_metrics", error);
    if (!metrics)
        return false;
    g_autoptr(GVariant) complete = g_variant_ref_sink(vm_complete_new(given, metrics));
    g_auto(GVariantDict) fields = G_VARIANT_DICT_INIT(complete);
    g_variant_dict_insert_value(&fields, "other_config", other_config_of(import, complete));
    g_variant_dict_remove(&fields, "is_control_domain");
    g_variant_dict_remove(&fields, "is_default_template");
    return insert_uuid(import, &fields, error) &&
           make(import, import->vm, g_variant_dict_end(&fields), error);
}

/* ---- disks and drives ---- */

static bool
make_disk(struct import *import, struct archive_object *disk, GError **error)
{
    static const char *const types[] = {"system", "user", "ephemeral", NULL};
    g_autoptr(GVariant) given = g_variant_ref_sink(archive_given(disk));
    g_auto(GVariantDict) fields = G_VARIANT_DICT_INIT(given);
    gint64 size = member_int(disk->fields, "virtual_size");

    if (disk->made)
        return true;
    if (size <= 0 || size > VDI_SIZE_MAX)
        return failed(error, "a disk of that size cannot be", disk->id);
    if (!g_strv_contains(types, member_text(given, "type")))
        g_variant_dict_insert(&fields, "type", "s", "user");
    /* How it is kept is this repository's. */
    g_variant_dict_remove(&fields, "sm_config");
    g_variant_dict_insert(&fields, "SR", "s", import->order->sr);
    g_variant_dict_insert(&fields, "virtual_size", "x", size);
    g_variant_dict_insert(&fields, "managed", "b", FALSE);
    g_ptr_array_add(import->disks, disk);
    return check_maps(disk->cls, given, error) &&
           make(import, disk, g_variant_dict_end(&fields), error);
}

static bool
take_position(guint32 *taken, int position, const char *device, GError **error)
{
    bool is_free = position >= 0 && !(*taken & 1u << position);

    if (is_free)
        *taken |= 1u << position;
    else
        api_error_set(error, position < 0 ? "INVALID_DEVICE" : "DEVICE_ALREADY_EXISTS", device,
                      NULL);
    return is_free;
}

/* The disk of a drive, made if it was not; "": it is empty.  What is in a CD drive stays behind. */
static bool
disk_of(struct import *import, const struct archive_object *drive, const char **ret_vdi,
        GError **error)
{
    const char *name = member_text(drive->fields, "VDI");
    struct archive_object *disk;

    *ret_vdi = "";
    if (!g_str_equal(member_text(drive->fields, "type"), "Disk"))
        return true;
    disk = archive_find(import->archive, vdi_class(), name);
    if (!disk) {
        api_error_set(error, "IMPORT_ERROR_FAILED_TO_FIND_OBJECT", name, NULL);
        return false;
    }
    if (!make_disk(import, disk, error))
        return false;
    *ret_vdi = disk->made;
    return true;
}

static bool
make_drive(struct import *import, struct archive_object *drive, GError **error)
{
    const char *device = member_text(drive->fields, "userdevice"), *vdi;
    g_autoptr(GVariant) given = g_variant_ref_sink(archive_given(drive));

    if (!take_position(&import->drives, vbd_position(device), device, error) ||
        !check_maps(drive->cls, given, error) || !disk_of(import, drive, &vdi, error))
        return false;
    const char *metrics = make_metrics(import, "VBD_metrics", error);
    if (!metrics)
        return false;
    g_auto(GVariantDict) fields = G_VARIANT_DICT_INIT(given);
    g_variant_dict_insert(&fields, "VM", "s", import->vm->made);
    g_variant_dict_insert(&fields, "VDI", "s", *vdi ? vdi : REF_NULL);
    g_variant_dict_insert(&fields, "empty", "b", !*vdi);
    g_variant_dict_insert(&fields, "device", "s", "");
    g_variant_dict_insert(&fields, "currently_attached", "b", FALSE);
    g_variant_dict_insert(&fields, "metrics", "s", metrics);
    if (!make(import, drive, g_variant_dict_end(&fields), error))
        return false;
    vbd_refresh_allowed(import->txn, drive->made);
    return true;
}

/* ---- cards ---- */

/* Ours that is meant: by its uuid, its name, or that of its bridge; NULL: none.  Borrowed. */
static const char *
find_network(const struct model *model, GVariant *fields)
{
    const char *ref = model_by_uuid(model, network_class(), member_text(fields, "uuid"));
    g_autoptr(GPtrArray) named =
        model_by_name_label(model, network_class(), member_text(fields, "name_label"));
    g_autoptr(GPtrArray) all = model_all(model, network_class());

    if (ref || named->len)
        return ref ? ref : named->pdata[0];
    for (guint i = 0; i < all->len; i++) {
        g_autofree char *bridge = model_get_string(model, all->pdata[i], "bridge");
        if (*bridge && g_str_equal(bridge, member_text(fields, "bridge")))
            return all->pdata[i];
    }
    return NULL;
}

static bool
network_of(const struct import *import, const struct archive_object *card, const char **ret_network,
           GError **error)
{
    const char *name = member_text(card->fields, "network");
    const struct archive_object *network = archive_find(import->archive, network_class(), name);

    *ret_network = network ? find_network(import->storage->model, network->fields) : NULL;
    if (*ret_network)
        return true;
    api_error_set(error, "IMPORT_ERROR_FAILED_TO_FIND_OBJECT",
                  network ? member_text(network->fields, "name_label") : name, NULL);
    return false;
}

static bool
check_card(const struct archive_object *card, GVariant *given, GError **error)
{
    const char *mac = member_text(card->fields, "MAC");
    gint64 mtu = member_int(card->fields, "MTU");

    if (*mac && !vif_mac_is_valid(mac)) {
        api_error_set(error, "MAC_INVALID", mac, NULL);
        return false;
    }
    if (mtu < 0 || mtu > BRIDGE_MTU_MAX)
        return failed(error, "its MTU cannot be", card->id);
    return vif_check_new(given, error) && check_maps(card->cls, given, error);
}

static bool
make_card(struct import *import, struct archive_object *card, GError **error)
{
    const char *device = member_text(card->fields, "device"), *network;
    const char *mac = member_text(card->fields, "MAC");
    g_autoptr(GVariant) given = g_variant_ref_sink(archive_given(card));
    int position = vif_position(device);

    if (!take_position(&import->cards, position, device, error) ||
        !check_card(card, given, error) || !network_of(import, card, &network, error))
        return false;
    bool keep = import->order->restore && *mac;
    g_autofree char *made = keep ? NULL : vif_mac_from(import->seed, position);
    g_auto(GVariantDict) fields = G_VARIANT_DICT_INIT(given);
    g_variant_dict_insert(&fields, "VM", "s", import->vm->made);
    g_variant_dict_insert(&fields, "network", "s", network);
    g_variant_dict_insert(&fields, "MAC", "s", keep ? mac : made);
    g_variant_dict_insert(&fields, "MAC_autogenerated", "b", !keep);
    g_variant_dict_insert(&fields, "currently_attached", "b", FALSE);
    if (member_int(card->fields, "MTU") == 0)
        g_variant_dict_insert(&fields, "MTU", "x",
                              model_get_int(import->storage->model, network, "MTU"));
    if (!vif_take_addresses(given, &fields, error) ||
        !make(import, card, g_variant_dict_end(&fields), error))
        return false;
    vif_refresh_allowed(import->txn, card->made);
    return true;
}

/* ---- all of it ---- */

static bool
make_parts(struct import *import, const struct dm_class *cls,
           bool (*make_one)(struct import *import, struct archive_object *part, GError **error),
           GError **error)
{
    for (guint i = 0; i < import->archive->len; i++) {
        struct archive_object *part = import->archive->pdata[i];
        if (part->cls == cls && g_str_equal(member_text(part->fields, "VM"), import->vm->id) &&
            !make_one(import, part, error))
            return false;
    }
    return true;
}

static struct plan *
plan_of(const struct import *import)
{
    struct plan *plan = plan_new("import", import->vm->made);
    g_autoptr(GPtrArray) handles = g_ptr_array_new_with_free_func(g_free);
    GVariantBuilder filled;

    g_variant_builder_init(&filled, G_VARIANT_TYPE("a(sss)"));
    for (guint i = 0; i < import->disks->len; i++) {
        const struct archive_object *disk = import->disks->pdata[i];
        char *handle = g_uuid_string_random();
        g_ptr_array_add(handles, handle);
        plan_show_also(plan, disk->made);
        vdi_plan_add_create(plan, disk->made);
        g_variant_builder_add(&filled, "(sss)", disk->made, handle, disk->id);
    }
    for (guint i = 0; i < import->disks->len; i++)
        vdi_plan_add_use(plan, "vdi.attach",
                         ((const struct archive_object *)import->disks->pdata[i])->made,
                         handles->pdata[i], /* read_only= */ false);
    vm_plan_add_import(plan, import->order->handle, g_variant_builder_end(&filled));
    for (guint i = 0; i < import->disks->len; i++)
        vdi_plan_add_use(plan, "vdi.detach",
                         ((const struct archive_object *)import->disks->pdata[i])->made,
                         handles->pdata[i], false);
    if (import->disks->len)
        sr_plan_add_stat(plan, import->order->sr);
    return plan;
}

struct plan *
vm_begin_import(const struct storage_world *storage, struct txn *txn, GPtrArray *archive,
                const struct vm_import_order *order, GError **error)
{
    struct import import = {.storage = storage, .txn = txn, .archive = archive, .order = order};
    struct plan *plan = NULL;

    import.disks = g_ptr_array_new();
    if (find_vm(&import, error)) {
        import.seed = seed_of(&import);
        if (make_vm(&import, error) && make_parts(&import, vbd_class(), make_drive, error) &&
            make_parts(&import, vif_class(), make_card, error))
            plan = plan_of(&import);
    }
    g_ptr_array_unref(import.disks);
    g_free(import.seed);
    return plan;
}

void
vm_record_import(struct op *op, struct txn *txn, const char *vm, const GError *error)
{
    const char *const vms[] = {vm};

    vm_record_copy(op, txn, error);
    if (!error)
        op_set_result(op, "value", g_variant_new_strv(vms, 1));
}
