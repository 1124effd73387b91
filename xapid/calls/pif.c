/* Class PIF: the interfaces by which this host has a part in networks. */
#include "config.h"

#include <string.h>

#include "lib/bridge-name.h"
#include "lib/error.h"
#include "lib/log.h"
#include "xapid/calls/call.h"
#include "xapid/calls/safe-change.h"

/* ---- plugging ---- */

struct plugging {
    struct api *api;
    struct call *call;
    char *pif, *bridge;
    GVariant *value;
    bool is_new;
};

static void
plugging_end(struct plugging *plugging)
{
    uplinks_release(plugging->api);
    g_free(plugging->pif);
    g_free(plugging->bridge);
    if (plugging->value)
        g_variant_unref(plugging->value);
    g_free(plugging);
}

/* Nothing half done is left: a PIF that was made for this goes, and what leads out of its bridge.
 */
static void
plug_failed(struct plugging *plugging, GError *error)
{
    struct model *model = plugging->api->model;
    const char *pif = plugging->pif;
    bool is_there = model_has(model, pif_class(), pif);
    g_autoptr(GError) failed = NULL;
    struct txn *txn;

    if (!is_there || !model_get_bool(model, pif, "currently_attached"))
        network_remove_bridge(plugging->api, plugging->bridge);
    if (plugging->is_new && is_there && (txn = model_begin(model, &failed))) {
        if (pif_destroy(txn, pif, &failed))
            txn_commit(txn, &failed);
        else
            txn_abort(txn);
    }
    if (failed)
        log_warning("%s was not plugged and stays: %s", pif, failed->message);
    call_fail(plugging->call, error);
    plugging_end(plugging);
}

GError *
pif_outcome_error(const char *pif, const char *bridge, const GError *error, const char *outcome)
{
    if (error)
        return api_error_new("PIF_CONFIGURATION_ERROR", pif, error->message, NULL);
    if (g_str_equal(outcome, "ready"))
        return NULL;
    if (g_str_equal(outcome, "no-uplink"))
        return api_error_new("PIF_DEVICE_NOT_FOUND", NULL);
    if (g_str_equal(outcome, "uplink-used"))
        return api_error_new("PIF_CONFIGURATION_ERROR", pif,
                             "the host has an address on the interface, or it is part of "
                             "something else, or something else has the tag",
                             NULL);
    if (g_str_equal(outcome, "failed"))
        return api_error_new("PIF_CONFIGURATION_ERROR", pif, "the host's log says why", NULL);
    return api_error_new("BRIDGE_NOT_AVAILABLE", bridge, NULL);
}

/* NULL: it is plugged. */
static GError *
error_of(const struct plugging *plugging, const GError *error, GVariant *result)
{
    const struct model *model = plugging->api->model;
    const char *outcome = "";

    if (!error && !model_has(model, pif_class(), plugging->pif))
        return api_error_new("HANDLE_INVALID", "PIF", plugging->pif, NULL);
    if (!error && pif_is_bonded(model, plugging->pif)) /* meanwhile */
        return api_error_new("CANNOT_PLUG_BOND_SLAVE", plugging->pif, NULL);
    if (result)
        g_variant_get(result, "(&s)", &outcome);
    return pif_outcome_error(plugging->pif, plugging->bridge, error, outcome);
}

static void
plugged(const GError *error, GVariant *result, void *data)
{
    struct plugging *plugging = data;
    struct call *call = plugging->call;
    GError *failed = error_of(plugging, error, result);
    struct txn *txn;

    if (failed || !(txn = model_begin(call->api->model, &failed))) {
        plug_failed(plugging, failed);
        return;
    }
    txn_set_value(txn, plugging->pif, "currently_attached", g_variant_new_boolean(TRUE));
    call_commit(call, txn, plugging->value);
    uplinks_apply_addresses(plugging->api, NULL, NULL);
    plugging_end(plugging);
}

void
pif_plug(struct call *call, const char *pif, GVariant *value, bool is_new)
{
    const struct model *model = call->api->model;
    g_autofree char *network = model_get_string(model, pif, "network");
    struct plugging *plugging = g_new0(struct plugging, 1);

    *plugging = (struct plugging){call->api,
                                  call,
                                  g_strdup(pif),
                                  model_get_string(model, network, "bridge"),
                                  value ? g_variant_ref_sink(value) : NULL,
                                  is_new};
    uplinks_hold(call->api);
    hostd_ensure_bridge(call->api->hostd, network_led_out_by(model, network, pif), plugged,
                        plugging);
}

static bool
check_managed(const struct model *model, const char *pif, GError **error)
{
    bool managed = model_get_bool(model, pif, "managed");

    if (!managed)
        api_error_set(error, "PIF_UNMANAGED", pif, NULL);
    return managed;
}

/* A VLAN is plugged when the interface below is. */
static bool
check_below(const struct model *model, const char *pif, GError **error)
{
    g_autofree char *vlan = model_get_string(model, pif, "VLAN_master_of");

    if (!model_has(model, dm_class_find("VLAN", false), vlan))
        return true;
    g_autofree char *below = model_get_string(model, vlan, "tagged_PIF");
    if (model_get_bool(model, below, "currently_attached"))
        return true;
    api_error_set(error, "REQUIRED_PIF_IS_UNPLUGGED", below, NULL);
    return false;
}

static bool
may_plug(struct call *call, const char *pif, GError **error)
{
    const struct model *model = call->api->model;
    g_autofree char *network = model_get_string(model, pif, "network");

    if (pif_is_bonded(model, pif)) {
        api_error_set(error, "CANNOT_PLUG_BOND_SLAVE", pif, NULL);
        return false;
    }
    if (!check_managed(model, pif, error) || !check_below(model, pif, error) ||
        !call_may_wait(call, error))
        return false;
    if (!model_get_bool(model, network, "managed"))
        api_error_set(error, "NETWORK_UNMANAGED", network, NULL);
    return model_get_bool(model, network, "managed");
}

static void
plug(struct call *call)
{
    const char *pif = call_ref(call, 0);
    GError *error = NULL;

    if (!may_plug(call, pif, &error))
        call_fail(call, error);
    else
        pif_plug(call, pif, NULL, false);
}

/* ---- unplugging ---- */

bool
pif_has_no_cards(const struct model *model, const char *pif, GError **error)
{
    g_autofree char *network = model_get_string(model, pif, "network");
    g_autoptr(GPtrArray) cards = network_attached_cards(model, network, error);

    if (cards && cards->len)
        api_error_set(error, "VIF_IN_USE", network, cards->pdata[0], NULL);
    return cards && !cards->len;
}

/* May its interface leave the bridge? */
static bool
may_unplug(const struct model *model, const char *pif, GError **error)
{
    if (model_get_bool(model, pif, "management"))
        api_error_set(error, "PIF_IS_MANAGEMENT_INTERFACE", pif, NULL);
    else if (model_get_bool(model, pif, "disallow_unplug"))
        api_error_set(error, "PIF_DOES_NOT_ALLOW_UNPLUG", pif, NULL);
    else if (pif_has_attached_vlans(model, pif))
        api_error_set(error, "PIF_VLAN_STILL_EXISTS", pif, NULL);
    else
        return safe_change_check_none(model, error) && pif_has_no_cards(model, pif, error);
    return false;
}

struct unplugging {
    struct call *call;
    char *pif;
};

static void
unplugged(const GError *error, GVariant *result, void *data)
{
    struct unplugging *unplugging = data;
    struct call *call = unplugging->call;
    struct model *model = call->api->model;
    g_autoptr(GError) failed = NULL;
    struct txn *txn;

    (void)result;
    if (!error) {
        call_return(call, NULL);
    } else {
        if (model_has(model, pif_class(), unplugging->pif) && (txn = model_begin(model, &failed))) {
            txn_set_value(txn, unplugging->pif, "currently_attached", g_variant_new_boolean(TRUE));
            txn_commit(txn, &failed);
        }
        call_fail(call,
                  api_error_new("PIF_CONFIGURATION_ERROR", unplugging->pif, error->message, NULL));
    }
    g_free(unplugging->pif);
    g_free(unplugging);
}

/* The row first: from then on no guest is put there. */
static void
unplug(struct call *call)
{
    struct model *model = call->api->model;
    const char *pif = call_ref(call, 0);
    GError *error = NULL;
    struct unplugging *unplugging;
    struct txn *txn;

    if (!check_managed(model, pif, &error) || !may_unplug(model, pif, &error) ||
        !call_may_wait(call, &error)) {
        call_fail(call, error);
        return;
    }
    if (!(txn = call_begin(call)))
        return;
    txn_set_value(txn, pif, "currently_attached", g_variant_new_boolean(FALSE));
    if (!txn_commit(txn, &error)) {
        call_fail(call, error);
        return;
    }
    g_autofree char *network = model_get_string(model, pif, "network");
    g_autofree char *bridge = model_get_string(model, network, "bridge");
    unplugging = g_new0(struct unplugging, 1);
    *unplugging = (struct unplugging){call, g_strdup(pif)};
    hostd_remove_bridge(call->api->hostd, bridge, unplugged, unplugging);
}

static void
set_disallow_unplug(struct call *call)
{
    const char *pif = call_ref(call, 0);
    GError *error = NULL;
    struct txn *txn;

    if (!check_managed(call->api->model, pif, &error)) {
        call_fail(call, error);
        return;
    }
    if (!(txn = call_begin(call)))
        return;
    txn_set_value(txn, pif, "disallow_unplug", g_variant_new_boolean(call_bool(call, 1)));
    call_commit(call, txn, NULL);
}

/* ---- the devices of the machine ---- */

/* The answer of Interfaces, or NULL, when the call has failed. */
static GVariant *
interfaces_of(struct call *call, const GError *error, GVariant *result)
{
    if (!error)
        return g_variant_get_child_value(result, 0);
    call_fail(call, g_error_copy(error));
    return NULL;
}

static void
scanned(const GError *error, GVariant *result, void *data)
{
    struct call *call = data;
    struct api *api = call->api;
    g_autoptr(GVariant) interfaces = interfaces_of(call, error, result);
    GError *failed = NULL;

    if (!interfaces)
        return;
    if (pifs_scan(api->model, api->host, api->vm->address, interfaces, true, &failed))
        call_return(call, NULL);
    else
        call_fail(call, failed);
}

static void
ask_interfaces(struct call *call, hostd_done_fn done)
{
    GError *error = NULL;

    if (call_may_wait(call, &error))
        hostd_interfaces(call->api->hostd, done, call);
    else
        call_fail(call, error);
}

static void
scan(struct call *call)
{
    if (call_is_here(call, 0))
        ask_interfaces(call, scanned);
}

static void
introduce_found(const GError *error, GVariant *result, void *data)
{
    struct call *call = data;
    struct api *api = call->api;
    const char *mac = call_string(call, 1), *device = call_string(call, 2);
    g_autoptr(GVariant) interfaces = interfaces_of(call, error, result);
    g_autoptr(GVariant) found = interfaces ? pifs_find(interfaces, device, mac) : NULL;
    g_autofree char *there = pif_of_device(api->model, api->host, device);
    GError *failed = NULL;
    const char *pif;
    struct txn *txn;

    if (!interfaces)
        return;
    if (!found) {
        call_fail_code(
            call, "COULD_NOT_FIND_NETWORK_INTERFACE_WITH_SPECIFIED_DEVICE_NAME_AND_MAC_ADDRESS",
            device, mac, NULL);
        return;
    }
    if (there) {
        call_fail_code(call, "DUPLICATE_PIF_DEVICE_NAME", device, NULL);
        return;
    }
    if (!(txn = call_begin(call)))
        return;
    if (!(pif = pif_introduce(txn, api->host, found, call_bool(call, 3), &failed))) {
        call_abort(call, txn, failed);
        return;
    }
    g_autofree char *ref = g_strdup(pif);
    if (!txn_commit(txn, &failed) ||
        !pifs_refresh(api->model, api->host, api->vm->address, interfaces, &failed))
        call_fail(call, failed);
    else
        call_return_ref(call, ref);
}

static void
introduce(struct call *call)
{
    const char *mac = call_string(call, 1), *device = call_string(call, 2);

    if (!call_is_here(call, 0))
        return;
    if (*mac && !vif_mac_is_valid(mac))
        call_fail_code(call, "MAC_INVALID", mac, NULL);
    else if (!bridge_name_is_valid(device))
        call_fail_code(call, "INVALID_VALUE", "device", device, NULL);
    else
        ask_interfaces(call, introduce_found);
}

/* ---- the end ---- */

static void
destroy_rows(struct call *call, const char *pif)
{
    struct api *api = call->api;
    g_autofree char *network = model_get_string(api->model, pif, "network");
    g_autofree char *bridge = model_get_string(api->model, network, "bridge");
    bool is_ours = model_get_bool(api->model, pif, "managed");
    GError *error = NULL;
    struct txn *txn = call_begin(call);

    if (!txn)
        return;
    if (!pif_destroy(txn, pif, &error)) {
        call_abort(call, txn, error);
        return;
    }
    call_commit(call, txn, NULL);
    if (is_ours)
        network_remove_bridge(api, bridge);
}

static bool
may_forget(const struct model *model, const char *pif, GError **error)
{
    g_autoptr(GVariant) vlans = model_get(model, pif, dm_field_find(pif_class(), "VLAN_slave_of"));

    if (!model_get_bool(model, pif, "physical"))
        api_error_set(error, "PIF_IS_NOT_PHYSICAL", pif, NULL);
    else if (pif_is_bonded(model, pif))
        api_error_set(error, "PIF_ALREADY_BONDED", pif, NULL);
    else if (g_variant_n_children(vlans))
        api_error_set(error, "PIF_VLAN_STILL_EXISTS", pif, NULL);
    else
        return may_unplug(model, pif, error);
    return false;
}

/* Its network stays, as a network without a way out. */
static void
forget(struct call *call)
{
    GError *error = NULL;

    if (may_forget(call->api->model, call_ref(call, 0), &error))
        destroy_rows(call, call_ref(call, 0));
    else
        call_fail(call, error);
}

void
pif_remove_vlan(struct call *call, const char *pif)
{
    GError *error = NULL;

    if (may_unplug(call->api->model, pif, &error))
        destroy_rows(call, pif);
    else
        call_fail(call, error);
}

const struct call_impl calls_pif[] = {
    {"PIF.plug", plug},
    {"PIF.unplug", unplug},
    {"PIF.set_disallow_unplug", set_disallow_unplug},
    {"PIF.scan", scan},
    {"PIF.introduce", introduce},
    {"PIF.forget", forget},
    {NULL, NULL},
};
