#include "config.h"

#include "xapid/pool/boot.h"

#include "lib/error.h"
#include "lib/log.h"
#include "xapid/model/journal.h"

#define PLUG_AGAIN_SECONDS 5       /* after a boot's first try; then twice that, and so on */
#define PLUG_AGAIN_SECONDS_MAX 300 /* between two */

struct boot {
    const char *id; /* "": none is on record; of boot_read (), until the next commit */
    gboolean ends, stays_disabled;
};

static const struct dm_class *
class_of(const char *name)
{
    return dm_class_find(name, false);
}

static void
boot_read(const struct model *model, struct boot *ret_boot)
{
    GVariant *kept = g_hash_table_lookup(model_journal(model), JOURNAL_BOOT);

    *ret_boot = (struct boot){.id = ""};
    if (kept && g_variant_is_of_type(kept, G_VARIANT_TYPE(JOURNAL_BOOT_TYPE)))
        g_variant_get(kept, "(&sbb)", &ret_boot->id, &ret_boot->ends, &ret_boot->stays_disabled);
}

static bool
is_restored(const struct model *model)
{
    return g_hash_table_contains(model_journal(model), JOURNAL_RESTORED);
}

static void
boot_write(const struct boot *boot, struct txn *txn)
{
    txn_journal(txn, JOURNAL_BOOT,
                g_variant_new(JOURNAL_BOOT_TYPE, boot->id, boot->ends, boot->stays_disabled));
}

/* This boot is known. */
static void
boot_record(const struct model *model, const struct boot *boot, struct txn *txn)
{
    boot_write(boot, txn);
    if (is_restored(model))
        txn_journal(txn, JOURNAL_RESTORED, NULL);
}

/* ---- enabling ---- */

static void
refresh_allowed(struct txn *txn, const char *host, const struct boot *boot)
{
    static const char *const when_enabled[] = {"provision", "vm_start", NULL};
    static const char *const when_disabled[] = {"enable", "reboot", "shutdown", NULL};
    static const char *const at_the_end[] = {"reboot", "shutdown", NULL};
    g_autoptr(GVariant) enabled = txn_get(txn, host, dm_field_find(class_of("host"), "enabled"));
    const char *const *allowed = g_variant_get_boolean(enabled) ? when_enabled
                                 : boot->ends                   ? at_the_end
                                                                : when_disabled;

    txn_set_value(txn, host, "allowed_operations", g_variant_new_strv(allowed, -1));
}

void
boot_refresh_allowed(const struct model *model, struct txn *txn, const char *host)
{
    struct boot boot;

    boot_read(model, &boot);
    refresh_allowed(txn, host, &boot);
}

static void
show_enabled(struct txn *txn, const char *host, const struct boot *boot, bool enabled)
{
    txn_set_value(txn, host, "enabled", g_variant_new_boolean(enabled));
    refresh_allowed(txn, host, boot);
}

bool
boot_may_enable(const struct model *model, const char *host, GError **error)
{
    struct boot boot;

    boot_read(model, &boot);
    if (boot.ends)
        api_error_set(error, "HOST_DISABLED_UNTIL_REBOOT", host, NULL);
    return !boot.ends;
}

void
boot_set_enabled(const struct model *model, struct txn *txn, const char *host,
                 enum host_enabling enabling)
{
    struct boot boot;

    boot_read(model, &boot);
    boot.stays_disabled = enabling == HOST_DISABLED_FOR_GOOD;
    boot_write(&boot, txn);
    show_enabled(txn, host, &boot, enabling == HOST_ENABLED);
}

void
boot_ends(const struct model *model, struct txn *txn, const char *host)
{
    struct boot boot;

    boot_read(model, &boot);
    boot.ends = TRUE;
    boot_write(&boot, txn);
    refresh_allowed(txn, host, &boot);
}

/* ---- a reboot ---- */

static void
tell_unplugged(const char *sr, const GError *error)
{
    log_warning("%s stays unplugged after the reboot: %s", sr, error->message);
}

/* A repository that the boot could not attach: its server may come up later than this host. */
struct again {
    const struct storage_world *world;
    char *sr;
    guint seconds; /* until the next try */
};

static void
again_free(struct again *again)
{
    g_free(again->sr);
    g_free(again);
}

static gboolean try_again(gpointer data);

static void
plugged_again(const GError *error, const char *value, void *data)
{
    struct again *again = data;

    (void)value;
    if (!error) {
        again_free(again);
        return;
    }
    tell_unplugged(again->sr, error);
    g_timeout_add_seconds(again->seconds, try_again, again);
    again->seconds = MIN(again->seconds * 2, PLUG_AGAIN_SECONDS_MAX);
}

static struct again *
again_new(const struct storage_world *world, const char *sr)
{
    struct again *again = g_new0(struct again, 1);

    again->world = world;
    again->sr = g_strdup(sr);
    again->seconds = PLUG_AGAIN_SECONDS;
    return again;
}

/* Somebody plugged it meanwhile, or it is none of this host's any more. */
static bool
is_settled(const struct again *again)
{
    const struct model *model = again->world->model;

    return !model_has(model, sr_class(), again->sr) ||
           !sr_pbd(model, again->sr, again->world->host) ||
           sr_is_attached(model, again->sr, again->world->host);
}

static bool
start_again(struct again *again, GError **error)
{
    struct plan *plan = sr_plan_plug(again->world, again->sr, error);
    struct txn *txn = plan ? model_begin(again->world->model, error) : NULL;

    if (txn)
        return ops_run(again->world->ops, txn, plan, NULL, plugged_again, again, error);
    g_clear_pointer(&plan, plan_free);
    return false;
}

static gboolean
try_again(gpointer data)
{
    struct again *again = data;
    g_autoptr(GError) error = NULL;

    if (is_settled(again))
        again_free(again);
    else if (!start_again(again, &error))
        plugged_again(error, NULL, again);
    return G_SOURCE_REMOVE;
}

/* Adds the operations that attach again what was attached, to be started or dropped. */
static void
plug_again(const struct storage_world *world, struct txn *txn, GPtrArray *ops)
{
    const struct model *model = world->model;
    g_autoptr(GPtrArray) pbds =
        model_referrers(model, world->host, dm_field_find(class_of("PBD"), "host"));

    for (guint i = 0; i < pbds->len; i++) {
        const char *pbd = pbds->pdata[i];
        g_autofree char *sr = model_get_string(model, pbd, "SR");
        g_autoptr(GError) error = NULL;

        if (!model_get_bool(model, pbd, "currently_attached"))
            continue;
        txn_set_value(txn, pbd, "currently_attached", g_variant_new_boolean(FALSE));
        /* An unplug that the reboot broke off goes on. */
        if (!model_has(model, sr_class(), sr) || sr_is_under(model, sr, "unplug"))
            continue;
        struct op *op = ops_submit(world->ops, txn, sr_plan_replug(sr), NULL, &error);
        if (op)
            g_ptr_array_add(ops, op);
        else
            tell_unplugged(sr, error);
    }
}

static guint64
rebooted(struct vm_world *vm, const struct storage_world *storage, const struct boot *boot,
         GError **error)
{
    struct txn *txn = model_begin(storage->model, error);
    g_autoptr(GPtrArray) ops = g_ptr_array_new();

    if (!txn)
        return 0;
    log_info("the host was rebooted");
    boot_record(storage->model, boot, txn);
    if (!boot->stays_disabled)
        show_enabled(txn, storage->host, boot, true);
    else
        refresh_allowed(txn, storage->host, boot);
    vbd_detach_all(vm, txn);
    if (is_restored(storage->model))
        log_info("the database has been restored since: no VM starts with the host");
    else
        vm_autostart_note(vm, txn);
    plug_again(storage, txn, ops);
    guint64 generation = txn_commit(txn, error);
    for (guint i = 0; i < ops->len; i++) {
        struct op *op = ops->pdata[i];
        if (generation)
            op_start(op, generation, plugged_again, again_new(storage, op_object(op)));
        else
            op_drop(op);
    }
    if (generation)
        vm_look(vm, "");
    return generation;
}

guint64
boot_known(struct vm_world *vm, const struct storage_world *storage, const char *boot_id,
           GError **error)
{
    struct boot boot;

    boot_read(storage->model, &boot);
    bool is_same = g_str_equal(boot.id, boot_id);
    if (!*boot_id || (is_same && !is_restored(storage->model)))
        return model_head(storage->model);
    bool is_first = !*boot.id; /* of the one in which the rows were written nothing is known */
    if (!is_same) {
        boot.id = boot_id;
        boot.ends = FALSE;
        if (!is_first)
            return rebooted(vm, storage, &boot, error);
    }
    struct txn *txn = model_begin(storage->model, error);
    if (!txn)
        return 0;
    boot_record(storage->model, &boot, txn);
    return txn_commit(txn, error);
}
