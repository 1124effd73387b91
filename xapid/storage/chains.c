/* Keeps the chains of images short: asks a driver, some time after a disk went or was let go,
 * whether images can become one with what they stand on, and has it done by an operation with a
 * task.  That waits in the queue of the SR's PBD, where nothing waits behind it, and is no
 * operation of the SR: whatever else is to happen to the SR and its disks happens meanwhile, and
 * xapid-host breaks it off for what concerns the same disks, and begins it anew. */
#include "config.h"

#include "lib/error.h"
#include "lib/log.h"
#include "lib/member.h"
#include "xapid/ops/task.h"
#include "xapid/storage/storage.h"

#define CHAINS_SECONDS 1 /* from the first reason to look until a look */

struct chains {
    struct storage_world *world;
    char *sr;
    guint timer;
    bool asking;
    bool again;  /* there was a reason to look since it asked */
    bool in_use; /* some wait for a disk to be let go */
};

static void
chains_free(void *data)
{
    struct chains *chains = data;

    g_clear_handle_id(&chains->timer, g_source_remove);
    g_free(chains->sr);
    g_free(chains);
}

static void
submit(const struct chains *chains, const char *pbd, GVariant *disks, GError **error)
{
    struct storage_world *world = chains->world;
    struct txn *txn = model_begin(world->model, error);

    if (!txn)
        return;
    const char *task = task_create(txn, "SR.coalesce", "", NULL, world->host, error);
    if (!task) {
        txn_abort(txn);
        return;
    }
    task_set_cancellable(txn, task, true);
    ops_run(world->ops, txn, sr_plan_coalesce(pbd, chains->sr, disks), task, NULL, NULL, error);
}

static void
asked(const GError *error, GVariant *result, void *data)
{
    struct chains *chains = data;
    const struct storage_world *world = chains->world;
    g_autoptr(GError) failed = error ? g_error_copy(error) : NULL;
    g_autoptr(GVariant) disks = NULL;

    chains->asking = false;
    if (result) {
        disks = g_variant_lookup_value(result, "disks", G_VARIANT_TYPE_STRING_ARRAY);
        chains->in_use = member_flag(result, "in_use");
    }
    const char *pbd = model_has(world->model, sr_class(), chains->sr)
                          ? sr_pbd(world->model, chains->sr, world->host)
                          : NULL;
    if (disks && pbd && !ops_busy(world->ops, pbd))
        submit(chains, pbd, disks, &failed);
    if (failed)
        log_warning("the images of %s stay as they are: %s", chains->sr, failed->message);
    if (chains->again)
        chains_look(chains->world, chains->sr);
}

/* Does the administrator want them as they are?  The key is that of XAPI's storage managers. */
static bool
is_unwanted(const struct model *model, const char *sr)
{
    g_autoptr(GVariant) config = model_get(model, sr, dm_field_find(sr_class(), "other_config"));
    const char *value;

    return g_variant_lookup(config, "coalesce", "&s", &value) && g_str_equal(value, "false");
}

/* false: there is nobody to ask. */
static bool
ask(struct chains *chains)
{
    const struct storage_world *world = chains->world;
    const struct model *model = world->model;
    GVariantDict args;

    if (!model_has(model, sr_class(), chains->sr) ||
        !sr_is_attached(model, chains->sr, world->host) || is_unwanted(model, chains->sr))
        return false;
    const char *pbd = sr_pbd(model, chains->sr, world->host);
    g_autofree char *type = model_get_string(model, chains->sr, "type");
    g_autofree char *sr = model_get_string(model, chains->sr, "uuid");
    g_autofree char *uuid = g_uuid_string_random();
    g_autofree char *op_id = g_strconcat("chains/", uuid, NULL);
    if (!sm_can(model, type, "SR_COALESCE") || ops_busy(world->ops, pbd))
        return false;
    g_variant_dict_init(&args, NULL);
    g_variant_dict_insert(&args, "sr", "s", sr);
    g_autoptr(GVariant) config =
        model_get(model, pbd, dm_field_find(dm_class_find("PBD", false), "device_config"));
    g_variant_dict_insert_value(&args, "device_config", config);
    peer_client_start(
        world->drivers, op_id,
        g_variant_new("(sss@a{sv})", op_id, "sr.chains", type, g_variant_dict_end(&args)), asked,
        chains);
    return true;
}

static gboolean
look(void *data)
{
    struct chains *chains = data;

    chains->timer = 0;
    chains->again = false;
    chains->asking = ask(chains);
    if (!chains->asking && !model_has(chains->world->model, sr_class(), chains->sr))
        g_hash_table_remove(chains->world->chains, chains->sr);
    return G_SOURCE_REMOVE;
}

void
chains_begin(struct storage_world *world)
{
    g_autoptr(GPtrArray) srs = model_all(world->model, sr_class());

    world->chains = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, chains_free);
    for (guint i = 0; i < srs->len; i++)
        chains_look(world, srs->pdata[i]);
}

void
chains_look(struct storage_world *world, const char *sr)
{
    struct chains *chains = g_hash_table_lookup(world->chains, sr);

    if (!chains) {
        chains = g_new0(struct chains, 1);
        chains->world = world;
        chains->sr = g_strdup(sr);
        g_hash_table_insert(world->chains, chains->sr, chains);
    }
    if (chains->asking)
        chains->again = true;
    else if (!chains->timer)
        chains->timer = g_timeout_add_seconds(CHAINS_SECONDS, look, chains);
}

void
chains_let_go(struct storage_world *world, const char *sr)
{
    const struct chains *chains = g_hash_table_lookup(world->chains, sr);

    if (chains && (chains->in_use || chains->asking))
        chains_look(world, sr);
}

/* ---- the operation, whose object is a PBD ---- */

void
pbd_mark(struct txn *txn, const char *pbd, const char *operation, const char *key, bool running,
         void *data)
{
    (void)txn;
    (void)pbd;
    (void)operation;
    (void)key;
    (void)running;
    (void)data; /* a PBD shows no operations */
}

void
pbd_finish(struct op *op, struct txn *txn, const GError *error)
{
    struct storage_world *world = op_room_data(op);
    const char *pbd = op_object(op);
    const struct dm_class *cls = dm_class_find("PBD", false);

    if (error)
        log_info("%s of %s: %s", op_operation(op), pbd, error->message);
    if (error || !txn_has(txn, cls, pbd))
        return;
    g_autoptr(GVariant) sr = txn_get(txn, pbd, dm_field_find(cls, "SR"));
    sr_record_stat(op, txn, g_variant_get_string(sr, NULL));
    chains_look(world, g_variant_get_string(sr, NULL)); /* what was let go meanwhile */
}
