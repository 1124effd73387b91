/* Class VIF: what a card's guest may send, and the same of networks. */
#include "config.h"

#include "lib/error.h"
#include "xapid/calls/call.h"

/* Of a card that no guest has now. */
static void
write_fields(struct call *call, GVariant *changes)
{
    struct model *model = call->api->model;
    const char *vif = call_ref(call, 0), *field;
    GError *error = NULL;
    GVariantIter iter;
    GVariant *value;
    struct txn *txn;

    if (!vm_device_is_idle(model, vif, &error)) {
        call_fail(call, error);
        return;
    }
    if (!(txn = call_begin(call)))
        return;
    g_variant_iter_init(&iter, changes);
    while (g_variant_iter_next(&iter, "{&sv}", &field, &value)) {
        txn_set_value(txn, vif, field, value);
        g_variant_unref(value);
    }
    call_commit(call, txn, NULL);
}

void
vif_change(struct call *call, const char *field, GVariant *value)
{
    const char *vif = call_ref(call, 0);
    GError *error = NULL;
    GVariantDict dict;

    g_variant_dict_init(&dict, NULL);
    g_variant_dict_insert_value(&dict, field, value);
    g_autoptr(GVariant) changes = g_variant_ref_sink(g_variant_dict_end(&dict));
    if (!model_get_bool(call->api->model, vif, "currently_attached")) {
        write_fields(call, changes);
        return;
    }
    struct plan *plan = vif_plan_change(call->api->vm, vif, changes, &error);
    call_run_plan(call, plan, error);
}

static void
set_locking_mode(struct call *call)
{
    vif_change(call, "locking_mode", g_variant_new_string(call_string(call, 1)));
}

/* ---- addresses ---- */

static void
change_addresses(struct call *call, const char *field, GVariant *addresses)
{
    g_autoptr(GVariant) sunk = g_variant_take_ref(addresses);
    GError *error = NULL;
    g_autoptr(GVariant) kept = vif_addresses(field, sunk, &error);

    if (kept)
        vif_change(call, field, kept);
    else
        call_fail(call, error);
}

/* The card's own without the one that the call names, which is behind them if it is `added`. */
static GVariant *
addresses_with(struct call *call, const char *field, bool added)
{
    g_autoptr(GVariant) now =
        model_get(call->api->model, call_ref(call, 0), dm_field_find(call->message->cls, field));
    g_autofree const char **words = g_variant_get_strv(now, NULL);
    GVariantBuilder out;

    g_variant_builder_init(&out, G_VARIANT_TYPE("as"));
    for (gsize i = 0; words[i]; i++)
        if (!g_str_equal(words[i], call_string(call, 1)))
            g_variant_builder_add(&out, "s", words[i]);
    if (added)
        g_variant_builder_add(&out, "s", call_string(call, 1));
    return g_variant_builder_end(&out);
}

static void
set_ipv4_allowed(struct call *call)
{
    change_addresses(call, "ipv4_allowed", g_variant_ref(call->args[1]));
}

static void
add_ipv4_allowed(struct call *call)
{
    change_addresses(call, "ipv4_allowed", addresses_with(call, "ipv4_allowed", true));
}

static void
remove_ipv4_allowed(struct call *call)
{
    change_addresses(call, "ipv4_allowed", addresses_with(call, "ipv4_allowed", false));
}

static void
set_ipv6_allowed(struct call *call)
{
    change_addresses(call, "ipv6_allowed", g_variant_ref(call->args[1]));
}

static void
add_ipv6_allowed(struct call *call)
{
    change_addresses(call, "ipv6_allowed", addresses_with(call, "ipv6_allowed", true));
}

static void
remove_ipv6_allowed(struct call *call)
{
    change_addresses(call, "ipv6_allowed", addresses_with(call, "ipv6_allowed", false));
}

/* ---- networks ---- */

/* Cards that a guest has, or is being given, keep what they may do. */
static bool
check_default(struct call *call, const char *network, GError **error)
{
    struct model *model = call->api->model;
    g_autoptr(GPtrArray) vifs =
        model_referrers(model, network, dm_field_find(vif_class(), "network"));

    for (guint i = 0; i < vifs->len; i++) {
        const char *vif = vifs->pdata[i];
        g_autofree char *mode = model_get_string(model, vif, "locking_mode");
        if (!vm_device_is_idle(model, vif, error))
            return false;
        if (!g_str_equal(mode, "network_default") ||
            !model_get_bool(model, vif, "currently_attached"))
            continue;
        api_error_set(error, "VIF_IN_USE", network, vif, NULL);
        return false;
    }
    return network_awaits_none(model, error);
}

static void
set_default_locking_mode(struct call *call)
{
    GError *error = NULL;

    if (check_default(call, call_ref(call, 0), &error))
        generic_write_field(call);
    else
        call_fail(call, error);
}

const struct call_impl calls_vif_lock[] = {
    {"VIF.set_locking_mode", set_locking_mode},
    {"VIF.set_ipv4_allowed", set_ipv4_allowed},
    {"VIF.add_ipv4_allowed", add_ipv4_allowed},
    {"VIF.remove_ipv4_allowed", remove_ipv4_allowed},
    {"VIF.set_ipv6_allowed", set_ipv6_allowed},
    {"VIF.add_ipv6_allowed", add_ipv6_allowed},
    {"VIF.remove_ipv6_allowed", remove_ipv6_allowed},
    {"network.set_default_locking_mode", set_default_locking_mode},
    {NULL, NULL},
};
