#include "config.h"

#include "xapid/pool/boot.h"

#include "lib/log.h"
#include "xapid/pool/self.h"

/* The journal's entry: the boot in which this host was last seen, and whether it stays disabled in
 * the next one. */
#define BOOT_KEY "boot"
#define BOOT_TYPE "(sb)"

static const struct dm_class *
class_of(const char *name)
{
    return dm_class_find(name, false);
}

/* The boot on record, the caller's; "": none. */
static char *
recorded(const struct model *model, gboolean *ret_stays_disabled)
{
    GVariant *kept = g_hash_table_lookup(model_journal(model), BOOT_KEY);
    char *boot_id = NULL;

    *ret_stays_disabled = FALSE;
    if (kept && g_variant_is_of_type(kept, G_VARIANT_TYPE(BOOT_TYPE)))
        g_variant_get(kept, BOOT_TYPE, &boot_id, ret_stays_disabled);
    return boot_id ? boot_id : g_strdup("");
}

static void
record(struct txn *txn, const char *boot_id, bool stays_disabled)
{
    txn_journal(txn, BOOT_KEY, g_variant_new(BOOT_TYPE, boot_id, stays_disabled));
}

/* ---- enabling ---- */

static void
show_enabled(struct txn *txn, const char *host, bool enabled)
{
    txn_set_value(txn, host, "enabled", g_variant_new_boolean(enabled));
    self_refresh_allowed(txn, host);
}

void
boot_set_enabled(const struct model *model, struct txn *txn, const char *host,
                 enum host_enabling enabling)
{
    gboolean stays_disabled;
    g_autofree char *boot_id = recorded(model, &stays_disabled);

    record(txn, boot_id, enabling == HOST_DISABLED_FOR_GOOD);
    show_enabled(txn, host, enabling == HOST_ENABLED);
}

/* ---- a reboot ---- */

static void
plugged_again(const GError *error, const char *value, void *data)
{
    g_autofree char *sr = data;

    (void)value;
    if (error)
        log_warning("%s stays unplugged after the reboot: %s", sr, error->message);
}

/* An unplug that the reboot broke off goes on. */
static bool
is_being_unplugged(const struct model *model, const char *sr)
{
    g_autoptr(GVariant) current =
        model_get(model, sr, dm_field_find(sr_class(), "current_operations"));
    GVariantIter iter;
    const char *operation;

    g_variant_iter_init(&iter, current);
    while (g_variant_iter_next(&iter, "{&s&s}", NULL, &operation))
        if (g_str_equal(operation, "unplug"))
            return true;
    return false;
}

/* Adds the operations that attach again what was attached, to be started or dropped. */
static bool
plug_again(const struct storage_world *world, struct txn *txn, GPtrArray *ops, GError **error)
{
    const struct model *model = world->model;
    g_autoptr(GPtrArray) pbds =
        model_referrers(model, world->host, dm_field_find(class_of("PBD"), "host"));

    for (guint i = 0; i < pbds->len; i++) {
        const char *pbd = pbds->pdata[i];
        g_autofree char *sr = model_get_string(model, pbd, "SR");

        if (!model_get_bool(model, pbd, "currently_attached"))
            continue;
        txn_set_value(txn, pbd, "currently_attached", g_variant_new_boolean(FALSE));
        if (is_being_unplugged(model, sr))
            continue;
        struct op *op = ops_submit(world->ops, txn, sr_plan_replug(sr), NULL, error);
        if (!op)
            return false;
        g_ptr_array_add(ops, op);
    }
    return true;
}

static bool
rebooted(const struct vm_world *vm, const struct storage_world *storage, const char *boot_id,
         bool stays_disabled, GError **error)
{
    struct txn *txn = model_begin(storage->model, error);
    g_autoptr(GPtrArray) ops = g_ptr_array_new();

    if (!txn)
        return false;
    log_info("the host was rebooted");
    record(txn, boot_id, stays_disabled);
    if (!stays_disabled)
        show_enabled(txn, storage->host, true);
    vbd_detach_all(vm, txn);
    bool ok = plug_again(storage, txn, ops, error);
    guint64 generation = ok ? txn_commit(txn, error) : 0;
    if (!ok)
        txn_abort(txn);
    for (guint i = 0; i < ops->len; i++) {
        struct op *op = ops->pdata[i];
        if (generation)
            op_start(op, generation, plugged_again, g_strdup(op_object(op)));
        else
            op_drop(op);
    }
    return generation != 0;
}

bool
boot_known(const struct vm_world *vm, const struct storage_world *storage, const char *boot_id,
           GError **error)
{
    gboolean stays_disabled;
    g_autofree char *before = recorded(storage->model, &stays_disabled);

    if (!*boot_id || g_str_equal(before, boot_id))
        return true;
    if (*before)
        return rebooted(vm, storage, boot_id, stays_disabled, error);
    /* Nothing is known of the boot in which the rows were written. */
    struct txn *txn = model_begin(storage->model, error);
    if (!txn)
        return false;
    record(txn, boot_id, stays_disabled);
    return txn_commit(txn, error) != 0;
}
