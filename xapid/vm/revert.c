/* VM.revert: a VM becomes what it was when the snapshot was taken, in place.  Each disk of the
 * snapshot is cloned; then the VM's disks and these clones change places, so the disks keep their
 * uuids; then, and not before, what they were until now goes.  Until all have changed places
 * everything can be undone. */
#include "config.h"

#include "lib/error.h"
#include "lib/log.h"
#include "xapid/vm/copies.h"

#define SETTLE "settle" /* its arguments: snapshot, and drives: that of the snapshot -> VDI */

static GPtrArray *
drives_of(const struct model *model, const char *vm)
{
    return model_referrers(model, vm, dm_field_find(vbd_class(), "VM"));
}

static GPtrArray *
cards_of(const struct model *model, const char *vm)
{
    return model_referrers(model, vm, dm_field_find(vif_class(), "VM"));
}

/* ---- may it begin? ---- */

/* The disk that becomes what its snapshot is, the caller's; NULL: it is gone, or elsewhere. */
static char *
live_disk(const struct model *model, const char *snapshot)
{
    g_autofree char *live = model_get_string(model, snapshot, "snapshot_of");

    if (!model_has(model, vdi_class(), live) || !model_get_bool(model, live, "managed"))
        return NULL;
    g_autofree char *its = model_get_string(model, live, "SR");
    g_autofree char *sr = model_get_string(model, snapshot, "SR");
    return g_str_equal(its, sr) ? g_steal_pointer(&live) : NULL;
}

static bool
may_revert_disk(const struct storage_world *storage, const char *vbd, const char *vm,
                GError **error)
{
    g_autofree char *vdi = model_get_string(storage->model, vbd, "VDI");

    if (!model_has(storage->model, vdi_class(), vdi)) {
        api_error_set(error, "VBD_MISSING", NULL);
        return false;
    }
    g_autofree char *sr = model_get_string(storage->model, vdi, "SR");
    g_autofree char *live = live_disk(storage->model, vdi);
    return vdi_may_copy(storage, vdi, "clone", sr, /* vm= */ NULL, error) &&
           (!live || vdi_may_revert(storage, live, vdi, vm, error));
}

bool
vm_may_revert(const struct storage_world *storage, const char *snapshot, GError **error)
{
    const struct model *model = storage->model;
    g_autofree char *vm = model_get_string(model, snapshot, "snapshot_of");
    g_autoptr(GPtrArray) drives = drives_of(model, snapshot);

    if (!vm_may(model, snapshot, "revert", error))
        return false;
    g_autoptr(GVariant) fields = vm_snapshot_fields(model, snapshot);
    if (!fields || !model_has(model, vm_class(), vm)) {
        api_error_set(error, "VM_REVERT_FAILED", vm, snapshot, NULL);
        return false;
    }
    if (!vm_may(model, vm, "reverting", error))
        return false;
    for (guint i = 0; i < drives->len; i++)
        if (vbd_has_own_disk(model, drives->pdata[i]) &&
            !may_revert_disk(storage, drives->pdata[i], vm, error))
            return false;
    return true;
}

/* ---- the plan ---- */

struct pair {
    char *live; /* NULL: the clone takes its place */
    char *clone, *sr;
};

static void
pair_free(void *data)
{
    struct pair *pair = data;

    g_free(pair->live);
    g_free(pair->clone);
    g_free(pair->sr);
    g_free(pair);
}

/* The clone of a drive's disk, with its steps; what the VM's drive will have, borrowed. */
static const char *
add_clone(const struct model *model, struct txn *txn, struct plan *plan, const char *vbd,
          GPtrArray *pairs, GError **error)
{
    g_autofree char *vdi = model_get_string(model, vbd, "VDI");
    g_autofree char *uuid = NULL;
    struct pair *pair = g_new0(struct pair, 1);

    g_ptr_array_add(pairs, pair);
    pair->sr = model_get_string(model, vdi, "SR");
    pair->live = live_disk(model, vdi);
    pair->clone = g_strdup(vdi_add_copy(model, txn, vdi, "clone", pair->sr, &uuid, error));
    if (!pair->clone)
        return NULL;
    plan_show_also(plan, pair->clone);
    plan_show_also(plan, vdi);
    if (pair->live)
        plan_show_also(plan, pair->live);
    vdi_plan_add_copy(model, plan, pair->clone, uuid, pair->sr, vdi);
    return pair->live ? pair->live : pair->clone;
}

static void
add_settle(struct plan *plan, const char *snapshot, GVariant *drives)
{
    GVariantDict args;

    g_variant_dict_init(&args, NULL);
    g_variant_dict_insert(&args, "snapshot", "s", snapshot);
    g_variant_dict_insert_value(&args, "drives", drives);
    plan_add(plan, SETTLE, g_variant_dict_end(&args));
}

/* What takes time or room comes before the VM is halted; what cannot be undone comes last. */
static void
add_rest(struct plan *plan, const struct vm_world *world, const char *vm, const char *snapshot,
         GPtrArray *pairs, GVariant *drives)
{
    vm_plan_add_halt(plan, world, vm);
    for (guint i = 0; i < pairs->len; i++) {
        const struct pair *pair = pairs->pdata[i];
        if (pair->live)
            vdi_plan_add_exchange(plan, pair->live, pair->clone);
    }
    add_settle(plan, snapshot, drives);
    for (guint i = 0; i < pairs->len; i++) {
        const struct pair *pair = pairs->pdata[i];
        bool again = false;
        if (pair->live)
            vdi_plan_add_discard(plan, pair->clone);
        for (guint j = i + 1; j < pairs->len; j++)
            again |= g_str_equal(((const struct pair *)pairs->pdata[j])->sr, pair->sr);
        if (!again)
            sr_plan_add_stat(plan, pair->sr);
    }
}

struct plan *
vm_begin_revert(const struct vm_world *world, struct txn *txn, const char *snapshot, GError **error)
{
    const struct model *model = world->model;
    g_autofree char *vm = model_get_string(model, snapshot, "snapshot_of");
    g_autoptr(GPtrArray) all = drives_of(model, snapshot);
    g_autoptr(GPtrArray) pairs = g_ptr_array_new_with_free_func(pair_free);
    g_auto(GVariantBuilder) drives = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("a{ss}"));
    struct plan *plan = plan_new("revert", vm);

    plan_show_also(plan, snapshot);
    for (guint i = 0; i < all->len; i++) {
        if (!vbd_has_own_disk(model, all->pdata[i]))
            continue;
        const char *vdi = add_clone(model, txn, plan, all->pdata[i], pairs, error);
        if (!vdi) {
            plan_free(plan);
            return NULL;
        }
        g_variant_builder_add(&drives, "{ss}", all->pdata[i], vdi);
    }
    add_rest(plan, world, vm, snapshot, pairs, g_variant_builder_end(&drives));
    return plan;
}

/* ---- the rows ---- */

/* The arguments of the step, borrowed. */
static GVariant *
settle_args(const struct op *op)
{
    const GPtrArray *steps = op_plan(op)->steps;
    guint i = 0;

    while (i < steps->len && !g_str_equal(((const struct step *)steps->pdata[i])->kind, SETTLE))
        i++;
    g_assert(i < steps->len);
    return ((const struct step *)steps->pdata[i])->args;
}

static void
set_fields(struct txn *txn, const char *vm, const char *snapshot)
{
    g_autoptr(GVariant) fields = vm_snapshot_fields(txn_model(txn), snapshot);
    GVariantIter iter;
    const char *name;
    GVariant *value;

    if (!fields)
        return;
    g_variant_iter_init(&iter, fields);
    while (g_variant_iter_next(&iter, "{&sv}", &name, &value)) {
        txn_set_value(txn, vm, name, value);
        g_variant_unref(value);
    }
}

/* The row of `rows` that is where `of` is, as the field says, taken out of them; NULL: none. */
static const char *
take_like(const struct model *model, GPtrArray *rows, const char *field,
          int (*position)(const char *name), const char *of)
{
    g_autofree char *wanted = model_get_string(model, of, field);

    for (guint i = 0; i < rows->len; i++) {
        g_autofree char *its = model_get_string(model, rows->pdata[i], field);
        if (position(its) == position(wanted))
            return g_ptr_array_steal_index(rows, i);
    }
    return NULL;
}

/* Is it one of the disks that the snapshot has?  The VM has it where the snapshot says. */
static bool
is_placed(const struct model *model, const char *vbd, GVariant *drives)
{
    g_autofree char *vdi = model_get_string(model, vbd, "VDI");
    GVariantIter iter;
    const char *placed;

    g_variant_iter_init(&iter, drives);
    while (g_variant_iter_next(&iter, "{&s&s}", NULL, &placed))
        if (g_str_equal(placed, vdi))
            return true;
    return false;
}

/* What the VM has beyond the snapshot, a disk that was left out, or came later, stays where it is,
 * unless the snapshot has another one there: then it stays in its repository alone. */
static bool
set_drives(struct txn *txn, const char *vm, const char *snapshot, GVariant *drives, GError **error)
{
    const struct model *model = txn_model(txn);
    g_autoptr(GPtrArray) old = drives_of(model, vm), wanted = drives_of(model, snapshot);

    for (guint i = 0; i < wanted->len; i++) {
        const char *like = take_like(model, old, "userdevice", vbd_position, wanted->pdata[i]),
                   *vdi;
        g_autofree char *disc = model_get_string(model, wanted->pdata[i], "VDI");
        if (!g_variant_lookup(drives, wanted->pdata[i], "&s", &vdi))
            vdi = txn_has(txn, vdi_class(), disc) ? disc : REF_NULL;
        if (!vm_copy_drive(model, txn, wanted->pdata[i], like, vm, vdi, error))
            return false;
    }
    for (guint i = 0; i < old->len; i++)
        if (is_placed(model, old->pdata[i], drives) && !txn_destroy(txn, old->pdata[i], error))
            return false;
    return true;
}

static bool
set_cards(struct txn *txn, const char *vm, const char *snapshot, GError **error)
{
    const struct model *model = txn_model(txn);
    g_autoptr(GPtrArray) old = cards_of(model, vm), wanted = cards_of(model, snapshot);

    for (guint i = 0; i < wanted->len; i++) {
        const char *like = take_like(model, old, "device", vif_position, wanted->pdata[i]);
        if (!vm_copy_card(model, txn, wanted->pdata[i], like, vm, NULL, error))
            return false;
    }
    for (guint i = 0; i < old->len; i++)
        if (!txn_destroy(txn, old->pdata[i], error))
            return false;
    return true;
}

/* The snapshot's disks are those of the VM's again, also of one that a clone has replaced. */
static void
set_disks(struct op *op, struct txn *txn, GVariant *drives)
{
    const struct model *model = txn_model(txn);
    GVariantIter iter;
    const char *vbd, *vdi;

    g_variant_iter_init(&iter, drives);
    while (g_variant_iter_next(&iter, "{&s&s}", &vbd, &vdi)) {
        g_autofree char *of = model_get_string(model, vbd, "VDI");
        if (!txn_has(txn, vdi_class(), vdi))
            continue;
        if (model_get_bool(model, vdi, "managed"))
            vdi_record_exchange(op, txn, vdi, of);
        else
            vdi_record_new(op, txn, vdi, NULL);
        txn_set_string(txn, of, "snapshot_of", vdi);
    }
}

/* The clones, of which those that changed places are what is discarded. */
static bool
forget_clones(struct op *op, struct txn *txn, bool settled, GError **error)
{
    const GPtrArray *steps = op_plan(op)->steps;

    for (guint i = 0; i < steps->len; i++) {
        const struct step *step = steps->pdata[i];
        const char *clone;
        if (!g_str_equal(step->kind, settled ? "vdi.discard" : "vdi.copy") ||
            !g_variant_lookup(step->args, "vdi", "&s", &clone) || !txn_has(txn, vdi_class(), clone))
            continue;
        if (!(settled ? vdi_record_discard(op, txn, clone, error)
                      : vdi_forget(txn_model(txn), txn, clone, error)))
            return false;
    }
    return true;
}

static void
record_figures(struct op *op, struct txn *txn)
{
    const GPtrArray *steps = op_plan(op)->steps;

    for (guint i = 0; i < steps->len; i++) {
        const struct step *step = steps->pdata[i];
        const char *sr;
        if (g_str_equal(step->kind, "sr.stat") && g_variant_lookup(step->args, "sr", "&s", &sr))
            sr_record_stat(op, txn, sr);
    }
}

void
vm_record_revert(struct op *op, struct txn *txn, const char *vm, const GError *error)
{
    GVariant *args = settle_args(op);
    g_autoptr(GVariant) drives = g_variant_lookup_value(args, "drives", G_VARIANT_TYPE("a{ss}"));
    g_autoptr(GError) failed = NULL;
    const char *snapshot = "";
    bool settled = op_is_settled(op) || !error;

    g_variant_lookup(args, "snapshot", "&s", &snapshot);
    bool ok = forget_clones(op, txn, settled, &failed);
    if (settled && txn_has(txn, vm_class(), snapshot)) {
        set_disks(op, txn, drives);
        set_fields(txn, vm, snapshot);
        ok = ok && set_drives(txn, vm, snapshot, drives, &failed) &&
             set_cards(txn, vm, snapshot, &failed);
        txn_set_string(txn, vm, "parent", snapshot);
        vm_refresh_allowed(txn, vm);
    }
    record_figures(op, txn);
    if (!ok)
        log_error("revert of %s: %s", vm, failed->message);
}
