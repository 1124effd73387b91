/* The addresses of this host: what PIFs have, and by which of them it is managed.  How a change
 * comes to an end is in safe-change.h. */
#include "config.h"

#include "lib/error.h"
#include "lib/log.h"
#include "xapid/calls/call.h"
#include "xapid/calls/safe-change.h"

/* ---- a change on its way to the host ---- */

struct changing {
    struct api *api;
    struct call *call;
    char *pif;
    bool is_taken; /* its interface was the administrator's */
};

static void
changing_end(struct changing *changing)
{
    uplinks_release(changing->api);
    g_free(changing->pif);
    g_free(changing);
}

static void
failed(struct changing *changing, const char *what)
{
    safe_change_undo(changing->api->change);
    call_fail_code(changing->call, "PIF_CONFIGURATION_ERROR", changing->pif, what, NULL);
    changing_end(changing);
}

static void
applied(const GError *error, void *data)
{
    struct changing *changing = data;

    if (error) {
        failed(changing, error->message);
        return;
    }
    call_return(changing->call, NULL);
    changing_end(changing);
}

static void
in_bridge(const GError *error, GVariant *result, void *data)
{
    struct changing *changing = data;
    const char *outcome = "ready";

    if (!error)
        g_variant_get(result, "(&s)", &outcome);
    if (error || !g_str_equal(outcome, "ready"))
        failed(changing, error ? error->message : outcome);
    else
        uplinks_apply_addresses(changing->api, applied, changing);
}

static void
taken(const GError *error, GVariant *result, void *data)
{
    struct changing *changing = data;
    struct api *api = changing->api;

    (void)result;
    if (error) {
        failed(changing, error->message);
        return;
    }
    if (!model_has(api->model, pif_class(), changing->pif)) {
        failed(changing, "it is no more");
        return;
    }
    g_autofree char *network = model_get_string(api->model, changing->pif, "network");
    hostd_ensure_bridge(api->hostd, network_led_out_by(api->model, network, changing->pif),
                        in_bridge, changing);
}

/* The host is not touched before it is known for good what to go back to. */
static void
recorded(const GError *error, void *data)
{
    struct changing *changing = data;
    struct api *api = changing->api;

    if (error) {
        call_fail(changing->call, g_error_copy(error));
        changing_end(changing);
        return;
    }
    safe_change_begin(api->change);
    if (changing->is_taken) {
        g_autofree char *device = model_get_string(api->model, changing->pif, "device");
        hostd_take_interface(api->hostd, device, taken, changing);
    } else {
        uplinks_apply_addresses(api, applied, changing);
    }
}

/* Takes txn, in which the rows are changed and the record is written. */
static void
change(struct call *call, struct txn *txn, const char *pif, bool is_taken)
{
    struct changing *changing = g_new0(struct changing, 1);
    GError *error = NULL;

    *changing = (struct changing){call->api, call, g_strdup(pif), is_taken};
    uplinks_hold(call->api);
    guint64 generation = txn_commit(txn, &error);
    if (generation) {
        model_when_durable(call->api->model, generation, recorded, changing);
        return;
    }
    call_fail(call, error);
    changing_end(changing);
}

/* ---- PIF.reconfigure_ip and _ipv6 ---- */

static bool
is_none(const char *mode)
{
    return g_str_equal(mode, "None");
}

/* One that nothing but its own address makes the administrator's can be taken over; a bridge or a
 * bond of somebody else's cannot. */
static bool
may_take(const struct model *model, const char *pif)
{
    g_autofree char *network = model_get_string(model, pif, "network");

    return model_get_bool(model, network, "managed") && !pif_is_vlan(model, pif) &&
           pif_has_addresses(model, pif);
}

static bool
check_host(const struct call *call, const char *pif, GError **error)
{
    g_autofree char *host = model_get_string(call->api->model, pif, "host");

    if (!g_str_equal(host, call->api->host))
        api_error_set(error, "PIF_NOT_ATTACHED_TO_HOST", pif, call->api->host, NULL);
    return g_str_equal(host, call->api->host);
}

/* The management interface keeps an address of its primary type. */
static bool
may_lose(const struct model *model, const char *pif, const char *type, GError **error)
{
    g_autofree char *primary = model_get_string(model, pif, "primary_address_type");
    bool is_needed = model_get_bool(model, pif, "management") && g_str_equal(primary, type);

    if (is_needed)
        api_error_set(error, "PIF_IS_MANAGEMENT_INTERFACE", pif, NULL);
    return !is_needed;
}

static bool
may_reconfigure(const struct call *call, const char *pif, const char *mode, const char *type,
                GError **error)
{
    const struct model *model = call->api->model;

    if (!check_host(call, pif, error))
        return false;
    if (pif_is_bonded(model, pif)) {
        api_error_set(error, "CANNOT_PLUG_BOND_SLAVE", pif, NULL);
        return false;
    }
    if (g_str_equal(mode, "DHCP")) {
        api_error_set(error, "NOT_IMPLEMENTED", call->message->full_name, NULL);
        return false;
    }
    if (!model_get_bool(model, pif, "managed") && (is_none(mode) || !may_take(model, pif))) {
        api_error_set(error, "PIF_UNMANAGED", pif, NULL);
        return false;
    }
    return (!is_none(mode) || may_lose(model, pif, type, error)) &&
           safe_change_check_none(model, error) && call_may_wait(call, error);
}

/* What its interface has stays on it, but for what is changed. */
static void
take_rows(struct txn *txn, const char *pif)
{
    static const char *const families[][2] = {{"ip_configuration_mode", "Static"},
                                              {"ipv6_configuration_mode", "Static"}};
    const struct model *model = txn_model(txn);

    txn_set_value(txn, pif, "managed", g_variant_new_boolean(TRUE));
    txn_set_value(txn, pif, "currently_attached", g_variant_new_boolean(TRUE));
    for (gsize i = 0; i < G_N_ELEMENTS(families); i++) {
        g_autofree char *mode = model_get_string(model, pif, families[i][0]);
        if (!is_none(mode))
            txn_set_string(txn, pif, families[i][0], families[i][1]);
    }
}

typedef void (*set_fn)(struct txn *txn, const char *pif, const void *wanted);

/* One that is not plugged gets its addresses when it is. */
static void
reconfigure(struct call *call, const char *pif, set_fn set, const void *wanted)
{
    const struct model *model = call->api->model;
    bool is_taken = !model_get_bool(model, pif, "managed");
    const struct safe_change_before before = {.pifs = {pif},
                                              .is_guarded =
                                                  model_get_bool(model, pif, "management"),
                                              .is_taken = is_taken};
    struct txn *txn = call_begin(call);

    if (!txn)
        return;
    if (is_taken)
        take_rows(txn, pif);
    set(txn, pif, wanted);
    if (!is_taken && !model_get_bool(model, pif, "currently_attached")) {
        call_commit(call, txn, NULL);
        return;
    }
    safe_change_record(call->api->change, txn, &before);
    change(call, txn, pif, is_taken);
}

static void
set_ipv4(struct txn *txn, const char *pif, const void *wanted)
{
    addressing_set_ipv4(txn, pif, wanted);
}

static void
set_ipv6(struct txn *txn, const char *pif, const void *wanted)
{
    addressing_set_ipv6(txn, pif, wanted);
}

static void
reconfigure_ip(struct call *call)
{
    const char *pif = call_ref(call, 0);
    const struct addressing_ipv4 wanted = {call_string(call, 1), call_string(call, 2),
                                           call_string(call, 3), call_string(call, 4),
                                           call_string(call, 5)};
    GError *error = NULL;

    if (may_reconfigure(call, pif, wanted.mode, "IPv4", &error) &&
        addressing_check_ipv4(&wanted, &error))
        reconfigure(call, pif, set_ipv4, &wanted);
    else
        call_fail(call, error);
}

static void
reconfigure_ipv6(struct call *call)
{
    const char *pif = call_ref(call, 0);
    const struct addressing_ipv6 wanted = {call_string(call, 1), call_string(call, 2),
                                           call_string(call, 3), call_string(call, 4)};
    GError *error = NULL;

    if (may_reconfigure(call, pif, wanted.mode, "IPv6", &error) &&
        addressing_check_ipv6(&wanted, &error))
        reconfigure(call, pif, set_ipv6, &wanted);
    else
        call_fail(call, error);
}

/* ---- management ---- */

static bool
has_mode(const struct model *model, const char *pif, const char *field)
{
    g_autofree char *mode = model_get_string(model, pif, field);

    return !is_none(mode);
}

/* Has it an address of the type? */
static bool
check_type(const struct model *model, const char *pif, const char *type, GError **error)
{
    bool is_ipv6 = g_str_equal(type, "IPv6");

    if (has_mode(model, pif, is_ipv6 ? "ipv6_configuration_mode" : "ip_configuration_mode"))
        return true;
    if (is_ipv6)
        api_error_set(error, "PIF_HAS_NO_V6_NETWORK_CONFIGURATION", pif, NULL);
    else
        api_error_set(error, "PIF_HAS_NO_NETWORK_CONFIGURATION", pif, NULL);
    return false;
}

static bool
may_manage(const struct call *call, const char *pif, GError **error)
{
    const struct model *model = call->api->model;
    g_autofree char *type = model_get_string(model, pif, "primary_address_type");

    if (!check_host(call, pif, error))
        return false;
    if (!model_get_bool(model, pif, "managed"))
        api_error_set(error, "PIF_UNMANAGED", pif, NULL);
    else if (!model_get_bool(model, pif, "currently_attached"))
        api_error_set(error, "REQUIRED_PIF_IS_UNPLUGGED", pif, NULL);
    else
        return check_type(model, pif, type, error) && safe_change_check_none(model, error) &&
               call_may_wait(call, error);
    return false;
}

/* The one that has been, or NULL; the caller frees. */
static char *
managed_by(const struct api *api)
{
    g_autoptr(GPtrArray) pifs =
        model_referrers(api->model, api->host, dm_field_find(pif_class(), "host"));

    for (guint i = 0; i < pifs->len; i++)
        if (model_get_bool(api->model, pifs->pdata[i], "management"))
            return g_strdup(pifs->pdata[i]);
    return NULL;
}

static void
manage_by(struct call *call, const char *pif)
{
    g_autofree char *present = managed_by(call->api);
    const struct safe_change_before before = {.pifs = {pif, present}, .is_guarded = true};
    GError *error = NULL;
    struct txn *txn;

    if (!may_manage(call, pif, &error)) {
        call_fail(call, error);
        return;
    }
    if (g_strcmp0(present, pif) == 0) {
        call_return(call, NULL);
        return;
    }
    if (!(txn = call_begin(call)))
        return;
    if (present)
        txn_set_value(txn, present, "management", g_variant_new_boolean(FALSE));
    txn_set_value(txn, pif, "management", g_variant_new_boolean(TRUE));
    safe_change_record(call->api->change, txn, &before);
    change(call, txn, pif, false);
}

static void
management_reconfigure(struct call *call)
{
    manage_by(call, call_ref(call, 0));
}

/* On every host, of which there is one. */
static void
pool_management_reconfigure(struct call *call)
{
    const struct api *api = call->api;
    const char *network = call_ref(call, 0);
    g_autofree char *pif = network_pif(api->model, network, api->host);

    if (pif)
        manage_by(call, pif);
    else
        call_fail_code(call, "PIF_NOT_PRESENT", api->host, network, NULL);
}

/* Of the management interface: the host gives out, and is confirmed at, the other address. */
static void
set_primary_address_type(struct call *call)
{
    const struct model *model = call->api->model;
    const char *pif = call_ref(call, 0), *type = call_string(call, 1);
    g_autofree char *present = model_get_string(model, pif, "primary_address_type");
    bool is_management = model_get_bool(model, pif, "management");
    const struct safe_change_before before = {.pifs = {pif}, .is_guarded = true};
    GError *error = NULL;
    struct txn *txn;

    if (!check_host(call, pif, &error) || !safe_change_check_none(model, &error) ||
        (is_management && !check_type(model, pif, type, &error))) {
        call_fail(call, error);
        return;
    }
    if (!(txn = call_begin(call)))
        return;
    txn_set_string(txn, pif, "primary_address_type", type);
    if (!is_management || !model_get_bool(model, pif, "managed") || g_str_equal(present, type)) {
        call_commit(call, txn, NULL);
        return;
    }
    safe_change_record(call->api->change, txn, &before);
    change(call, txn, pif, false);
}

const struct call_impl calls_addresses[] = {
    {"PIF.reconfigure_ip", reconfigure_ip},
    {"PIF.reconfigure_ipv6", reconfigure_ipv6},
    {"PIF.set_primary_address_type", set_primary_address_type},
    {"host.management_reconfigure", management_reconfigure},
    {"pool.management_reconfigure", pool_management_reconfigure},
    {NULL, NULL},
};
