/* The rows of a bond.  What its members had becomes the master's: their addresses' configuration,
 * the VLANs on them, and the cards of VMs on their networks; when the bond ends, the primary member
 * has it. */
#include "config.h"

#include "lib/error.h"
#include "xapid/net/net.h"

#define DEVICE "bond%u"

static const struct dm_class *
metrics_class(void)
{
    return dm_class_find("PIF_metrics", false);
}

/* ---- what moves ---- */

static void
set_flag(struct undo *undo, const char *ref, const char *field, bool value)
{
    undo_set(undo, ref, field, g_variant_new_boolean(value));
}

static void
move_addresses(struct undo *undo, const char *from, const char *to)
{
    for (const char *const *name = pif_addressing; *name; name++) {
        const struct dm_field *field = dm_field_find(pif_class(), *name);
        g_autoptr(GVariant) its = model_get(txn_model(undo_txn(undo)), from, field);
        g_autoptr(GVariant) empty = dm_field_default(field);
        undo_set(undo, to, *name, its);
        undo_set(undo, from, *name, empty);
    }
}

/* A VLAN has its name, MAC and link from the PIF below. */
static void
move_vlans(struct undo *undo, const char *from, const char *to)
{
    static const char *const copied[] = {"device", "MAC", "metrics"};
    const struct model *model = txn_model(undo_txn(undo));
    g_autoptr(GPtrArray) vlans = pif_vlans(model, from);

    for (guint i = 0; i < vlans->len; i++) {
        g_autofree char *above = model_get_string(model, vlans->pdata[i], "untagged_PIF");
        undo_set(undo, vlans->pdata[i], "tagged_PIF", g_variant_new_string(to));
        for (gsize k = 0; k < G_N_ELEMENTS(copied) && model_has(model, pif_class(), above); k++) {
            g_autoptr(GVariant) value =
                txn_get(undo_txn(undo), to, dm_field_find(pif_class(), copied[k]));
            undo_set(undo, above, copied[k], value);
        }
    }
}

/* The caller has seen to it that none of them is attached. */
static void
move_cards(struct undo *undo, const char *from, const char *to)
{
    g_autoptr(GPtrArray) cards = model_referrers(
        txn_model(undo_txn(undo)), from, dm_field_find(dm_class_find("VIF", false), "network"));

    for (guint i = 0; i < cards->len; i++)
        undo_set(undo, cards->pdata[i], "network", g_variant_new_string(to));
}

/* ---- a new one ---- */

/* The first of bond0, bond1 … that no PIF of the host has.  The caller frees. */
static char *
free_device(const struct model *model, const char *host)
{
    for (guint number = 0;; number++) {
        g_autofree char *device = g_strdup_printf(DEVICE, number);
        g_autofree char *pif = pif_of_device(model, host, device);
        if (!pif)
            return g_steal_pointer(&device);
    }
}

static bool
any(const struct model *model, const char *const *members, const char *field)
{
    for (gsize i = 0; members[i]; i++)
        if (model_get_bool(model, members[i], field))
            return true;
    return false;
}

static const char *
create_master(struct txn *txn, const char *network, const char *const *members, const char *mac,
              GError **error)
{
    const struct model *model = txn_model(txn);
    g_autoptr(GVariant) none = g_variant_ref_sink(g_variant_new("a{sv}", NULL));
    const char *metrics = txn_create(txn, metrics_class(), NULL, none, error);
    g_autofree char *host = model_get_string(model, members[0], "host");
    g_autofree char *own = model_get_string(model, members[0], "MAC");
    g_autofree char *device = free_device(model, host);
    GVariantDict fields;

    if (!metrics)
        return NULL;
    g_variant_dict_init(&fields, NULL);
    g_variant_dict_insert(&fields, "device", "s", device);
    g_variant_dict_insert(&fields, "MAC", "s", *mac ? mac : own);
    g_variant_dict_insert(&fields, "MTU", "x", network_mtu(model, network));
    g_variant_dict_insert(&fields, "VLAN", "x", (gint64)VLAN_NONE);
    g_variant_dict_insert(&fields, "host", "s", host);
    g_variant_dict_insert(&fields, "network", "s", network);
    g_variant_dict_insert(&fields, "metrics", "s", metrics);
    g_variant_dict_insert(&fields, "managed", "b", TRUE);
    g_variant_dict_insert(&fields, "currently_attached", "b",
                          any(model, members, "currently_attached"));
    g_variant_dict_insert(&fields, "disallow_unplug", "b", any(model, members, "disallow_unplug"));
    return txn_create(txn, pif_class(), NULL, g_variant_dict_end(&fields), error);
}

static void
move_to_master(struct undo *undo, const char *member, const char *master, const char *network)
{
    const struct model *model = txn_model(undo_txn(undo));
    g_autofree char *its = model_get_string(model, member, "network");

    if (pif_has_addresses(model, member))
        move_addresses(undo, member, master);
    move_vlans(undo, member, master);
    move_cards(undo, its, network);
    set_flag(undo, member, "currently_attached", false);
    set_flag(undo, member, "disallow_unplug", false);
}

const char *
bond_create(struct undo *undo, const char *network, const char *const *members,
            const struct bond_wanted *wanted, const char **ret_master, GError **error)
{
    struct txn *txn = undo_txn(undo);
    const char *master = create_master(txn, network, members, wanted->mac, error), *bond;
    GVariantDict fields;

    if (!master)
        return NULL;
    g_variant_dict_init(&fields, NULL);
    g_variant_dict_insert(&fields, "master", "s", master);
    g_variant_dict_insert(&fields, "primary_slave", "s", members[0]);
    g_variant_dict_insert(&fields, "mode", "s", wanted->mode);
    g_variant_dict_insert_value(&fields, "properties",
                                bond_properties(wanted->mode, wanted->properties));
    g_variant_dict_insert(&fields, "auto_update_mac", "b", *wanted->mac == '\0');
    bond = txn_create(txn, bond_class(), NULL, g_variant_dict_end(&fields), error);
    if (!bond)
        return NULL;
    for (gsize i = 0; members[i]; i++) {
        move_to_master(undo, members[i], master, network);
        undo_set(undo, members[i], "bond_slave_of", g_variant_new_string(bond));
    }
    bond_refresh(txn, bond);
    *ret_master = master;
    return bond;
}

/* ---- the end ---- */

bool
bond_end_rows(struct txn *txn, const char *bond, GError **error)
{
    const struct model *model = txn_model(txn);
    g_autofree char *master = model_get_string(model, bond, "master");
    g_autofree char *metrics = model_get_string(model, master, "metrics");

    return txn_destroy(txn, bond, error) && txn_destroy(txn, metrics, error) &&
           txn_destroy(txn, master, error);
}

bool
bond_destroy(struct txn *txn, const char *bond, GError **error)
{
    const struct model *model = txn_model(txn);
    g_autofree char *master = model_get_string(model, bond, "master");
    g_autofree char *primary = model_get_string(model, bond, "primary_slave");
    g_autofree char *network = model_get_string(model, master, "network");
    struct undo *undo = undo_new(txn); /* of no use: the bond is gone */
    g_autofree char *its = model_get_string(model, primary, "network");

    if (pif_has_addresses(model, master))
        move_addresses(undo, master, primary);
    move_vlans(undo, master, primary);
    move_cards(undo, network, its);
    set_flag(undo, primary, "currently_attached",
             model_get_bool(model, master, "currently_attached"));
    set_flag(undo, primary, "disallow_unplug", model_get_bool(model, master, "disallow_unplug"));
    undo_free(undo);
    return bond_end_rows(txn, bond, error);
}

/* ---- facts ---- */

struct links {
    gint64 up, sum, best; /* Mbit/s of those that are up */
    bool all_duplex;
};

static void
add_link(struct txn *txn, const char *pif, struct links *links)
{
    g_autofree char *metrics = model_get_string(txn_model(txn), pif, "metrics");

    if (!txn_has(txn, metrics_class(), metrics))
        return;
    g_autoptr(GVariant) carrier = txn_get(txn, metrics, dm_field_find(metrics_class(), "carrier"));
    g_autoptr(GVariant) speed = txn_get(txn, metrics, dm_field_find(metrics_class(), "speed"));
    g_autoptr(GVariant) duplex = txn_get(txn, metrics, dm_field_find(metrics_class(), "duplex"));
    if (!g_variant_get_boolean(carrier))
        return;
    links->up++;
    links->sum += g_variant_get_int64(speed);
    links->best = MAX(links->best, g_variant_get_int64(speed));
    links->all_duplex = links->all_duplex && g_variant_get_boolean(duplex);
}

/* Of one that waits for another to fail only one link carries anything. */
static void
set_metrics(struct txn *txn, const char *bond, const char *metrics, const struct links *links)
{
    static const char *const fields[] = {"speed", "carrier", "duplex"};
    g_autoptr(GVariant) mode = txn_get(txn, bond, dm_field_find(bond_class(), "mode"));
    bool one = g_str_equal(g_variant_get_string(mode, NULL), "active-backup");
    GVariant *values[] = {g_variant_new_int64(one ? links->best : links->sum),
                          g_variant_new_boolean(links->up > 0),
                          g_variant_new_boolean(links->up > 0 && links->all_duplex)};
    bool changed = false;

    for (gsize i = 0; i < G_N_ELEMENTS(values); i++) {
        g_autoptr(GVariant) value = g_variant_ref_sink(values[i]);
        g_autoptr(GVariant) was = txn_get(txn, metrics, dm_field_find(metrics_class(), fields[i]));
        changed = changed || !g_variant_equal(was, value);
        txn_set_value(txn, metrics, fields[i], value);
    }
    if (changed)
        txn_set_value(txn, metrics, "last_updated", g_variant_new_int64(g_get_real_time()));
}

void
bond_refresh(struct txn *txn, const char *bond)
{
    g_autoptr(GVariant) master = txn_get(txn, bond, dm_field_find(bond_class(), "master"));
    g_autoptr(GVariant) members = txn_get(txn, bond, dm_field_find(bond_class(), "slaves"));
    const char *ref = g_variant_get_string(master, NULL);
    g_autofree const char **all = g_variant_get_strv(members, NULL);
    struct links links = {.all_duplex = true};

    for (gsize i = 0; all[i]; i++)
        add_link(txn, all[i], &links);
    g_autoptr(GVariant) metrics = txn_get(txn, ref, dm_field_find(pif_class(), "metrics"));
    set_metrics(txn, bond, g_variant_get_string(metrics, NULL), &links);
    txn_set_value(txn, bond, "links_up", g_variant_new_int64(links.up));
}
