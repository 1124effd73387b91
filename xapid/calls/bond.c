/* Class Bond.  The rows first: they say what is to be, and this host's networks are made so; when
 * the host cannot, the rows become what they were. */
#include "config.h"

#include "lib/error.h"
#include "lib/faults.h"
#include "lib/log.h"
#include "xapid/calls/call.h"

/* ---- what the host makes of it ---- */

struct bonding {
    struct call *call;
    struct undo *undo; /* what the call has changed */
    char *bond, *master, *member, *bridge;
    bool is_new;
    guint vlans; /* on the master of a new one */
};

static void
bonding_free(struct bonding *bonding)
{
    undo_free(bonding->undo);
    g_free(bonding->bond);
    g_free(bonding->master);
    g_free(bonding->member);
    g_free(bonding->bridge);
    g_free(bonding);
}

static void
restored(const GError *error, const char *outcome, void *data)
{
    (void)outcome;
    (void)data;
    if (error)
        log_warning("networks after a bond that failed: %s", error->message);
}

/* A new bond that has got VLANs of its own meanwhile ends as any other. */
static bool
take_back_rows(const struct bonding *bonding, struct txn *txn, GError **error)
{
    const struct model *model = txn_model(txn);
    bool is_there = model_has(model, bond_class(), bonding->bond);

    if (!is_there)
        return true;
    g_autoptr(GPtrArray) vlans = pif_vlans(model, bonding->master);
    if (bonding->is_new && vlans->len != bonding->vlans)
        return bond_destroy(txn, bonding->bond, error);
    undo_all(bonding->undo, txn);
    return !bonding->is_new || bond_end_rows(txn, bonding->bond, error);
}

static void
take_back(const struct bonding *bonding)
{
    struct api *api = bonding->call->api;
    g_autoptr(GError) failed = NULL;
    struct txn *txn = model_begin(api->model, &failed);

    if (txn && take_back_rows(bonding, txn, &failed)) {
        if (txn_commit(txn, &failed))
            uplinks_apply(api, "", restored, NULL);
    } else if (txn) {
        txn_abort(txn);
    }
    if (failed)
        log_warning("%s could not be made and stays: %s", bonding->bond, failed->message);
}

static void
made(const GError *error, const char *outcome, void *data)
{
    struct bonding *bonding = data;
    struct call *call = bonding->call;
    GError *failed = pif_outcome_error(bonding->member, bonding->bridge, error, outcome);

    if (failed || !FAULT_POINT("bond.after", &failed)) {
        take_back(bonding);
        call_fail(call, failed);
    } else if (bonding->is_new) {
        call_return_ref(call, bonding->bond);
    } else {
        call_return(call, NULL);
    }
    bonding_free(bonding);
}

static void
wait_for_host(struct bonding *bonding)
{
    struct api *api = bonding->call->api;
    const struct model *model = api->model;

    bonding->master = model_get_string(model, bonding->bond, "master");
    bonding->member = model_get_string(model, bonding->bond, "primary_slave");
    g_autofree char *network = model_get_string(model, bonding->master, "network");
    g_autoptr(GPtrArray) vlans = pif_vlans(model, bonding->master);
    bonding->bridge = model_get_string(model, network, "bridge");
    bonding->vlans = vlans->len;
    if (model_get_bool(model, bonding->master, "currently_attached"))
        uplinks_apply(api, network, made, bonding);
    else
        made(NULL, "ready", bonding);
}

/* Takes undo, and commits its transaction. */
static void
make(struct call *call, struct undo *undo, const char *bond, bool is_new)
{
    struct bonding *bonding = g_new0(struct bonding, 1);
    GError *error = NULL;

    *bonding = (struct bonding){call, undo, .bond = g_strdup(bond), .is_new = is_new};
    if (!FAULT_POINT("bond.before", &error)) {
        call_abort(call, undo_txn(undo), error);
        bonding_free(bonding);
    } else if (!txn_commit(undo_txn(undo), &error)) {
        call_fail(call, error);
        bonding_free(bonding);
    } else {
        wait_for_host(bonding);
    }
}

/* ---- a new one ---- */

static bool
may_create(struct call *call, const char *const *members, const char *mac, GError **error)
{
    const struct model *model = call->api->model;

    if (*mac && !vif_mac_is_valid(mac)) {
        api_error_set(error, "MAC_INVALID", mac, NULL);
        return false;
    }
    if (!bond_check(model, call_ref(call, 0), members, error) ||
        !bond_check_settings(model, call->api->host, call_string(call, 3), call->args[4], error))
        return false;
    /* What a running guest has does not change its network by itself. */
    for (gsize i = 0; members[i]; i++)
        if (!pif_has_no_cards(model, members[i], error))
            return false;
    return call_may_wait(call, error);
}

static void
create(struct call *call)
{
    g_autofree const char **members = g_variant_get_strv(call->args[1], NULL);
    const struct bond_wanted wanted = {call_string(call, 2), call_string(call, 3), call->args[4]};
    const char *bond, *master;
    GError *error = NULL;
    struct txn *txn;

    if (!call_has_row(call, network_class(), call_ref(call, 0)))
        return;
    for (gsize i = 0; members[i]; i++)
        if (!call_has_row(call, pif_class(), members[i]))
            return;
    if (!may_create(call, members, wanted.mac, &error)) {
        call_fail(call, error);
        return;
    }
    if (!(txn = call_begin(call)))
        return;
    struct undo *undo = undo_new(txn);
    bond = bond_create(undo, call_ref(call, 0), members, &wanted, &master, &error);
    if (!bond) {
        undo_free(undo);
        call_abort(call, txn, error);
        return;
    }
    g_autofree char *ref = g_strdup(bond);
    make(call, undo, ref, true);
}

/* ---- changes ---- */

static void
change(struct call *call, const char *mode, GVariant *properties)
{
    const char *bond = call_ref(call, 0);
    GError *error = NULL;
    struct undo *undo;
    struct txn *txn;

    if (!bond_check_settings(call->api->model, call->api->host, mode, properties, &error) ||
        !call_may_wait(call, &error)) {
        call_fail(call, error);
        return;
    }
    if (!(txn = call_begin(call)))
        return;
    undo = undo_new(txn);
    undo_set(undo, bond, "mode", g_variant_new_string(mode));
    undo_set(undo, bond, "properties", properties);
    bond_refresh(txn, bond);
    make(call, undo, bond, false);
}

static GVariant *
properties_of(const struct call *call)
{
    return model_get(call->api->model, call_ref(call, 0),
                     dm_field_find(bond_class(), "properties"));
}

static void
set_mode(struct call *call)
{
    const char *mode = call_string(call, 1);
    g_autoptr(GVariant) had = properties_of(call);
    g_autoptr(GVariant) has = g_variant_ref_sink(bond_properties(mode, had));

    change(call, mode, has);
}

static void
set_property(struct call *call)
{
    g_autofree char *mode = model_get_string(call->api->model, call_ref(call, 0), "mode");
    g_autoptr(GVariant) had = properties_of(call);
    GVariantBuilder builder;
    const char *name, *value;
    GVariantIter iter;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("a{ss}"));
    g_variant_iter_init(&iter, had);
    while (g_variant_iter_next(&iter, "{&s&s}", &name, &value))
        if (!g_str_equal(name, call_string(call, 1)))
            g_variant_builder_add(&builder, "{ss}", name, value);
    g_variant_builder_add(&builder, "{ss}", call_string(call, 1), call_string(call, 2));
    g_autoptr(GVariant) has = g_variant_ref_sink(g_variant_builder_end(&builder));
    change(call, mode, has);
}

/* ---- the end ---- */

static bool
may_destroy(struct call *call, const char *master, GError **error)
{
    const struct model *model = call->api->model;

    if (model_get_bool(model, master, "management"))
        api_error_set(error, "PIF_IS_MANAGEMENT_INTERFACE", master, NULL);
    else if (model_get_bool(model, master, "disallow_unplug"))
        api_error_set(error, "PIF_DOES_NOT_ALLOW_UNPLUG", master, NULL);
    else
        return pif_has_no_cards(model, master, error) && call_may_wait(call, error);
    return false;
}

static void
ended(const GError *error, const char *outcome, void *data)
{
    struct call *call = data;

    (void)outcome; /* of what the primary member leads to: it is as if plugged at a boot */
    if (error)
        log_warning("networks after the end of a bond: %s", error->message);
    call_return(call, NULL);
}

static void
destroy(struct call *call)
{
    struct model *model = call->api->model;
    const char *bond = call_ref(call, 0);
    g_autofree char *master = model_get_string(model, bond, "master");
    GError *error = NULL;
    struct txn *txn;

    if (!may_destroy(call, master, &error)) {
        call_fail(call, error);
        return;
    }
    if (!(txn = call_begin(call)))
        return;
    if (!bond_destroy(txn, bond, &error))
        call_abort(call, txn, error);
    else if (!txn_commit(txn, &error))
        call_fail(call, error);
    else
        uplinks_apply(call->api, "", ended, call);
}

const struct call_impl calls_bond[] = {
    {"Bond.create", create},
    {"Bond.destroy", destroy},
    {"Bond.set_mode", set_mode},
    {"Bond.set_property", set_property},
    {NULL, NULL},
};
