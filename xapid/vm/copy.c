/* Copies of VMs: the rows, as they are from the beginning, and the plan that fills the disks.  The
 * new VM's row is the object and shows the operation, so that nobody uses it before it is there. */
#include "config.h"

#include "lib/error.h"
#include "lib/log.h"
#include "xapid/vm/copies.h"

/* What a copy does not have of its original: identity, whatever is of its domain, and its place in
 * schedules, among snapshots and in what starts it. */
static const char *const own_fields[] = {"uuid",
                                         "name_label",
                                         "allowed_operations",
                                         "current_operations",
                                         "blocked_operations",
                                         "power_state",
                                         "is_default_template",
                                         "is_control_domain",
                                         "suspend_VDI",
                                         "resident_on",
                                         "scheduled_to_be_resident_on",
                                         "memory_target",
                                         "domid",
                                         "metrics",
                                         "guest_metrics",
                                         "last_boot_CPU_flags",
                                         "last_booted_record",
                                         "ha_always_run",
                                         "is_a_snapshot",
                                         "snapshot_of",
                                         "snapshot_time",
                                         "snapshot_info",
                                         "snapshot_metadata",
                                         "transportable_snapshot_id",
                                         "parent",
                                         "blobs",
                                         "protection_policy",
                                         "is_snapshot_from_vmpp",
                                         "snapshot_schedule",
                                         "is_vmss_snapshot",
                                         "appliance",
                                         "generation_id",
                                         "requires_reboot",
                                         "groups",
                                         "pending_guidances",
                                         "recommended_guidances",
                                         "pending_guidances_recommended",
                                         "pending_guidances_full",
                                         NULL};

static void
add_kept_fields(const struct model *model, const char *row, const char *const *except,
                GVariantDict *fields)
{
    const struct dm_class *cls = model_class(model, row);

    for (unsigned i = 0; i < cls->n_fields; i++) {
        const struct dm_field *field = &cls->fields[i];
        if (field->storage == DM_DERIVED || g_strv_contains(except, field->name))
            continue;
        g_autoptr(GVariant) value = model_get(model, row, field);
        g_variant_dict_insert_value(fields, field->name, value);
    }
}

static const char *
add_empty(struct txn *txn, const char *cls, GError **error)
{
    g_autoptr(GVariant) none =
        g_variant_ref_sink(g_variant_new_array(G_VARIANT_TYPE("{sv}"), NULL, 0));

    return txn_create(txn, dm_class_find(cls, false), NULL, none, error);
}

GVariant *
vm_kept_fields(const struct model *model, const char *vm)
{
    GVariantDict fields;

    g_variant_dict_init(&fields, NULL);
    add_kept_fields(model, vm, own_fields, &fields);
    return g_variant_dict_end(&fields);
}

/* seed: what its MAC addresses come of. */
static const char *
add_vm(const struct model *model, struct txn *txn, const char *vm, const char *operation,
       const char *name, const char *seed, GError **error)
{
    const char *metrics = add_empty(txn, "VM_metrics", error);
    g_autoptr(GVariant) kept = g_variant_ref_sink(vm_kept_fields(model, vm));
    GVariantDict fields;

    if (!metrics)
        return NULL;
    g_autoptr(GVariant) config = model_get(model, vm, dm_field_find(vm_class(), "other_config"));
    g_variant_dict_init(&fields, kept);
    g_variant_dict_insert(&fields, "name_label", "s", name);
    g_variant_dict_insert(&fields, "power_state", "s", "Halted");
    g_variant_dict_insert(&fields, "domid", "x", (gint64)-1);
    g_variant_dict_insert(&fields, "metrics", "s", metrics);
    if (g_str_equal(operation, "snapshot")) {
        vm_insert_snapshot(model, vm, &fields);
    } else {
        /* What is made of a default template is none itself. */
        g_autoptr(GVariant) seeded = g_variant_ref_sink(vm_map_with(config, "mac_seed", seed));
        g_variant_dict_insert_value(&fields, "other_config",
                                    vm_map_with(seeded, "default_template", NULL));
    }
    return txn_create(txn, vm_class(), NULL, g_variant_dict_end(&fields), error);
}

/* A new row (to: NULL), or one that is there. */
static const char *
put_row(struct txn *txn, const struct dm_class *cls, const char *to, GVariantDict *fields,
        GError **error)
{
    g_autoptr(GVariant) row = g_variant_ref_sink(g_variant_dict_end(fields));
    GVariantIter iter;
    const char *name;
    GVariant *value;

    if (!to)
        return txn_create(txn, cls, NULL, row, error);
    g_variant_iter_init(&iter, row);
    while (g_variant_iter_next(&iter, "{&sv}", &name, &value)) {
        txn_set_value(txn, to, name, value);
        g_variant_unref(value);
    }
    return to;
}

bool
vm_copy_drive(const struct model *model, struct txn *txn, const char *from, const char *to,
              const char *vm, const char *vdi, GError **error)
{
    static const char *const own[] = {
        "uuid",        "allowed_operations", "current_operations", "VM",      "VDI",
        "device",      "storage_lock",       "reserved",           "metrics", "currently_attached",
        "status_code", "status_detail",      "runtime_properties", NULL};
    const char *metrics = to ? NULL : add_empty(txn, "VBD_metrics", error);
    GVariantDict fields;

    if (!to && !metrics)
        return false;
    g_variant_dict_init(&fields, NULL);
    add_kept_fields(model, from, own, &fields);
    g_variant_dict_insert(&fields, "VM", "s", vm);
    g_variant_dict_insert(&fields, "VDI", "s", vdi);
    if (g_str_equal(vdi, REF_NULL)) /* the disc may be gone */
        g_variant_dict_insert(&fields, "empty", "b", TRUE);
    if (metrics)
        g_variant_dict_insert(&fields, "metrics", "s", metrics);
    const char *copy = put_row(txn, vbd_class(), to, &fields, error);
    if (copy)
        vbd_refresh_allowed(txn, copy);
    return copy != NULL;
}

bool
vm_copy_card(const struct model *model, struct txn *txn, const char *from, const char *to,
             const char *vm, const char *mac, GError **error)
{
    static const char *const own[] = {"uuid",        "allowed_operations", "current_operations",
                                      "VM",          "reserved",           "currently_attached",
                                      "status_code", "status_detail",      "runtime_properties",
                                      "metrics",     "reserved_pci",       NULL};
    GVariantDict fields;

    g_variant_dict_init(&fields, NULL);
    add_kept_fields(model, from, own, &fields);
    g_variant_dict_insert(&fields, "VM", "s", vm);
    if (mac) {
        g_variant_dict_insert(&fields, "MAC", "s", mac);
        g_variant_dict_insert(&fields, "MAC_autogenerated", "b", TRUE);
    }
    const char *copy = put_row(txn, vif_class(), to, &fields, error);
    if (copy)
        vif_refresh_allowed(txn, copy);
    return copy != NULL;
}

/* A copy has an address of its own, a snapshot that of what it may become again. */
static bool
add_card(const struct model *model, struct txn *txn, const char *vif, const char *vm,
         const char *operation, const char *seed, GError **error)
{
    g_autofree char *device = model_get_string(model, vif, "device");
    g_autofree char *mac =
        g_str_equal(operation, "snapshot") ? NULL : vif_mac_from(seed, vif_position(device));

    return vm_copy_card(model, txn, vif, NULL, vm, mac, error);
}

/* A CD drive holds the same disc, or none. */
bool
vbd_has_own_disk(const struct model *model, const char *vbd)
{
    g_autofree char *type = model_get_string(model, vbd, "type");

    return !g_str_equal(type, "CD") && !model_get_bool(model, vbd, "empty");
}

/* The caller's: where the copy of a drive's disk goes; sr REF_NULL: where the disk is. */
static char *
target_of(const struct model *model, const char *vdi, const char *sr)
{
    return g_str_equal(sr, REF_NULL) ? model_get_string(model, vdi, "SR") : g_strdup(sr);
}

/* Does the client want it left out?  `ignored`: references of VDIs, "as". */
static bool
is_ignored(const struct model *model, const char *vbd, GVariant *ignored)
{
    g_autofree char *vdi = model_get_string(model, vbd, "VDI");
    GVariantIter iter;
    const char *other;

    g_variant_iter_init(&iter, ignored);
    while (g_variant_iter_next(&iter, "&s", &other))
        if (g_str_equal(other, vdi))
            return true;
    return false;
}

/* The drives that the copy has, too. */
static GPtrArray *
copied_drives(const struct model *model, const char *vm, GVariant *ignored)
{
    GPtrArray *drives = model_referrers(model, vm, dm_field_find(vbd_class(), "VM"));

    for (guint i = drives->len; i-- > 0;)
        if (ignored && vbd_has_own_disk(model, drives->pdata[i]) &&
            is_ignored(model, drives->pdata[i], ignored))
            g_ptr_array_remove_index(drives, i);
    return drives;
}

bool
vm_may_copy(const struct storage_world *storage, const char *vm, const char *operation,
            const char *sr, GVariant *ignored, GError **error)
{
    const struct model *model = storage->model;
    g_autoptr(GPtrArray) drives = copied_drives(model, vm, ignored);

    /* Not of one that is being made itself, which shows such an operation, too. */
    if ((ops_busy(storage->ops, vm) && !ops_none_shown(model, vm, error)) ||
        !vm_may(model, vm, operation, error))
        return false;
    for (guint i = 0; i < drives->len; i++) {
        if (!vbd_has_own_disk(model, drives->pdata[i]))
            continue;
        g_autofree char *vdi = model_get_string(model, drives->pdata[i], "VDI");
        if (!model_has(model, vdi_class(), vdi)) {
            api_error_set(error, "VBD_MISSING", NULL);
            return false;
        }
        g_autofree char *target = target_of(model, vdi, sr);
        bool own = g_str_equal(operation, "snapshot"); /* its guest may have it */
        if (!vdi_may_copy(storage, vdi, operation, target, own ? vm : NULL, error) ||
            (vbd_is_written(model, drives->pdata[i]) && !vdi_may_share(storage, vdi, error)))
            return false;
    }
    return true;
}

static void
add_sr(GPtrArray *srs, const char *sr)
{
    for (guint i = 0; i < srs->len; i++)
        if (g_str_equal(srs->pdata[i], sr))
            return;
    g_ptr_array_add(srs, g_strdup(sr));
}

struct copying {
    const struct model *model;
    struct txn *txn;
    struct plan *plan;
    const char *copy, *sr;
    GPtrArray *srs;
};

/* The copy's drive; written: in which the guest writes meanwhile. */
static bool
add_drive(const struct copying *c, const char *vbd, bool written, GError **error)
{
    g_autofree char *vdi = model_get_string(c->model, vbd, "VDI");
    g_autofree char *target = NULL, *uuid = NULL;
    const char *its = vdi;

    if (vbd_has_own_disk(c->model, vbd)) {
        target = target_of(c->model, vdi, c->sr);
        its = vdi_add_copy(c->model, c->txn, vdi, c->plan->operation, target, &uuid, error);
        if (!its)
            return false;
        plan_show_also(c->plan, its);
        plan_show_also(c->plan, vdi);
        add_sr(c->srs, target);
    }
    if (written) {
        g_autofree char *handle = model_get_string(c->model, vbd, "uuid");
        vdi_plan_add_shared(c->plan, its, vdi, handle);
    } else if (target) {
        vdi_plan_add_copy(c->model, c->plan, its, uuid, target, vdi);
    }
    return vm_copy_drive(c->model, c->txn, vbd, NULL, c->copy, its, error);
}

/* What may take time comes before the guest stands still. */
static bool
add_drives(const struct copying *c, const char *vm, GPtrArray *drives, GError **error)
{
    g_autoptr(GPtrArray) written = g_ptr_array_new();

    for (guint i = 0; i < drives->len; i++)
        if (vbd_is_written(c->model, drives->pdata[i]))
            g_ptr_array_add(written, drives->pdata[i]);
        else if (!add_drive(c, drives->pdata[i], false, error))
            return false;
    if (written->len == 0)
        return true;
    vm_plan_add_hold(c->plan, c->model, vm, written);
    for (guint i = 0; i < written->len; i++)
        if (!add_drive(c, written->pdata[i], true, error))
            return false;
    vm_plan_add_release(c->plan, c->model, vm, written);
    return true;
}

struct plan *
vm_begin_copy(const struct model *model, struct txn *txn, const char *vm, const char *operation,
              const char *name, const char *sr, GVariant *ignored, GError **error)
{
    g_autoptr(GPtrArray) drives = copied_drives(model, vm, ignored);
    g_autoptr(GPtrArray) cards = model_referrers(model, vm, dm_field_find(vif_class(), "VM"));
    g_autoptr(GPtrArray) srs = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *seed = g_uuid_string_random();
    const char *copy = add_vm(model, txn, vm, operation, name, seed, error);
    bool snapshot = g_str_equal(operation, "snapshot");
    /* What becomes of the guest meanwhile waits for its snapshot. */
    struct plan *plan = copy ? plan_new(operation, snapshot ? vm : copy) : NULL;
    const struct copying copying = {model, txn, plan, copy, sr, srs};
    bool ok = plan != NULL;

    if (ok)
        plan_show_also(plan, snapshot ? copy : vm);
    ok = ok && add_drives(&copying, vm, drives, error);
    for (guint i = 0; ok && i < cards->len; i++)
        ok = add_card(model, txn, cards->pdata[i], copy, operation, seed, error);
    for (guint i = 0; ok && i < srs->len; i++)
        sr_plan_add_stat(plan, srs->pdata[i]);
    if (!ok)
        g_clear_pointer(&plan, plan_free);
    return plan;
}

bool
vm_is_copy_operation(const char *operation)
{
    return g_str_equal(operation, "clone") || g_str_equal(operation, "copy") ||
           g_str_equal(operation, "snapshot");
}

/* Of its disks, those that were made for it. */
static GPtrArray *
new_disks(const struct model *model, const char *vm)
{
    g_autoptr(GPtrArray) drives = model_referrers(model, vm, dm_field_find(vbd_class(), "VM"));
    GPtrArray *disks = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < drives->len; i++) {
        g_autofree char *vdi = model_get_string(model, drives->pdata[i], "VDI");
        if (model_has(model, vdi_class(), vdi) && !model_get_bool(model, vdi, "managed"))
            g_ptr_array_add(disks, g_steal_pointer(&vdi));
    }
    return disks;
}

void
vm_record_new_disks(struct op *op, struct txn *txn, const char *vm, const GError *error)
{
    const struct model *model = txn_model(txn);
    g_autoptr(GPtrArray) disks = new_disks(model, vm);
    g_autoptr(GPtrArray) srs = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < disks->len; i++) {
        g_autofree char *sr = model_get_string(model, disks->pdata[i], "SR");
        vdi_record_new(op, txn, disks->pdata[i], error);
        add_sr(srs, sr);
    }
    for (guint i = 0; i < srs->len; i++)
        sr_record_stat(op, txn, srs->pdata[i]);
}

void
vm_record_copy(struct op *op, struct txn *txn, const GError *error)
{
    bool snapshot = g_str_equal(op_operation(op), "snapshot");
    /* See vm_begin_copy (). */
    const char *vm = op_plan(op)->shown_by->pdata[snapshot ? 1 : 0];
    g_autoptr(GError) failed = NULL;

    if (!txn_has(txn, vm_class(), vm))
        return;
    if (error && !vm_destroy_rows(txn_model(txn), txn, vm, &failed))
        log_error("%s of %s: %s", op_operation(op), vm, failed->message);
    vm_record_new_disks(op, txn, vm, error);
    if (error)
        return;
    if (snapshot)
        vm_record_snapshot(txn, vm);
    vm_refresh_allowed(txn, vm);
    op_set_result(op, "value", g_variant_new_string(vm));
}
