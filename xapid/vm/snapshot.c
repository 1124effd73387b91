/* Snapshots of VMs: a row like a copy's, that says of which VM it is, and remembers the VM's own
 * fields, for a client may change its own; and the tree that snapshots are in, by `parent`. */
#include "config.h"

#include "lib/log.h"
#include "xapid/vm/copies.h"

/* As text, because the field is one. */
static char *
metadata_of(const struct model *model, const char *vm)
{
    g_autoptr(GVariant) kept = g_variant_ref_sink(vm_kept_fields(model, vm));
    g_autofree char *name = model_get_string(model, vm, "name_label");
    GVariantDict fields;

    g_variant_dict_init(&fields, kept);
    g_variant_dict_insert(&fields, "name_label", "s", name);
    g_autoptr(GVariant) all = g_variant_ref_sink(g_variant_dict_end(&fields));
    return g_variant_print(all, TRUE);
}

void
vm_insert_snapshot(const struct model *model, const char *vm, GVariantDict *fields)
{
    g_autofree char *power_state = model_get_string(model, vm, "power_state");
    g_autofree char *metadata = metadata_of(model, vm);
    GVariantBuilder info;

    g_variant_builder_init(&info, G_VARIANT_TYPE("a{ss}"));
    g_variant_builder_add(&info, "{ss}", "power-state-at-snapshot", power_state);
    g_variant_builder_add(&info, "{ss}", "disk-snapshot-type", "crash_consistent");
    g_variant_dict_insert(fields, "is_a_snapshot", "b", TRUE);
    g_variant_dict_insert(fields, "is_a_template", "b", TRUE);
    g_variant_dict_insert(fields, "snapshot_of", "s", vm);
    g_variant_dict_insert(fields, "snapshot_time", "x", g_get_real_time());
    g_variant_dict_insert(fields, "snapshot_metadata", "s", metadata);
    g_variant_dict_insert_value(fields, "snapshot_info", g_variant_builder_end(&info));
}

/* ---- of a guest that runs ---- */

static void
add_step(struct plan *plan, const char *kind, const struct model *model, const char *vm,
         const GPtrArray *drives)
{
    g_autofree char *power_state = model_get_string(model, vm, "power_state");
    GVariantBuilder disks;
    GVariantDict args;

    g_variant_builder_init(&disks, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < drives->len; i++)
        g_variant_builder_add_value(&disks, vbd_config(model, drives->pdata[i], true));
    g_variant_dict_init(&args, NULL);
    g_variant_dict_insert_value(&args, "disks", g_variant_builder_end(&disks));
    g_variant_dict_insert(&args, "paused", "b", g_str_equal(power_state, "Paused"));
    plan_add(plan, kind, g_variant_dict_end(&args));
}

void
vm_plan_add_hold(struct plan *plan, const struct model *model, const char *vm,
                 const GPtrArray *drives)
{
    add_step(plan, "domain.hold", model, vm, drives);
}

void
vm_plan_add_release(struct plan *plan, const struct model *model, const char *vm,
                    const GPtrArray *drives)
{
    add_step(plan, "domain.release", model, vm, drives);
}

/* ---- the tree ---- */

static char *
parent_of(struct txn *txn, const char *vm)
{
    g_autoptr(GVariant) parent = txn_get(txn, vm, dm_field_find(vm_class(), "parent"));

    return g_variant_dup_string(parent, NULL);
}

void
vm_record_snapshot(struct txn *txn, const char *snapshot)
{
    g_autofree char *vm = model_get_string(txn_model(txn), snapshot, "snapshot_of");

    if (!txn_has(txn, vm_class(), vm))
        return;
    g_autofree char *before = parent_of(txn, vm);
    txn_set_string(txn, snapshot, "parent", before);
    txn_set_string(txn, vm, "parent", snapshot);
}

void
vm_leave_tree(const struct model *model, struct txn *txn, const char *vm)
{
    g_autoptr(GPtrArray) children = model_referrers(model, vm, dm_field_find(vm_class(), "parent"));
    g_autofree char *before = parent_of(txn, vm);

    for (guint i = 0; i < children->len; i++)
        if (txn_has(txn, vm_class(), children->pdata[i]))
            txn_set_string(txn, children->pdata[i], "parent", before);
}

/* A reference to what is gone meanwhile is none. */
static GVariant *
still_there(const struct model *model, const struct dm_field *field, GVariant *value)
{
    if (field->type->kind != DM_REF ||
        model_has(model, field->type->cls, g_variant_get_string(value, NULL)))
        return g_variant_ref(value);
    return g_variant_ref_sink(g_variant_new_string(REF_NULL));
}

GVariant *
vm_snapshot_fields(const struct model *model, const char *snapshot)
{
    g_autofree char *metadata = model_get_string(model, snapshot, "snapshot_metadata");
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) all = g_variant_parse(G_VARIANT_TYPE_VARDICT, metadata, NULL, NULL, &error);
    g_auto(GVariantDict) fields = G_VARIANT_DICT_INIT(NULL);
    GVariantIter iter;
    const char *name;
    GVariant *value;

    if (!all) {
        log_warning("snapshot_metadata of %s: %s", snapshot, error->message);
        return NULL;
    }
    g_variant_iter_init(&iter, all);
    while (g_variant_iter_next(&iter, "{&sv}", &name, &value)) {
        g_autoptr(GVariant) owned = value;
        const struct dm_field *field = dm_field_find(vm_class(), name);
        if (!field || field->storage == DM_DERIVED)
            continue;
        if (!g_variant_is_of_type(value, G_VARIANT_TYPE(field->type->gvariant)))
            return NULL;
        g_autoptr(GVariant) its = still_there(model, field, value);
        g_variant_dict_insert_value(&fields, name, its);
    }
    return g_variant_ref_sink(g_variant_dict_end(&fields));
}
