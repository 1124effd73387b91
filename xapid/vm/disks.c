/* The disks of a VM: which drives its domain gets, and what becomes of their rows.  A disk's name
 * towards xapid-host and xapid-domains (its handle) is the uuid of the drive's row. */
#include "config.h"

#include "lib/error.h"
#include "xapid/vm/vm.h"

#include <string.h>

#define EMULATED_POSITIONS 4 /* of a whole machine: two IDE channels of two */

const struct dm_class *
vbd_class(void)
{
    static const struct dm_class *cls;

    if (!cls)
        cls = dm_class_find("VBD", false);
    return cls;
}

static GPtrArray *
drives_of(const struct model *model, const char *vm)
{
    return model_referrers(model, vm, dm_field_find(vbd_class(), "VM"));
}

static bool
has_value(const struct model *model, const char *vbd, const char *field, const char *value)
{
    g_autofree char *its = model_get_string(model, vbd, field);

    return g_str_equal(its, value);
}

static bool
is_read_only(const struct model *model, const char *vbd)
{
    return has_value(model, vbd, "mode", "RO");
}

/* ---- names ---- */

int
vbd_position(const char *userdevice)
{
    const char *letter = g_str_has_prefix(userdevice, "xvd") ||
                                 g_str_has_prefix(userdevice, "hd") ||
                                 g_str_has_prefix(userdevice, "sd")
                             ? userdevice + strlen(userdevice) - 1
                             : NULL;
    guint64 position;

    if (g_ascii_string_to_unsigned(userdevice, 10, 0, VBD_POSITION_MAX, &position, NULL))
        return (int)position;
    if (letter && letter - userdevice == (*userdevice == 'x' ? 3 : 2) && *letter >= 'a' &&
        *letter <= 'p')
        return *letter - 'a';
    return -1;
}

static int
position_of(const struct model *model, const char *vbd)
{
    g_autofree char *userdevice = model_get_string(model, vbd, "userdevice");

    return vbd_position(userdevice);
}

bool
vbd_is_emulated(const struct model *model, const char *vbd)
{
    g_autofree char *vm = model_get_string(model, vbd, "VM");

    return vm_is_machine(model, vm) && position_of(model, vbd) < EMULATED_POSITIONS;
}

/* xvda … xvdp, and what the guest of a whole machine sees of its CD drives: hda … hdd. */
static char *
device_name(const struct model *model, const char *vbd)
{
    bool ide = vbd_is_emulated(model, vbd) && has_value(model, vbd, "type", "CD");

    return g_strdup_printf("%s%c", ide ? "hd" : "xvd", 'a' + position_of(model, vbd));
}

/* A bit for each. */
static guint32
taken_positions(const struct model *model, const char *vm)
{
    g_autoptr(GPtrArray) drives = drives_of(model, vm);
    guint32 taken = 0;

    for (guint i = 0; i < drives->len; i++) {
        g_autofree char *its = model_get_string(model, drives->pdata[i], "userdevice");
        int position = vbd_position(its);
        if (position >= 0)
            taken |= 1u << position;
    }
    return taken;
}

int
vbd_free_position(const struct model *model, const char *vm, bool cd)
{
    guint32 taken = taken_positions(model, vm);

    /* Where clients look for the CD drive. */
    if (cd && !(taken & (1u << VBD_CD_POSITION)))
        return VBD_CD_POSITION;
    for (int position = 0; position <= VBD_POSITION_MAX; position++)
        if (!(taken & (1u << position)) && (position != VBD_CD_POSITION || cd))
            return position;
    return taken & (1u << VBD_CD_POSITION) ? -1 : VBD_CD_POSITION;
}

bool
vbd_position_is_free(const struct model *model, const char *vm, int position)
{
    return !(taken_positions(model, vm) & (1u << position));
}

/* ---- what a domain gets ---- */

/* Does a guest have it, now or when it is resumed? */
static bool
is_in_use(const struct model *model, const char *vbd)
{
    g_autofree char *vm = model_get_string(model, vbd, "VM");

    return model_get_bool(model, vbd, "currently_attached") ||
           (model_has(model, vm_class(), vm) && has_value(model, vm, "power_state", "Suspended"));
}

/* Another drive through which a guest writes, or which this one would write beneath. */
static bool
check_writers(const struct model *model, const char *vbd, const char *vdi, GError **error)
{
    g_autoptr(GPtrArray) others = model_referrers(model, vdi, dm_field_find(vbd_class(), "VDI"));

    if (model_get_bool(model, vdi, "sharable"))
        return true;
    for (guint i = 0; i < others->len; i++) {
        const char *other = others->pdata[i];
        if (g_str_equal(other, vbd) || !is_in_use(model, other) ||
            (is_read_only(model, vbd) && is_read_only(model, other)))
            continue;
        api_error_set(error, "VDI_IN_USE", vdi, "attach", NULL);
        return false;
    }
    return true;
}

bool
vbd_check_disk(const struct vm_world *world, const char *vbd, const char *vdi, GError **error)
{
    const struct model *model = world->model;

    if (!model_has(model, vdi_class(), vdi)) {
        api_error_set(error, "VBD_MISSING", NULL);
        return false;
    }
    g_autofree char *sr = model_get_string(model, vdi, "SR");
    if (!model_get_bool(model, vdi, "managed") || model_get_bool(model, vdi, "missing") ||
        !model_has(model, sr_class(), sr)) {
        api_error_set(error, "VDI_NOT_AVAILABLE", vdi, NULL);
        return false;
    }
    if (model_get_bool(model, vdi, "read_only") && !is_read_only(model, vbd)) {
        api_error_set(error, "VDI_READONLY", vdi, NULL);
        return false;
    }
    /* What is copied, grown or removed just now is written by nobody else. */
    return sr_must_be_attached(model, sr, world->host, error) &&
           check_writers(model, vbd, vdi, error) &&
           (is_read_only(model, vbd) || ops_none_shown(model, vdi, error));
}

/* QEMU emulates no disk that is read only, and no CD drive beyond IDE's. */
static bool
check_emulation(const struct model *model, const char *vbd, GError **error)
{
    g_autofree char *userdevice = model_get_string(model, vbd, "userdevice");
    bool emulated = vbd_is_emulated(model, vbd);

    if (has_value(model, vbd, "type", "CD") && !emulated)
        api_error_set(error, "INVALID_DEVICE", userdevice, NULL);
    else if (has_value(model, vbd, "type", "Disk") && emulated && is_read_only(model, vbd))
        api_error_set(error, "DISK_VBD_MUST_BE_READWRITE_FOR_HVM", vbd, NULL);
    else
        return true;
    return false;
}

bool
vbd_is_written(const struct model *model, const char *vbd)
{
    g_autofree char *vm = model_get_string(model, vbd, "VM");
    g_autofree char *state = model_get_string(model, vm, "power_state");

    return vm_state_has_domain(state) && model_get_bool(model, vbd, "currently_attached") &&
           !is_read_only(model, vbd);
}

void
vbd_add_disk_step(struct plan *plan, const char *kind, const struct model *model, const char *vbd,
                  const char *vdi, bool optional)
{
    g_autofree char *uuid = model_get_string(model, vbd, "uuid");
    GVariantDict args;

    g_variant_dict_init(&args, NULL);
    g_variant_dict_insert(&args, "vdi", "s", vdi);
    g_variant_dict_insert(&args, "handle", "s", uuid);
    g_variant_dict_insert(&args, "read_only", "b", is_read_only(model, vbd));
    g_variant_dict_insert(&args, "optional", "b", optional);
    plan_add(plan, kind, g_variant_dict_end(&args));
}

bool
vm_plan_attach(struct plan *plan, const struct vm_world *world, const char *vm, GError **error)
{
    g_autoptr(GPtrArray) drives = drives_of(world->model, vm);
    bool machine = vm_is_machine(world->model, vm);

    for (guint i = 0; i < drives->len; i++) {
        const char *vbd = drives->pdata[i];
        g_autofree char *vdi = model_get_string(world->model, vbd, "VDI");
        if (machine && !check_emulation(world->model, vbd, error))
            return false;
        if (model_get_bool(world->model, vbd, "empty"))
            continue;
        if (!vbd_check_disk(world, vbd, vdi, error))
            return false;
        if (plan)
            vbd_add_disk_step(plan, "vdi.attach", world->model, vbd, vdi, false);
    }
    return true;
}

bool
vm_plan_detach(struct plan *plan, const struct vm_world *world, const char *vm)
{
    g_autoptr(GPtrArray) drives = drives_of(world->model, vm);
    bool any = false;

    for (guint i = 0; i < drives->len; i++) {
        const char *vbd = drives->pdata[i];
        g_autofree char *vdi = model_get_string(world->model, vbd, "VDI");

        if (!model_get_bool(world->model, vbd, "currently_attached") ||
            model_get_bool(world->model, vbd, "empty"))
            continue;
        /* A guest that is gone is gone, whatever becomes of its disks. */
        if (plan)
            vbd_add_disk_step(plan, "vdi.detach", world->model, vbd, vdi, /* optional= */ true);
        any = true;
    }
    return any;
}

static int
by_position(const void *a, const void *b, void *data)
{
    return position_of(data, *(char *const *)a) - position_of(data, *(char *const *)b);
}

GVariant *
vbd_config(const struct model *model, const char *vbd, bool full)
{
    g_autofree char *device = device_name(model, vbd);
    g_autofree char *uuid = model_get_string(model, vbd, "uuid");
    GVariantDict disk;

    g_variant_dict_init(&disk, NULL);
    g_variant_dict_insert(&disk, "vdev", "s", device);
    g_variant_dict_insert(&disk, "handle", "s", full ? uuid : "");
    g_variant_dict_insert(&disk, "read_only", "b", is_read_only(model, vbd));
    g_variant_dict_insert(&disk, "cdrom", "b", has_value(model, vbd, "type", "CD"));
    return g_variant_dict_end(&disk);
}

GVariant *
vm_disks_config(const struct model *model, const char *vm)
{
    g_autoptr(GPtrArray) drives = drives_of(model, vm);
    GVariantBuilder disks;

    g_ptr_array_sort_with_data(drives, by_position, (void *)model);
    g_variant_builder_init(&disks, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < drives->len; i++) {
        const char *vbd = drives->pdata[i];
        bool full = !model_get_bool(model, vbd, "empty");
        /* Without emulation a disc is a disk, and the guest would wait for one. */
        if (!full && !vm_is_machine(model, vm))
            continue;
        g_variant_builder_add_value(&disks, vbd_config(model, vbd, full));
    }
    return g_variant_builder_end(&disks);
}

/* ---- rows ---- */

static GVariant *
txn_field(struct txn *txn, const char *vbd, const char *field)
{
    return txn_get(txn, vbd, dm_field_find(vbd_class(), field));
}

static bool
txn_flag(struct txn *txn, const char *vbd, const char *field)
{
    g_autoptr(GVariant) value = txn_field(txn, vbd, field);

    return g_variant_get_boolean(value);
}

/* "": it has none. */
static char *
power_state_of_vm(struct txn *txn, const char *vbd)
{
    g_autoptr(GVariant) vm = txn_field(txn, vbd, "VM");
    const char *ref = g_variant_get_string(vm, NULL);
    g_autoptr(GVariant) state = txn_has(txn, vm_class(), ref)
                                    ? txn_get(txn, ref, dm_field_find(vm_class(), "power_state"))
                                    : NULL;

    return g_strdup(state ? g_variant_get_string(state, NULL) : "");
}

void
vbd_refresh_allowed(struct txn *txn, const char *vbd)
{
    g_autofree char *state = power_state_of_vm(txn, vbd);
    g_autoptr(GVariant) type = txn_field(txn, vbd, "type");
    g_autoptr(GVariant) current = txn_field(txn, vbd, "current_operations");
    bool halted = g_str_equal(state, "Halted"), live = vm_state_has_domain(state);
    bool empty = txn_flag(txn, vbd, "empty"), attached = txn_flag(txn, vbd, "currently_attached");
    bool cd = g_str_equal(g_variant_get_string(type, NULL), "CD");
    const struct {
        const char *operation;
        bool allowed;
    } operations[] = {{"attach", halted},
                      {"plug", live && !attached && !empty},
                      {"unplug", live && attached && txn_flag(txn, vbd, "unpluggable")},
                      {"unplug_force", live && attached && txn_flag(txn, vbd, "unpluggable")},
                      {"insert", cd && empty && (halted || live)},
                      {"eject", cd && !empty && (halted || live)}};
    GVariantBuilder allowed;

    g_variant_builder_init(&allowed, G_VARIANT_TYPE("as"));
    for (unsigned i = 0; i < G_N_ELEMENTS(operations); i++)
        if (operations[i].allowed && g_variant_n_children(current) == 0)
            g_variant_builder_add(&allowed, "s", operations[i].operation);
    txn_set_value(txn, vbd, "allowed_operations", g_variant_builder_end(&allowed));
}

bool
vbd_refresh_all(struct model *model, GError **error)
{
    g_autoptr(GPtrArray) all = model_all(model, vbd_class());
    struct txn *txn = model_begin(model, error);

    if (!txn)
        return false;
    for (guint i = 0; i < all->len; i++)
        vbd_refresh_allowed(txn, all->pdata[i]);
    return txn_commit(txn, error) != 0;
}

/* What a CD drive holds now. */
static void
set_medium(const struct vm_world *world, struct txn *txn, const char *vbd, const char *vdi)
{
    g_autofree char *before = model_get_string(world->model, vbd, "VDI");

    txn_set_string(txn, vbd, "VDI", vdi);
    txn_set_value(txn, vbd, "empty", g_variant_new_boolean(g_str_equal(vdi, REF_NULL)));
    if (txn_has(txn, vdi_class(), before))
        vdi_refresh_allowed(txn, world->model, before);
}

static void
set_attached(const struct vm_world *world, struct txn *txn, const char *vbd, bool attached)
{
    g_autoptr(GVariant) held = txn_field(txn, vbd, "VDI");
    const char *vdi = g_variant_get_string(held, NULL);
    g_autofree char *device = device_name(world->model, vbd);

    txn_set_value(txn, vbd, "currently_attached", g_variant_new_boolean(attached));
    txn_set_string(txn, vbd, "device", attached ? device : "");
    if (txn_has(txn, vdi_class(), vdi))
        vdi_refresh_allowed(txn, world->model, vdi);
}

void
vbd_detach_all(const struct vm_world *world, struct txn *txn)
{
    g_autoptr(GPtrArray) all = model_all(world->model, vbd_class());

    for (guint i = 0; i < all->len; i++)
        if (model_get_bool(world->model, all->pdata[i], "currently_attached"))
            set_attached(world, txn, all->pdata[i], false);
}

void
vm_record_drives(const struct vm_world *world, struct txn *txn, const char *vm, struct op *op)
{
    g_autoptr(GPtrArray) drives = drives_of(world->model, vm);

    for (guint i = 0; i < drives->len; i++) {
        const char *vbd = drives->pdata[i];
        g_autofree char *uuid = model_get_string(world->model, vbd, "uuid");
        g_autofree char *key = g_strconcat("disk/", uuid, NULL);
        g_autofree char *medium_key = g_strconcat("medium/", vbd, NULL);
        GVariant *attached = op_result(op, key), *medium = op_result(op, medium_key);

        if (medium)
            set_medium(world, txn, vbd, g_variant_get_string(medium, NULL));
        if (attached)
            set_attached(world, txn, vbd, g_variant_get_boolean(attached));
        vbd_refresh_allowed(txn, vbd);
    }
}

bool
vm_has_stray_disks(const struct vm_world *world, struct txn *txn, const char *vm)
{
    g_autoptr(GPtrArray) drives = drives_of(world->model, vm);
    g_autoptr(GVariant) state = txn_get(txn, vm, dm_field_find(vm_class(), "power_state"));

    for (guint i = 0; i < drives->len && !vm_state_has_domain(g_variant_get_string(state, NULL));
         i++) {
        g_autoptr(GVariant) attached =
            txn_get(txn, drives->pdata[i], dm_field_find(vbd_class(), "currently_attached"));
        if (g_variant_get_boolean(attached))
            return true;
    }
    return false;
}
