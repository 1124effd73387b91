/* Class network.  Its bridge is made when a VM's card first needs it (vm/nics.c), and removed with
 * it. */
#include "config.h"

#include <string.h>

#include "lib/bridge-name.h"
#include "lib/error.h"
#include "lib/log.h"
#include "xapid/calls/call.h"

#define DEFAULT_MTU 1500

/* ---- making ---- */

static bool
is_taken(const struct model *model, const char *bridge)
{
    g_autoptr(GPtrArray) all = model_all(model, network_class());

    for (guint i = 0; i < all->len; i++) {
        g_autofree char *its = model_get_string(model, all->pdata[i], "bridge");
        if (g_str_equal(its, bridge))
            return true;
    }
    return false;
}

/* The first of xapi0, xapi1 … that no network has. */
static char *
free_bridge(const struct model *model)
{
    for (guint number = 0;; number++) {
        g_autofree char *bridge = g_strdup_printf("xapi%u", number);
        if (!is_taken(model, bridge))
            return g_steal_pointer(&bridge);
    }
}

/* "": the server names it, which it cannot if the administrator makes it. */
static bool
check_bridge(const struct model *model, const char *bridge, bool managed, GError **error)
{
    if (*bridge ? !bridge_name_is_valid(bridge) : !managed)
        api_error_set(error, "INVALID_VALUE", "bridge", bridge, NULL);
    else if (*bridge && is_taken(model, bridge))
        api_error_set(error, "BRIDGE_NAME_EXISTS", bridge, NULL);
    else
        return true;
    return false;
}

static void
create(struct call *call)
{
    g_autoptr(GVariant) given =
        g_variant_ref_sink(generic_constructor(call->message->cls, call->args[0]));
    const char *bridge = "";
    gboolean managed = TRUE;
    gint64 mtu = DEFAULT_MTU;
    GError *error = NULL;
    GVariantDict fields;
    struct txn *txn;

    g_variant_lookup(given, "bridge", "&s", &bridge);
    g_variant_lookup(given, "managed", "b", &managed);
    g_variant_lookup(given, "MTU", "x", &mtu);
    if (mtu == 0)
        mtu = DEFAULT_MTU; /* as clients say that they do not care */
    if (!generic_check_new(call, given, &error) ||
        !check_bridge(call->api->model, bridge, managed, &error) ||
        !network_check_mtu(mtu, &error)) {
        call_fail(call, error);
        return;
    }
    if (!(txn = call_begin(call)))
        return;
    g_autofree char *name = *bridge ? g_strdup(bridge) : free_bridge(call->api->model);
    g_variant_dict_init(&fields, given);
    g_variant_dict_insert(&fields, "bridge", "s", name);
    g_variant_dict_insert(&fields, "MTU", "x", mtu);
    const char *network =
        txn_create(txn, call->message->cls, NULL, g_variant_dict_end(&fields), &error);
    if (!network) {
        call_abort(call, txn, error);
        return;
    }
    call_commit(call, txn, g_variant_new_string(network));
}

/* ---- removing ---- */

static GPtrArray *
members(const struct model *model, const char *network, const char *cls)
{
    return model_referrers(model, network, dm_field_find(dm_class_find(cls, false), "network"));
}

/* code with those of `refs` for its parameters. */
static bool
refuse(GError **error, const char *code, GPtrArray *refs)
{
    g_ptr_array_add(refs, NULL);
    g_propagate_error(error, api_error_newv(code, (const char *const *)refs->pdata));
    return false;
}

/* What a guest has now, or is being given, keeps its network. */
static bool
check_unused(const struct model *model, const char *network, GError **error)
{
    g_autoptr(GPtrArray) pifs = members(model, network, "PIF");
    g_autoptr(GPtrArray) vifs = members(model, network, "VIF");
    g_autoptr(GPtrArray) attached = g_ptr_array_new();

    for (guint i = 0; i < vifs->len; i++) {
        g_autofree char *vm = model_get_string(model, vifs->pdata[i], "VM");
        if (!ops_none_shown(model, vm, error) || !ops_none_shown(model, vifs->pdata[i], error))
            return false;
        if (model_get_bool(model, vifs->pdata[i], "currently_attached"))
            g_ptr_array_add(attached, vifs->pdata[i]);
    }
    if (!network_awaits_none(model, error))
        return false;
    if (attached->len)
        return refuse(error, "NETWORK_CONTAINS_VIF", attached);
    return !pifs->len || refuse(error, "NETWORK_CONTAINS_PIF", pifs);
}

/* One that could not be removed is taken up again by the next network of that name. */
static void
bridge_removed(const GError *error, GVariant *result, void *data)
{
    g_autofree char *bridge = data;

    (void)result;
    if (error)
        log_warning("removing the bridge %s: %s", bridge, error->message);
}

static bool
destroy_rows(struct call *call, struct txn *txn, GError **error)
{
    const char *network = call_ref(call, 0);
    g_autoptr(GPtrArray) vifs = members(call->api->model, network, "VIF");

    for (guint i = 0; i < vifs->len; i++)
        if (!txn_destroy(txn, vifs->pdata[i], error))
            return false;
    return txn_destroy(txn, network, error);
}

/* With the cards on it, as in XAPI. */
static void
destroy(struct call *call)
{
    struct model *model = call->api->model;
    struct hostd *hostd = call->api->hostd;
    const char *network = call_ref(call, 0);
    g_autofree char *bridge = model_get_string(model, network, "bridge");
    bool managed = model_get_bool(model, network, "managed");
    GError *error = NULL;
    struct txn *txn;

    if (!check_unused(model, network, &error)) {
        call_fail(call, error);
        return;
    }
    if (!(txn = call_begin(call)))
        return;
    if (!destroy_rows(call, txn, &error)) {
        call_abort(call, txn, error);
        return;
    }
    call_commit(call, txn, NULL);
    if (managed)
        hostd_remove_bridge(hostd, bridge, bridge_removed, g_strdup(bridge));
}

const struct call_impl calls_network[] = {
    {"network.create", create},
    {"network.destroy", destroy},
    {NULL, NULL},
};
