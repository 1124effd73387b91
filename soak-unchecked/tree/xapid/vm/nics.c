/* The network cards of a VM: which its domain gets, on which bridges, and what becomes of their
 * rows; see vm.h. */
#include "config.h"

#include "lib/bridge-name.h"
#include "lib/error.h"
#include "lib/member.h"
#include "xapid/vm/vm.h"

#include <string.h>

const struct dm_class *
vif_class(void)
{
    static const struct dm_class *cls;

    if (!cls)
        cls = dm_class_find("VIF", false);
    return cls;
}

const struct dm_class *
network_class(void)
{
    static const struct dm_class *cls;

    if (!cls)
        cls = dm_class_find("network", false);
    return cls;
}

static GPtrArray *
cards_of(const struct model *model, const char *vm)
{
    return model_referrers(model, vm, dm_field_find(vif_class(), "VM"));
}

/* ---- positions and addresses ---- */

int
vif_position(const char *device)
{
    return device[0] >= '0' && device[0] <= '0' + VIF_POSITION_MAX && !device[1] ? device[0] - '0'
                                                                                 : -1;
}

static int
position_of(const struct model *model, const char *vif)
{
    g_autofree char *device = model_get_string(model, vif, "device");

    return vif_position(device);
}

bool
vif_position_is_free(const struct model *model, const char *vm, int position)
{
    g_autoptr(GPtrArray) cards = cards_of(model, vm);

    for (guint i = 0; i < cards->len; i++)
        if (position_of(model, cards->pdata[i]) == position)
            return false;
    return true;
}

bool
vif_mac_is_valid(const char *mac)
{
    static const char zero[] = "00:00:00:00:00:00";

    if (strlen(mac) != strlen(zero) || g_str_equal(mac, zero))
        return false;
    for (size_t i = 0; mac[i]; i++)
        if (zero[i] == ':' ? mac[i] != ':' : !g_ascii_isxdigit(mac[i]))
            return false;
    /* An odd first byte is a group's. */
    return g_ascii_xdigit_value(mac[1]) % 2 == 0;
}

char *
vif_mac_from(const char *seed, int position)
{
    g_autofree char *text = g_strdup_printf("%s/%d", seed, position);
    g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA256);
    guint8 mac[32];
    gsize length = sizeof mac;

    g_checksum_update(sum, (const guchar *)text, -1);
    g_checksum_get_digest(sum, mac, &length);
    mac[0] = (guint8)((mac[0] & 0xfc) | 0x02); /* one station's, and locally administered */
    return g_strdup_printf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
                           mac[5]);
}

char *
vif_make_mac(const struct model *model, const char *vm, int position)
{
    g_autofree char *seed = model_get_map_value(model, vm, "other_config", "mac_seed");
    g_autofree char *uuid = model_get_string(model, vm, "uuid");

    return vif_mac_from(seed && *seed ? seed : uuid, position);
}

/* ---- networks ---- */

bool
network_check_mtu(gint64 mtu, GError **error)
{
    if (mtu >= BRIDGE_MTU_MIN && mtu <= BRIDGE_MTU_MAX)
        return true;
    g_autofree char *text = g_strdup_printf("%" G_GINT64_FORMAT, mtu);
    api_error_set(error, "INVALID_VALUE", "MTU", text, NULL);
    return false;
}

bool
network_check_value(const struct dm_field *field, GVariant *value, GError **error)
{
    return field != dm_field_find(network_class(), "MTU") ||
           network_check_mtu(g_variant_get_int64(value), error);
}

/* ---- what a domain gets ---- */

/* Rows older than a limit keep what they have; a domain is only given what it can have. */
static gint64
mtu_of(const struct model *model, const char *network)
{
    return CLAMP(model_get_int(model, network, "MTU"), BRIDGE_MTU_MIN, BRIDGE_MTU_MAX);
}

static int
by_position(const void *a, const void *b, void *data)
{
    return position_of(data, *(char *const *)a) - position_of(data, *(char *const *)b);
}

GVariant *
vif_field(const struct model *model, const char *vif, const char *name, GVariant *changes)
{
    const struct dm_field *field = dm_field_find(vif_class(), name);
    GVariant *value = changes ? g_variant_lookup_value(changes, name, NULL) : NULL;

    return value ? value : model_get(model, vif, field);
}

GVariant *
vif_config(const struct model *model, const char *vif, GVariant *changes)
{
    g_autoptr(GVariant) network = vif_field(model, vif, "network", changes);
    const char *on = g_variant_get_string(network, NULL);
    g_autofree char *bridge = model_get_string(model, on, "bridge");
    g_autofree char *mac = model_get_string(model, vif, "MAC");
    g_autofree char *lock = vif_lock(model, vif, on, changes);
    GVariantDict card;

    g_variant_dict_init(&card, NULL);
    g_variant_dict_insert(&card, "device", "i", position_of(model, vif));
    g_variant_dict_insert(&card, "mac", "s", mac);
    g_variant_dict_insert(&card, "bridge", "s", bridge);
    g_variant_dict_insert(&card, "mtu", "i", (int)mtu_of(model, on));
    g_variant_dict_insert(&card, "lock", "s", lock);
    g_variant_dict_insert(&card, "kbps", "i", vif_kbps(model, vif));
    return g_variant_dict_end(&card);
}

GVariant *
vm_nics_config(const struct model *model, const char *vm)
{
    g_autoptr(GPtrArray) cards = cards_of(model, vm);
    GVariantBuilder nics;

    g_ptr_array_sort_with_data(cards, by_position, (void *)model);
    g_variant_builder_init(&nics, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < cards->len; i++)
        g_variant_builder_add_value(&nics, vif_config(model, cards->pdata[i], NULL));
    return g_variant_builder_end(&nics);
}

void
vif_plan_bridge(struct plan *plan, const struct model *model, const char *vif, const char *network)
{
    g_autofree char *bridge = model_get_string(model, network, "bridge");
    GVariantDict args;

    g_variant_dict_init(&args, NULL);
    g_variant_dict_insert(&args, "vif", "s", vif);
    g_variant_dict_insert(&args, "bridge", "s", bridge);
    g_variant_dict_insert(&args, "managed", "b", model_get_bool(model, network, "managed"));
    g_variant_dict_insert(&args, "mtu", "u", (guint32)mtu_of(model, network));
    plan_add(plan, "vif.bridge", g_variant_dict_end(&args));
}

void
vm_plan_bridges(struct plan *plan, const struct model *model, const char *vm)
{
    g_autoptr(GPtrArray) cards = cards_of(model, vm);

    for (guint i = 0; i < cards->len; i++) {
        g_autofree char *network = model_get_string(model, cards->pdata[i], "network");
        vif_plan_bridge(plan, model, cards->pdata[i], network);
    }
}

/* ---- the step: the bridge is there ---- */

struct bridge_call {
    struct op *op;
    GVariant *args; /* of the step; they live as long as the plan */
};

static char *
result_key(const char *vif)
{
    return g_strconcat("vif/", vif, NULL);
}

static void
bridge_known(const GError *error, GVariant *result, void *data)
{
    g_autofree struct bridge_call *call = data;
    g_autofree char *key = result_key(member_text(call->args, "vif"));
    const char *outcome = "";

    if (error) {
        op_step_done(call->op, g_error_copy(error));
        return;
    }
    g_variant_get(result, "(&s)", &outcome);
    if (!g_str_equal(outcome, "ready")) {
        op_step_done(call->op, api_error_new("BRIDGE_NOT_AVAILABLE",
                                             member_text(call->args, "bridge"), NULL));
        return;
    }
    op_set_result(call->op, key, g_variant_new_boolean(TRUE));
    op_step_done(call->op, NULL);
}

static void
bridge_run(struct op *op, GVariant *args)
{
    const struct vm_world *world = op_room_data(op);
    const struct bridge_call call = {op, args};
    gboolean managed = TRUE;
    guint32 mtu = BRIDGE_MTU_MIN;

    g_variant_lookup(args, "managed", "b", &managed);
    g_variant_lookup(args, "mtu", "u", &mtu);
    world->ensure_bridge(world->hostd, member_text(args, "bridge"), managed, mtu, bridge_known,
                         g_memdup2(&call, sizeof call));
}

/* A bridge stays when its guest has gone: nothing to undo. */
const struct step_kind vif_bridge_kind = {.name = "vif.bridge", .weight = 0.5, .run = bridge_run};

/* ---- rows ---- */

static bool
txn_flag(struct txn *txn, const char *vif, const char *field)
{
    g_autoptr(GVariant) value = txn_get(txn, vif, dm_field_find(vif_class(), field));

    return g_variant_get_boolean(value);
}

void
vif_refresh_allowed(struct txn *txn, const char *vif)
{
    g_autoptr(GVariant) vm = txn_get(txn, vif, dm_field_find(vif_class(), "VM"));
    const char *ref = g_variant_get_string(vm, NULL);
    g_autoptr(GVariant) state = txn_has(txn, vm_class(), ref)
                                    ? txn_get(txn, ref, dm_field_find(vm_class(), "power_state"))
                                    : NULL;
    const char *power_state = state ? g_variant_get_string(state, NULL) : "";
    g_autoptr(GVariant) current =
        txn_get(txn, vif, dm_field_find(vif_class(), "current_operations"));
    bool attached = txn_flag(txn, vif, "currently_attached");
    const char *operation = g_str_equal(power_state, "Halted")  ? "attach"
                            : !vm_state_has_domain(power_state) ? NULL
                            : attached                          ? "unplug"
                                                                : "plug";
    bool allowed = operation && g_variant_n_children(current) == 0;

    txn_set_value(txn, vif, "allowed_operations", g_variant_new_strv(&operation, allowed ? 1 : 0));
}

bool
vif_refresh_all(struct model *model, GError **error)
{
    g_autoptr(GPtrArray) all = model_all(model, vif_class());
    struct txn *txn = model_begin(model, error);

    if (!txn)
        return false;
    for (guint i = 0; i < all->len; i++)
        vif_refresh_allowed(txn, all->pdata[i]);
    return txn_commit(txn, error) != 0;
}

/* A network that it was moved to may be no more. */
static void
record_changes(struct txn *txn, const char *vif, GVariant *changes)
{
    GVariantIter iter;
    const char *field;
    GVariant *value;

    g_variant_iter_init(&iter, changes);
    while (g_variant_iter_next(&iter, "{&sv}", &field, &value)) {
        if (!g_str_equal(field, "network") ||
            txn_has(txn, network_class(), g_variant_get_string(value, NULL)))
            txn_set_value(txn, vif, field, value);
        g_variant_unref(value);
    }
}

void
vm_record_nics(const struct vm_world *world, struct txn *txn, const char *vm, const struct op *op)
{
    g_autoptr(GPtrArray) cards = cards_of(world->model, vm);
    g_autoptr(GVariant) state = txn_get(txn, vm, dm_field_find(vm_class(), "power_state"));
    bool has = vm_state_has_domain(g_variant_get_string(state, NULL));
    bool started = op && op_result(op, "started");

    for (guint i = 0; i < cards->len; i++) {
        const char *vif = cards->pdata[i];
        g_autofree char *key = result_key(vif);
        GVariant *done = op ? vif_result(op, vif) : NULL;
        bool attached =
            started ? op_result(op, key) != NULL : txn_flag(txn, vif, "currently_attached");

        if (done && g_variant_is_of_type(done, G_VARIANT_TYPE_BOOLEAN))
            attached = g_variant_get_boolean(done);
        else if (done)
            record_changes(txn, vif, done);
        txn_set_value(txn, vif, "currently_attached", g_variant_new_boolean(has && attached));
        vif_refresh_allowed(txn, vif);
    }
}
